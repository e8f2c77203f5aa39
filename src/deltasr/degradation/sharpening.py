"""Unsharp masking of HR pictures, as Real-ESRGAN (arXiv:2107.10833, section 3.4) sharpens those that it trains on."""

from __future__ import annotations

import torch
from torch import Tensor

from deltasr.degradation.blur import blur

WEIGHT = 0.5
"""Of the difference between a picture and its blurred copy, which is added to the picture."""

SIGMA = 8.0
"""Of the Gaussian blur, in pixels; what OpenCV chooses for a kernel of 51 pixels."""

THRESHOLD = 10.0
"""Differences up to this many 8-bit levels are left alone."""

_SIDE = 51


def sharpened(images: Tensor) -> Tensor:
    """Sharpen pictures where they differ from their blurred copies; the mask of those places is blurred too.

    Args:
        images: (N, 3, H, W) in [0, 1].

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    rest = images - _blurred(images)
    mask = _blurred((rest.abs() * 255 > THRESHOLD).to(images.dtype))
    return torch.lerp(images, (images + WEIGHT * rest).clamp(0, 1), mask).clamp(0, 1)


def _blurred(images: Tensor) -> Tensor:
    places = torch.arange(_SIDE, dtype=torch.float64, device="cpu") - _SIDE // 2
    line = torch.exp(-(places**2) / (2 * SIGMA**2))
    line = line / line.sum()
    return blur(blur(images, line[:, None]), line[None, :])
