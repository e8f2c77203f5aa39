"""PSNR and SSIM on luma, and PSNR on the low-resolution grid.

All functions are pure and take RGB tensors in [0, 1]. Published numbers are of 8-bit pictures: round float
results to 8-bit levels first, with `to_8_bit_levels`. Everything is computed in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from deltasr.errors import SettingError
from deltasr.resampling.tensors import downscale

_LUMA_WEIGHTS = (65.481, 128.553, 24.966)
_LUMA_OFFSET = 16.0
_LUMA_PEAK = 255.0
_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


def to_8_bit_levels(image: Tensor) -> Tensor:
    """Rounds an image to the values k / 255 that an 8-bit file can hold, clamping what lies outside [0, 1].

    Args:
        image: float tensor of any shape.

    Returns:
        A tensor of the same shape and type.
    """
    return (image.clamp(0, 1) * 255).round() / 255


def luma(rgb: Tensor) -> Tensor:
    """BT.601 luma with the 16-235 range, as MATLAB's `rgb2ycbcr`, not rounded.

    Args:
        rgb: (N, 3, H, W), RGB in [0, 1].

    Returns:
        (N, 1, H, W), float64, `16 + 65.481 R + 128.553 G + 24.966 B`, so between 16 and 235.

    Raises:
        SettingError: the tensor is not (N, 3, H, W).
    """
    _require_rgb(rgb)
    rgb = _float64(rgb)
    weights = rgb.new_tensor(_LUMA_WEIGHTS).view(1, 3, 1, 1)
    return _LUMA_OFFSET + (rgb * weights).sum(dim=1, keepdim=True)


def psnr_y(sr: Tensor, hr: Tensor, *, border: int) -> Tensor:
    """Peak signal-to-noise ratio on luma, peak 255.

    Args:
        sr: (N, 3, H, W), RGB in [0, 1].
        hr: the HR pictures, same shape.
        border: pixels left out on each side; the scale by convention, 0 for whole images.

    Returns:
        (N,), float64, in dB; infinite for equal images.

    Raises:
        SettingError: shapes differ, or nothing is left inside the border.
    """
    return _psnr(*_cropped_lumas(sr, hr, border=border, smallest=1), peak=_LUMA_PEAK)


def ssim_y(sr: Tensor, hr: Tensor, *, border: int) -> Tensor:
    """Structural similarity on luma (Wang et al. 2004).

    The window is an 11x11 Gaussian, sigma 1.5, with population covariance; the mean is over the places where
    it lies wholly inside the cropped image, as in the authors' code.

    Args:
        sr: (N, 3, H, W), RGB in [0, 1].
        hr: the HR pictures, same shape.
        border: pixels left out on each side; the scale by convention, 0 for whole images.

    Returns:
        (N,), float64, at most 1, which equal images reach.

    Raises:
        SettingError: shapes differ, or less than 11x11 pixels are left inside the border.
    """
    x, y = _cropped_lumas(sr, hr, border=border, smallest=_SSIM_WINDOW)
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variance_x = _window_mean(x * x) - mean_x**2
    variance_y = _window_mean(y * y) - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    c1, c2 = (_SSIM_K1 * _LUMA_PEAK) ** 2, (_SSIM_K2 * _LUMA_PEAK) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return similarity.mean(dim=(1, 2, 3))


def lr_psnr(sr: Tensor, lr: Tensor, *, scale: int) -> Tensor:
    """PSNR between the downscaled result and its input, over RGB, after rounding to 8-bit levels.

    Args:
        sr: (N, 3, scale * h, scale * w), RGB in [0, 1]: the saved result.
        lr: (N, 3, h, w), RGB in [0, 1]: the input it was made from.
        scale: the factor between them; the downscaling is anti-aliased bicubic (`resampling`).

    Returns:
        (N,), float64, in dB; infinite where every value agrees.

    Raises:
        SettingError: the sizes do not differ by the scale.
    """
    _require_rgb(sr)
    _require_rgb(lr)
    if sr.shape[-2:] != (lr.shape[-2] * scale, lr.shape[-1] * scale):
        raise SettingError(f"A result of {_size(sr)} is not {scale} times an input of {_size(lr)}; give its own input.")
    downscaled = to_8_bit_levels(downscale(_float64(sr), scale))
    return _psnr(downscaled, _float64(lr), peak=1.0)


def _psnr(a: Tensor, b: Tensor, *, peak: float) -> Tensor:
    return 10 * torch.log10(peak**2 / (a - b).square().mean(dim=(1, 2, 3)))


def _cropped_lumas(sr: Tensor, hr: Tensor, *, border: int, smallest: int) -> tuple[Tensor, Tensor]:
    if sr.shape != hr.shape:
        raise SettingError(f"Images of {_size(sr)} and {_size(hr)} do not compare; bring them to one size.")
    if border < 0:
        raise SettingError(f"A border of {border} pixels cannot be left out; give 0 or more.")
    height, width = sr.shape[-2:]
    if min(height, width) - 2 * border < smallest:
        raise SettingError(
            f"An image of {_size(sr)} leaves less than {smallest}x{smallest} pixels inside a border of "
            f"{border}; choose a smaller border."
        )
    inside = (..., slice(border, height - border), slice(border, width - border))
    return luma(sr)[inside], luma(hr)[inside]


def _window_mean(image: Tensor) -> Tensor:
    offsets = torch.arange(_SSIM_WINDOW, dtype=image.dtype, device=image.device) - (_SSIM_WINDOW - 1) / 2
    weights = torch.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    weights = weights / weights.sum()
    rows = functional.conv2d(image, weights.view(1, 1, -1, 1))
    return functional.conv2d(rows, weights.view(1, 1, 1, -1))


def _require_rgb(image: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 3:
        raise SettingError(f"Metrics take RGB tensors (N, 3, H, W), not one of shape {tuple(image.shape)}.")


def _float64(image: Tensor) -> Tensor:
    on_mps = image.device.type == "mps"  # which has no float64
    return (image.cpu() if on_mps else image).double()


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
