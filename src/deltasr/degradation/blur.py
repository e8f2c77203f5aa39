"""Blur kernels by formula, and their convolution with pictures (Real-ESRGAN, arXiv:2107.10833, sections 3.1 and 3.3).

A kernel is a (side, side) float64 tensor on the CPU, of odd side, that sums to 1. Sigmas are in pixels. Angles are
in radians, from the x axis (to the right) towards the y axis (downwards), and turn the axis of the first sigma.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from deltasr.errors import SettingError


def gaussian_kernel(side: int, sigma: tuple[float, float], *, angle: float = 0.0) -> Tensor:
    """Gaussian, `exp(-C^T S^-1 C / 2)` with covariance `S`; isotropic for equal sigmas.

    Args:
        side: odd, in pixels.
        sigma: standard deviations along the two axes, above 0.
        angle: of the first axis.

    Raises:
        SettingError: the side is even, or a sigma is not positive.
    """
    return _normalised(torch.exp(-_distance(side, sigma, angle) / 2))


def generalised_kernel(side: int, sigma: tuple[float, float], *, beta: float, angle: float = 0.0) -> Tensor:
    """Generalised Gaussian, `exp(-(C^T S^-1 C)^beta / 2)`: heavy tails below beta = 1, flat top and steep sides above.

    Args:
        side: odd, in pixels.
        sigma: the Gaussian's standard deviations (not the result's, unless beta is 1), above 0.
        beta: shape, above 0.
        angle: of the first axis.

    Raises:
        SettingError: the side is even, or a sigma or beta is not positive.
    """
    return _normalised(torch.exp(-(_distance(side, sigma, angle) ** _positive(beta)) / 2))


def plateau_kernel(side: int, sigma: tuple[float, float], *, beta: float, angle: float = 0.0) -> Tensor:
    """Plateau-shaped, `1 / (1 + (C^T S^-1 C)^beta)`.

    Args:
        side: odd, in pixels.
        sigma: half widths at half height along the two axes, above 0.
        beta: shape, above 0.
        angle: of the first axis.

    Raises:
        SettingError: the side is even, or a sigma or beta is not positive.
    """
    return _normalised(1 / (1 + _distance(side, sigma, angle) ** _positive(beta)))


def sinc_kernel(side: int, cutoff: float) -> Tensor:
    """The circular low-pass filter, `w J_1(w r) / (2 pi r)`, cut to a square: it rings and overshoots.

    Args:
        side: odd, in pixels.
        cutoff: `w`, in radians per pixel, above 0 and at most pi; no higher frequency passes.

    Raises:
        SettingError: the side is even, or the cut-off is out of range.
    """
    if not 0 < cutoff <= math.pi:
        raise SettingError(f"The cut-off of a sinc filter is {cutoff}; it lies above 0 and is at most pi.")
    x, y = _grid(side)
    radius = torch.hypot(x, y)
    centre = radius == 0
    safe = torch.where(centre, 1.0, radius)
    values = cutoff * torch.special.bessel_j1(cutoff * safe) / (2 * math.pi * safe)
    return _normalised(torch.where(centre, cutoff**2 / (4 * math.pi), values))


def blur(images: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each channel with a kernel; the picture is mirrored at its borders, which do not repeat.

    Args:
        images: (N, C, H, W), any floating type, range and device; H and W may be smaller than the kernel.
        kernel: (side, side).

    Returns:
        (N, C, H, W), not clamped.
    """
    channels, height, width = images.shape[-3:]
    rows = _mirrored(height, kernel.shape[0] // 2).to(images.device)
    columns = _mirrored(width, kernel.shape[1] // 2).to(images.device)
    padded = images.index_select(-2, rows).index_select(-1, columns)
    weight = kernel.flip(0, 1).to(images).expand(channels, 1, -1, -1).contiguous()
    return F.conv2d(padded, weight, groups=channels)


def _grid(side: int) -> tuple[Tensor, Tensor]:
    """x and y of each kernel sample, in pixels from the middle."""
    if side < 1 or side % 2 == 0:
        raise SettingError(f"A kernel of side {side} has no middle; give an odd number of pixels.")
    places = torch.arange(side, dtype=torch.float64, device="cpu") - side // 2
    y, x = torch.meshgrid(places, places, indexing="ij")
    return x, y


def _distance(side: int, sigma: tuple[float, float], angle: float) -> Tensor:
    """`C^T S^-1 C` with `S = R diag(sigma^2) R^T` (Real-ESRGAN eq. 2-3), (side, side)."""
    if min(sigma) <= 0:
        raise SettingError(f"The sigmas of a blur kernel are {sigma}; both are above 0 pixels.")
    x, y = _grid(side)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return (along / sigma[0]) ** 2 + (across / sigma[1]) ** 2


def _positive(beta: float) -> float:
    if beta <= 0:
        raise SettingError(f"The shape beta of a blur kernel is {beta}; it is above 0.")
    return beta


def _normalised(values: Tensor) -> Tensor:
    return values / values.sum()


def _mirrored(length: int, reach: int) -> Tensor:
    """Indices of a line of samples prolonged by `reach` at both ends: 2 1 0 1 2 ... for any length."""
    places = torch.arange(-reach, length + reach, device="cpu")
    if length == 1:
        return torch.zeros_like(places)
    period = torch.remainder(places, 2 * (length - 1))
    return torch.minimum(period, 2 * (length - 1) - period)
