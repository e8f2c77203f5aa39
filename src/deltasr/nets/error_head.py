"""A small head that predicts how far each pixel of a result may be from the truth.

It runs on the LR grid, on the features of a network that stays as it is, and on the local gradients of the result,
which are rearranged to that grid.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_INNER = 16
_LEVELS = 255
_LARGEST = 5.55
"""Of the prediction: exp(5.55) - 1 is 256 levels."""


class ErrorHead(nn.Module):
    """Predicts log(1 + v), where v is a scale of the error in 8-bit levels, one value for all colours.

    Args:
        width: channels of the features.
        scale: the model's factor.
        dials: number of values in [0, 1] that the prediction depends on besides.
    """

    def __init__(self, *, width: int, scale: int, dials: int) -> None:
        super().__init__()
        self.scale = scale
        self.first = nn.Conv2d(width + scale**2, _INNER, 1)
        self.dials = nn.Linear(dials, _INNER)
        self.second = nn.Conv2d(_INNER, _INNER, 3, padding=1)
        self.out = nn.Conv2d(_INNER, scale**2, 1)

    def forward(self, features: Tensor, result: Tensor, dial_values: Tensor) -> Tensor:
        """(N, 1, scale h, scale w), at least 0.

        Args:
            features: (N, width, h, w).
            result: (N, 3, scale h, scale w) in [0, 1].
            dial_values: values of the dials, (N, dials) in [0, 1].
        """
        return F.pixel_shuffle(F.softplus(self._logits(features, result, dial_values)).clamp(max=_LARGEST), self.scale)

    def levels(self, features: Tensor, result: Tensor, dial_values: Tensor) -> Tensor:
        """v itself, (N, 1, scale h, scale w), from 0 to 256; arguments as for a call.

        It is expm1 of what a call gives, without the logarithm in between, since expm1(softplus(x)) is exp(x).
        """
        values = self._logits(features, result, dial_values).exp().clamp(max=math.expm1(_LARGEST))
        return F.pixel_shuffle(values, self.scale)

    def _logits(self, features: Tensor, result: Tensor, dial_values: Tensor) -> Tensor:
        """(N, scale^2, h, w)."""
        detail = F.pixel_unshuffle((_gradients(result) * _LEVELS).log1p(), self.scale)
        detail = detail.contiguous(memory_format=torch.channels_last)  # as the features are where models are used
        hidden = F.silu(self.first(torch.cat([features, detail], dim=1)) + self.dials(dial_values)[:, :, None, None])
        hidden = hidden + F.silu(self.second(hidden))
        logits: Tensor = self.out(hidden)
        return logits


def _gradients(picture: Tensor) -> Tensor:
    """(N, 1, H, W): mean over colours of the differences to the pixels below and to the right, as absolute values."""
    grey = picture.mean(dim=1, keepdim=True)
    below = F.pad((grey[..., 1:, :] - grey[..., :-1, :]).abs(), (0, 0, 0, 1))
    return below + F.pad((grey[..., 1:] - grey[..., :-1]).abs(), (0, 1))
