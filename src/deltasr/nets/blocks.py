"""Blocks of a denoiser: features in, features of the same shape out, close to the identity when initialised.

All of them have one signature: `Block(width)`, and a call with features (N, width, h, w) and a modulation, (N or 1,
2 width, 1, 1) or None, whose two halves scale (as 1 + scale) and shift `width` channels inside the block. `reach` is a
block's receptive field to each side, in pixels. It is finite, so that a picture comes out the same in tiles and whole:
pooling over the whole picture is left out of blocks that have it in their papers.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

_NEW_BRANCH = 0.1
"""Factor of a block's branch at initialisation."""

_NEGATIVE_SLOPE = 0.1
"""Of a leaky ReLU."""


def modulated(x: Tensor, modulation: Tensor | None) -> Tensor:
    """Features (N, width, h, w), scaled and shifted by a modulation (N or 1, 2 width, 1, 1) unless it is None."""
    if modulation is None:
        return x
    scale, shift = modulation.chunk(2, dim=1)
    return torch.addcmul(shift, x, 1 + scale)


def _scaled_and_shifted(layer: nn.Conv2d | ChannelNorm, modulation: Tensor) -> None:
    """Change a layer's weights so that its output is the former one modulated by (1, 2 width, 1, 1)."""
    scale, shift = modulation.detach().flatten().chunk(2)
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.mul_((1 + scale).view(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.mul_(1 + scale).add_(shift)


class ResidualBlock(nn.Module):
    """Convolution - ReLU - convolution with a skip; optionally scaled and shifted by the time, before the ReLU.

    Maps features (N, width, h, w) and modulation (N or 1, 2 width, 1, 1) or None to (N, width, h, w).
    """

    reach: ClassVar[int] = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(_NEW_BRANCH)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> Tensor:
        return x + self.conv2(self._activated(modulated(self.conv1(x), modulation)))

    def _activated(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def absorb(self, modulation: Tensor) -> None:
        """Change the weights so that without a modulation the output is that with this one, (1, 2 width, 1, 1)."""
        _scaled_and_shifted(self.conv1, modulation)


class LeakyBlock(ResidualBlock):
    """A `ResidualBlock` with a leaky ReLU (Maas et al., ICML 2013), in which channels that fall silent still learn.

    Where steps are large, training pushes channels below zero: the mean of the features is larger than their variation,
    so a kernel that answers to it negatively is the shortest way to a block that adds no noise.
    """

    negative_slope: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)
        # part of the weights, so that programs that see nothing but these can tell the block from one with a ReLU
        self.register_buffer("negative_slope", torch.tensor(_NEGATIVE_SLOPE))

    def _activated(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, _NEGATIVE_SLOPE)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel (N, width, h, w), with a scale and a shift of each.

    The result has the memory layout of the input, in which the convolutions after it are fast.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        last = nn.functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, eps=1e-6)
        layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
        return last.permute(0, 3, 1, 2).contiguous(memory_format=layout)


def _layer_scale(width: int) -> nn.Parameter:
    """A factor for each channel of a branch; of three dimensions, so that Muon does not treat it as a kernel."""
    return nn.Parameter(torch.full((width, 1, 1), _NEW_BRANCH))


def _gated(x: Tensor) -> Tensor:
    """The product of the first half of the channels with the second (SimpleGate)."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NafBlock(nn.Module):
    """NAFNet's block (Chen et al., ECCV 2022, arXiv:2204.04676) without its channel attention.

    Two branches with skips: norm - 1x1 - depthwise 3x3 - gate - 1x1, and norm - 1x1 - gate - 1x1. The simplified
    channel attention is left out because it averages over the whole picture. The modulation follows the first norm.
    """

    reach: ClassVar[int] = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.mix = nn.Conv2d(width, width, 1)
        self.scale1 = _layer_scale(width)
        self.norm2 = ChannelNorm(width)
        self.feed = nn.Conv2d(width, 2 * width, 1)
        self.forward_mix = nn.Conv2d(width, width, 1)
        self.scale2 = _layer_scale(width)

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> Tensor:
        hidden = self.depthwise(self.widen(modulated(self.norm1(x), modulation)))
        x = torch.addcmul(x, self.mix(_gated(hidden)), self.scale1)
        return torch.addcmul(x, self.forward_mix(_gated(self.feed(self.norm2(x)))), self.scale2)

    def absorb(self, modulation: Tensor) -> None:
        """Change the weights so that without a modulation the output is that with this one, (1, 2 width, 1, 1)."""
        _scaled_and_shifted(self.norm1, modulation)


class LargeKernelBlock(nn.Module):
    """ConvNeXt's block (Liu et al., CVPR 2022, arXiv:2201.03545): depthwise 7x7 - norm - 1x1 - GELU - 1x1.

    The 1x1 convolutions go to four times the width and back. The modulation follows the norm.
    """

    reach: ClassVar[int] = 3

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = ChannelNorm(width)
        self.widen = nn.Conv2d(width, 4 * width, 1)
        self.narrow = nn.Conv2d(4 * width, width, 1)
        self.scale = _layer_scale(width)

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> Tensor:
        hidden = modulated(self.norm(self.depthwise(x)), modulation)
        return torch.addcmul(x, self.narrow(nn.functional.gelu(self.widen(hidden))), self.scale)

    def absorb(self, modulation: Tensor) -> None:
        """Change the weights so that without a modulation the output is that with this one, (1, 2 width, 1, 1)."""
        _scaled_and_shifted(self.norm, modulation)


_PATTERNS = (
    ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    ((1, 0, -1), (2, 0, -2), (1, 0, -1)),
    ((1, 2, 1), (0, 0, 0), (-1, -2, -1)),
    ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
)
"""One pixel, Sobel's two directions, and the Laplacian."""


class BranchedConvolution(nn.Module):
    """A 3x3 convolution whose kernel is a sum of linear branches (N, width, h, w) -> (N, width, h, w).

    The branches are those of ECBSR's block (Zhang et al., ACM MM 2021): a free 3x3 kernel, and mixtures of channels
    (1x1) followed by a fixed pattern with a learned scale; in place of its 1x1 - 3x3 branch there is a plain 1x1. All
    branches are linear, so their sum is one kernel, and only that is convolved with, in training too.
    """

    patterns: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        patterns = torch.tensor(_PATTERNS, dtype=torch.get_default_dtype())
        norms = patterns.flatten(1).norm(dim=1)
        self.register_buffer("patterns", patterns / norms[:, None, None], persistent=False)
        self.free = nn.Conv2d(width, width, 3, padding=1)
        self.mixtures = nn.ParameterList(nn.Conv2d(width, width, 1).weight for _ in _PATTERNS)
        self.scales = nn.Parameter(torch.full((len(_PATTERNS), width), _NEW_BRANCH))

    def kernel(self) -> Tensor:
        """The sum of all branches, (width, width, 3, 3)."""
        kernel = self.free.weight
        for mixture, scale, pattern in zip(self.mixtures, self.scales, self.patterns, strict=True):
            kernel = kernel + mixture * scale[:, None, None, None] * pattern
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.kernel(), self.free.bias, padding=1)

    def absorb(self, modulation: Tensor) -> None:
        """Change the weights so that without a modulation the output is that with this one, (1, 2 width, 1, 1)."""
        _scaled_and_shifted(self.free, modulation)
        with torch.no_grad():
            self.scales.mul_(1 + modulation.detach().flatten().chunk(2)[0])


class ReparameterisedBlock(nn.Module):
    """A `ResidualBlock` whose kernels are sums of branches; it takes as many FLOPs as a residual block."""

    reach: ClassVar[int] = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = BranchedConvolution(width)
        self.conv2 = BranchedConvolution(width)
        with torch.no_grad():
            self.conv2.free.weight.mul_(_NEW_BRANCH)
            self.conv2.scales.mul_(_NEW_BRANCH)
        nn.init.zeros_(self.conv2.free.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> Tensor:
        return x + self.conv2(torch.relu(modulated(self.conv1(x), modulation)))

    def absorb(self, modulation: Tensor) -> None:
        """Change the weights so that without a modulation the output is that with this one, (1, 2 width, 1, 1)."""
        self.conv1.absorb(modulation)


Block = ResidualBlock | LeakyBlock | NafBlock | LargeKernelBlock | ReparameterisedBlock

BLOCKS: dict[str, type[Block]] = {
    "residual": ResidualBlock,
    "leaky": LeakyBlock,
    "naf": NafBlock,
    "large-kernel": LargeKernelBlock,
    "reparameterised": ReparameterisedBlock,
}
"""Blocks by the names that recipes give them."""
