"""Small networks that stand in for large ones: the same promises, a few thousand operations a pixel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.models.base import Model, SizeRequirements


class ConvNet(Model):
    """Two convolutions with zero padding, as networks have them, and random weights: far from any interpolation.

    With a dial, the features are the stronger the more faithful it shall be. It takes what it promises to take only.
    """

    default_fidelity = 0.75

    def __init__(self, *, scale: int, bounded: bool, multiple_of: int, square: bool, dial: bool) -> None:
        super().__init__()
        self.name, self.scale, self.dial = "conv-net", scale, dial
        self.receptive_field = 2 if bounded else None
        self.size_requirements = SizeRequirements(minimum=3, multiple_of=multiple_of, square=square)
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 3 * scale**2, 3, padding=1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5

    def forward(self, lr: Tensor, **told: float | None) -> Tensor:
        assert self.dial or not told
        fidelity = told.get("fidelity")
        fidelity = self.default_fidelity if fidelity is None else fidelity
        height, width = lr.shape[-2:]
        multiple = self.size_requirements.multiple_of
        assert min(height, width) >= 3
        assert height % multiple == width % multiple == 0
        assert height == width or not self.size_requirements.square
        features = torch.relu(self.first(lr)) * (0.5 + fidelity)
        return torch.sigmoid(F.pixel_shuffle(self.second(features), self.scale))


@pytest.fixture
def conv_net() -> Callable[..., Model]:
    """Builds a `ConvNet`."""

    def build(
        *, scale: int = 2, bounded: bool = True, multiple_of: int = 1, square: bool = False, dial: bool = False
    ) -> Model:
        return ConvNet(scale=scale, bounded=bounded, multiple_of=multiple_of, square=square, dial=dial).eval()

    return build
