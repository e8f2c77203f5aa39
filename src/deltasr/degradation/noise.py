"""Noise by formula: Gaussian, Gaussian with correlated channels, and Poisson.

Real-ESRGAN (arXiv:2107.10833), section 3.1, and BSRGAN (arXiv:2103.14006), section 3.3.
Noise is drawn on the CPU, so that the same generator gives the same noise on every device. Results are not clamped.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_LEVELS = 255.0
_COUNTS = 448
"""An upper bound of photon counts: the mean of white plus twelve standard deviations."""


def gaussian_noise(images: Tensor, *, sigma: float, generator: torch.Generator, grey: bool = False) -> Tensor:
    """Add white Gaussian noise.

    Args:
        images: (N, C, H, W) in [0, 1].
        sigma: standard deviation in 8-bit levels, 0 to 255.
        generator: on the CPU.
        grey: the same noise in all channels.
    """
    return images + _field(images, grey, generator).to(images) * (sigma / _LEVELS)


def correlated_noise(images: Tensor, *, covariance: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise, white over pixels, whose channels have a covariance (BSRGAN's "3D" Gaussian noise).

    Args:
        images: (N, 3, H, W) in [0, 1].
        covariance: (3, 3), symmetric and positive semi-definite, in squared 8-bit levels.
        generator: on the CPU.
    """
    variances, axes = torch.linalg.eigh(covariance.double())
    mixing = (axes * variances.clamp(min=0).sqrt()) / _LEVELS
    field = torch.einsum("ij,njhw->nihw", mixing.float(), _field(images, False, generator))
    return images + field.to(images)


def poisson_noise(images: Tensor, *, scale: float, generator: torch.Generator, grey: bool = False) -> Tensor:
    """Add shot noise: `scale` times the deviation of photon counts from their mean, at 255 photons for white.

    At a value v its variance is `scale^2 v / 255`. The mean is the value rounded to 8 bits. Every count comes from
    one uniform number by the inverse of its distribution, so that a value that differs by rounding, as between
    devices, changes its own count a little and no other.

    Args:
        images: (N, 3, H, W) in [0, 1].
        scale: at least 0; 1 is the shot noise itself.
        generator: on the CPU.
        grey: the same noise in all channels, that of the luma (BT.601).
    """
    mean = images.detach().to("cpu", torch.float32).clamp(0, 1)
    if grey:
        mean = torch.einsum("c,nchw->nhw", torch.tensor(_LUMA, device="cpu"), mean)[:, None]
    levels = (mean * _LEVELS).round().double()
    places = levels + torch.rand(levels.shape, generator=generator, dtype=torch.float32, device="cpu")
    counts = torch.searchsorted(_poisson_distributions().flatten(), places, right=True) - levels * _COUNTS
    return images + ((counts - levels) / _LEVELS).to(images) * scale


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def _poisson_distributions() -> Tensor:
    """(256, counts) float64: P(X <= count) for each mean of 0 to 255, plus the mean, so that all rows are one ramp."""
    means = torch.arange(256, dtype=torch.float64, device="cpu")[:, None]
    counts = torch.arange(_COUNTS, dtype=torch.float64, device="cpu")
    return torch.special.gammaincc(counts + 1, means.expand(-1, _COUNTS)) + means


def _field(images: Tensor, grey: bool, generator: torch.Generator) -> Tensor:
    """Standard normal numbers, float32 on the CPU: (N, C, H, W), or (N, 1, H, W) if grey."""
    count, channels, height, width = images.shape
    return torch.randn(count, 1 if grey else channels, height, width, generator=generator, device="cpu")
