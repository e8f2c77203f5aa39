"""Anti-aliased bicubic resizing as MATLAB's `imresize` does it, the field's standard degradation.

The kernel is Keys' cubic convolution with a = -0.5 (R. G. Keys, 1981); when shrinking it is stretched by 1 / scale and
renormalised, and positions beyond the border are mirrored (the border value itself repeats).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from deltasr.errors import SettingError

_KERNEL_WIDTH = 4.0


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5, for any tensor of distances in samples."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1.0
    far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return torch.where(x <= 1.0, near, torch.where(x < 2.0, far, torch.zeros_like(x)))


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def resize_taps(length: int, size: int, scale: float, antialias: bool) -> tuple[Tensor, Tensor]:
    """The taps of a one-dimensional resize: which source samples make each result sample, and by how much.

    Args:
        length: number of source samples.
        size: number of result samples.
        scale: result samples per source sample (need not be exactly size / length).
        antialias: stretch the kernel when shrinking.

    Returns:
        indices (size, taps), int64 in [0, length), and weights (size, taps), float64, each row summing to 1; on the
        CPU. They are shared between callers: do not change them.
    """
    stretch = min(scale, 1.0) if antialias else 1.0
    width = _KERNEL_WIDTH / stretch
    taps = math.ceil(width) + 2
    centre = (torch.arange(size, dtype=torch.float64, device="cpu") + 0.5) / scale - 0.5
    first = torch.floor(centre - width / 2).to(torch.int64)
    indices = first[:, None] + torch.arange(taps, device="cpu")
    weights = cubic((centre[:, None] - indices) * stretch)
    weights = weights / weights.sum(dim=1, keepdim=True)
    used = (weights != 0).any(dim=0)
    indices, weights = indices[:, used], weights[:, used]
    period = torch.remainder(indices, 2 * length)
    mirrored = torch.where(period < length, period, 2 * length - 1 - period)
    return mirrored, weights


def weighted_sums(image: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """The one-dimensional resize by some taps, along the last side; the same bits for any number of threads.

    Args:
        image: (..., length), floating point.
        indices: (size, taps), int64 in [0, length).
        weights: (size, taps).

    Returns:
        (..., size), same type and device.
    """
    indices, weights = indices.to(image.device), weights.to(image)
    result = image.new_zeros((*image.shape[:-1], len(indices)))
    for tap in range(indices.shape[1]):
        result.addcmul_(image.index_select(-1, indices[:, tap]), weights[:, tap])
    return result


def _resize_last(image: Tensor, size: int, scale: float, antialias: bool) -> Tensor:
    return weighted_sums(image, *resize_taps(image.shape[-1], size, scale, antialias))


def imresize(
    image: Tensor, *, scale: float | None = None, size: tuple[int, int] | None = None, antialias: bool = True
) -> Tensor:
    """Resize as MATLAB's `imresize(image, ...)` does with its default bicubic kernel.

    Args:
        image: floating tensor (..., H, W), any range.
        scale: factor for both sides; the result is (..., ceil(H scale), ceil(W scale)).
        size: (height, width) of the result, instead of `scale`.
        antialias: stretch the kernel when shrinking, as MATLAB does by default.

    Returns:
        (..., height, width), same dtype and device, neither clamped nor rounded: values overshoot at edges.

    Raises:
        SettingError: not exactly one of `scale` and `size` is given, the result would be empty, or the picture is not
            in floating point.
    """
    if (scale is None) == (size is None):
        raise SettingError("imresize takes either a scale or a size; give exactly one of them.")
    if not image.is_floating_point():
        raise SettingError(f"imresize works in floating point, not in {image.dtype}; convert the picture first.")
    height, width = image.shape[-2:]
    if scale is not None:
        if not 0 < scale < math.inf:
            raise SettingError(f"imresize was given the scale {scale}; it must be positive and finite.")
        scales = (scale, scale)
        size = (math.ceil(height * scale), math.ceil(width * scale))
    else:
        assert size is not None
        if min(size) < 1:
            raise SettingError(f"imresize was asked for {size[0]}x{size[1]} pixels; both sides must be at least 1.")
        scales = (size[0] / height, size[1] / width)
    widened = _resize_last(image, size[1], scales[1], antialias)
    return _resize_last(widened.mT, size[0], scales[0], antialias).mT.contiguous()


def downscale(hr: Tensor, scale: int) -> Tensor:
    """The standard degradation of an HR picture: anti-aliased bicubic shrinking by a whole factor.

    Args:
        hr: (N, 3, H, W) in [0, 1]; H and W multiples of `scale`.
        scale: the factor, at least 1.

    Returns:
        (N, 3, H / scale, W / scale) in [0, 1], clamped and not rounded.

    Raises:
        SettingError: H or W is not a multiple of `scale`, or `scale` is below 1.
    """
    if scale < 1:
        raise SettingError(f"A picture cannot shrink by {scale}; give a whole factor of at least 1.")
    height, width = hr.shape[-2:]
    if height % scale or width % scale:
        raise SettingError(
            f"A picture of {height}x{width} pixels cannot shrink by {scale} exactly; crop it to a multiple of {scale}."
        )
    return imresize(hr, size=(height // scale, width // scale)).clamp(0, 1)
