"""Pixel losses, each a mean over all values of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

PixelLoss = Callable[[Tensor, Tensor], Tensor]
"""(prediction, target), both (N, C, H, W), to a scalar."""

_CHARBONNIER_EPSILON = 1e-3
_WINDOW = 8
_NEIGHBOURS = 5


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (prediction - target).abs().mean()


def l2(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference."""
    return (prediction - target).square().mean()


def charbonnier(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of `sqrt(d^2 + epsilon^2)`, epsilon = 1e-3 for values in [0, 1] (Charbonnier et al., 1994; LapSRN)."""
    return ((prediction - target).square() + _CHARBONNIER_EPSILON**2).sqrt().mean()


PIXEL_LOSSES: dict[str, PixelLoss] = {"l1": l1, "l2": l2, "charbonnier": charbonnier}


def grid_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """How much of a pattern that repeats with the LR grid a prediction has and its target has not.

    Both are pixel-unshuffled codes (N, C, h, w), whose channels are the places inside an LR pixel. The mean error of
    each channel over windows of 8x8 LR pixels (of the whole code where it is smaller) is what repeats; the mean square
    of those is returned.
    """
    window = [min(_WINDOW, side) for side in prediction.shape[-2:]]
    return F.avg_pool2d(prediction - target, window).square().mean()


def outside_local_range(pictures: Tensor, hr: Tensor) -> Tensor:
    """How far pictures leave the range of values that HR has around each place.

    A value darker than all HR values of its channel in the 5x5 pixels around it, or brighter, counts by its distance to
    that range. Blurred pictures hardly leave it, nor do textures as strong as those of HR; dots and halos do. The same
    range is what temporal anti-aliasing clamps to (Karis, High Quality Temporal Supersampling, SIGGRAPH 2014).

    Args:
        pictures: (N, C, H, W).
        hr: the same.

    Returns:
        The mean distance of each picture, (N,).
    """
    highest = F.max_pool2d(hr, _NEIGHBOURS, stride=1, padding=_NEIGHBOURS // 2)
    lowest = -F.max_pool2d(-hr, _NEIGHBOURS, stride=1, padding=_NEIGHBOURS // 2)
    return ((lowest - pictures).relu() + (pictures - highest).relu()).mean(dim=(1, 2, 3))


def per_picture_mean(loss: PixelLoss, prediction: Tensor, target: Tensor) -> Tensor:
    """A pixel loss of each picture by itself, (N,)."""
    return torch.stack([loss(one, other) for one, other in zip(prediction, target, strict=True)])
