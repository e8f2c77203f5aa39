"""The RRDB generator of ESRGAN (Wang et al. 2018, arXiv:1809.00219): dense blocks on the LR grid, then two doublings.

Parameters have the names under which ESRGAN's and Real-ESRGAN's weights are published, so that files of either side
fit the other.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROWTH = 32
"""Channels that each convolution of a dense block adds."""

_RESIDUAL_SCALE = 0.2
_SLOPE = 0.2
_INITIAL_GAIN = 0.1


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """Five convolutions, each on the outputs of all before it; the last, times 0.2, is added to the input.

    Maps (N, width, h, w) to the same shape. Initial weights are a tenth of Kaiming's: it starts near the identity.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv(width, GROWTH)
        self.conv2 = _conv(width + GROWTH, GROWTH)
        self.conv3 = _conv(width + 2 * GROWTH, GROWTH)
        self.conv4 = _conv(width + 3 * GROWTH, GROWTH)
        self.conv5 = _conv(width + 4 * GROWTH, width)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            nn.init.kaiming_normal_(conv.weight)
            with torch.no_grad():
                conv.weight.mul_(_INITIAL_GAIN)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, F.leaky_relu(conv(seen), _SLOPE)), dim=1)
        return torch.add(x, self.conv5(seen), alpha=_RESIDUAL_SCALE)


class ResidualInResidualDenseBlock(nn.Module):
    """Three dense blocks, whose result, times 0.2, is added to the input; (N, width, h, w) to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(width)
        self.rdb2 = DenseBlock(width)
        self.rdb3 = DenseBlock(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=_RESIDUAL_SCALE)


class RrdbNet(nn.Module):
    """The generator, x4: (N, 3, h, w) in [0, 1] to (N, 3, 4 h, 4 w), not clamped.

    Args:
        blocks: residual-in-residual dense blocks; 23 in ESRGAN.
        width: channels of every convolution that is not inside a dense block.
    """

    outer_layers: ClassVar[tuple[str, ...]] = ("conv_first", "conv_last")
    """The first and the last layer."""

    def __init__(self, *, blocks: int, width: int) -> None:
        super().__init__()
        self.conv_first = _conv(3, width)
        self.body = nn.Sequential(*(ResidualInResidualDenseBlock(width) for _ in range(blocks)))
        self.conv_body = _conv(width, width)
        self.conv_up1 = _conv(width, width)
        self.conv_up2 = _conv(width, width)
        self.conv_hr = _conv(width, width)
        self.conv_last = _conv(width, 3)

    @property
    def reach(self) -> int:
        """Receptive field of one result pixel to each side, in LR pixels.

        15 convolutions per block and the two around the blocks add a pixel each. The four behind, one on the grid of
        twice the size and three on that of four times the size, add two LR pixels for a pixel at its LR pixel's border.
        """
        return 15 * len(self.body) + 2 + 2

    def forward(self, lr: Tensor) -> Tensor:
        first = self.conv_first(lr)
        x = first + self.conv_body(self.body(first))
        for conv in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), _SLOPE)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), _SLOPE))
