"""The exact first stage: pixel-unshuffle, and the bicubic upsampling computed directly on its grid.

A picture of (scale h) x (scale w) pixels becomes 3 scale^2 channels on the LR picture's own h x w grid, without loss
and without arithmetic. There, bicubic upsampling is a single small convolution of the LR picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.resampling.kernels import UPSAMPLING_REACH, upsampling_phases


def encode(picture: Tensor, scale: int) -> Tensor:
    """(N, 3, scale h, scale w) to its code (N, 3 scale^2, h, w), exactly."""
    return F.pixel_unshuffle(picture, scale)


def decode(code: Tensor, scale: int) -> Tensor:
    """The code (N, 3 scale^2, h, w) back to its picture (N, 3, scale h, scale w), exactly."""
    return F.pixel_shuffle(code, scale)


def _kernels_by_phase(scale: int) -> Tensor:
    """(scale^2, 1, 5, 5): for each place inside an LR pixel, the bicubic weights of the 5x5 LR pixels around it."""
    phases = torch.from_numpy(upsampling_phases(scale))
    return torch.einsum("ay,bx->abyx", phases, phases).flatten(0, 1)[:, None]


class BicubicCode(nn.Module):
    """The code of the bicubically upsampled LR picture: `y_0` of the residual-shift process.

    Maps (N, 3, h, w) to (N, 3 scale^2, h, w), for h, w >= 1. Keys' kernel with a = -0.5, as `imresize` has it. Border
    values repeat outwards (`imresize` mirrors, which differs within two LR pixels of the border): one value is enough.
    Autocast is switched off inside: `y_0` is the picture itself, and eight bits of mantissa would show.
    """

    kernels: Tensor

    def __init__(self, *, scale: int) -> None:
        super().__init__()
        self.register_buffer("kernels", _kernels_by_phase(scale).repeat(3, 1, 1, 1).float(), persistent=False)

    def forward(self, lr: Tensor) -> Tensor:
        with torch.autocast(lr.device.type, enabled=False):
            padded = F.pad(lr, (UPSAMPLING_REACH,) * 4, mode="replicate")
            return F.conv2d(padded, self.kernels.to(lr.dtype), groups=3)
