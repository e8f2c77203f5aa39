"""Anti-aliased bicubic resizing of pictures as MATLAB's `imresize` does it, the field's standard degradation.

The same numbers come about in two ways. `torch.nn.functional.interpolate` has the same kernel (a = -0.5 where it
anti-aliases) and is several times as fast, but cuts the kernel off at borders, which therefore are mirrored before, and
computes positions in the picture's own precision, which must hold them exactly. Everything else goes by the taps.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from deltasr.errors import SettingError
from deltasr.resampling.kernels import KERNEL_WIDTH, resize_taps
from deltasr.resampling.mirroring import mirror

_LARGEST_DENOMINATOR = 16
"""Of a factor for which borders are mirrored and cut off again: they are that many samples wide, or more."""


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


def imresize(
    image: Tensor, *, scale: float | None = None, size: tuple[int, int] | None = None, antialias: bool = True
) -> Tensor:
    """Resize as MATLAB's `imresize(image, ...)` does with its default bicubic kernel.

    The bits are the same for any number of threads.

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
            raise SettingError(f"imresize cannot make {size[0]}x{size[1]} pixels; both sides must be at least 1.")
        scales = (size[0] / height, size[1] / width)
    factors = Fraction(size[0], height), Fraction(size[1], width)
    if scales == (float(factors[0]), float(factors[1])) and _interpolation_is_exact(image, factors, antialias):
        return _interpolated(image, factors)
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


def _resize_last(image: Tensor, size: int, scale: float, antialias: bool) -> Tensor:
    indices, weights = resize_taps(image.shape[-1], size, scale, antialias)
    return weighted_sums(image, torch.from_numpy(indices), torch.from_numpy(weights))


def _interpolation_is_exact(image: Tensor, factors: tuple[Fraction, Fraction], antialias: bool) -> bool:
    """Whether PyTorch's interpolation gives what the taps do, to the last bit or two, on any number of threads.

    It was compared on CPUs. A result sample lies at (its number + 1/2) / factor, which binary fractions hold exactly
    where the factor's numerator is a power of two; else positions drift, by 0.0003 levels of 1 at 3,000 samples.
    """
    return (
        image.device.type == "cpu"
        and image.dtype in (torch.float32, torch.float64)
        and image.numel() > 0
        and all(
            factor.numerator.bit_count() == 1
            and factor.denominator <= _LARGEST_DENOMINATOR
            and (antialias or factor >= 1)  # without anti-aliasing PyTorch's kernel has a = -0.75
            for factor in factors
        )
    )


def _interpolated(image: Tensor, factors: tuple[Fraction, Fraction]) -> Tensor:
    """`imresize` by way of `torch.nn.functional.interpolate` of a larger picture, mirrored at its borders."""
    seen, sizes, kept = [], [], []
    for length, factor in zip(image.shape[-2:], factors, strict=True):
        reach = KERNEL_WIDTH / (2 * min(factor, Fraction(1)))
        before = math.ceil(reach / factor.denominator) * factor.denominator
        seen.append(range(-before, length + before))
        sizes.append(int((length + 2 * before) * factor))
        kept.append(slice(int(before * factor), int((before + length) * factor)))
    larger = mirror(image, *seen)
    result = F.interpolate(
        larger.reshape(-1, 1, *larger.shape[-2:]), tuple(sizes), mode="bicubic", antialias=True, align_corners=False
    )[..., kept[0], kept[1]]
    return result.reshape(*image.shape[:-2], *result.shape[-2:]).contiguous()
