"""The default denoiser: features of the LR picture once, then a light time-conditioned body at every step.

Everything runs on the LR grid. The encoder does not see the time, so one picture costs one encoder and T bodies; the
body's weights are shared by all steps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_TIME_FREQUENCIES = 8


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """Convolution - ReLU - convolution with a skip; optionally scaled and shifted by the time, before the ReLU.

    Maps features (N, width, h, w) and modulation (N or 1, 2 width, 1, 1) or None to (N, width, h, w).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv(width, width)
        self.conv2 = _conv(width, width)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> Tensor:
        hidden = self.conv1(x)
        if modulation is not None:
            scale, shift = modulation.chunk(2, dim=1)
            hidden = torch.addcmul(shift, hidden, 1 + scale)
        return x + self.conv2(torch.relu(hidden))


class TimeEmbedding(nn.Module):
    """From `eta` (N,) in (0, 1] to one modulation (N, 2 width, 1, 1) for each block; zero at the start of training.

    The waves are sines and cosines of `sqrt(eta)`, in which the shifting sequence is geometric.
    """

    frequencies: Tensor

    def __init__(self, *, width: int, blocks: int, hidden: int = 64) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(_TIME_FREQUENCIES), persistent=False)
        self.hidden = nn.Linear(2 * _TIME_FREQUENCIES, hidden)
        self.out = nn.Linear(hidden, blocks * 2 * width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.blocks = blocks

    def forward(self, eta: Tensor) -> tuple[Tensor, ...]:
        angles = eta[:, None].sqrt() * self.frequencies / 2
        waves = torch.cat([angles.cos(), angles.sin()], dim=1).to(self.hidden.weight.dtype)
        return self.out(nn.functional.silu(self.hidden(waves)))[:, :, None, None].chunk(self.blocks, dim=1)


class ResidualNet(nn.Module):
    """Predicts a correction to the picture's code from the state, the LR picture's features and the time.

    Args:
        width: channels of every convolution.
        encoder_blocks: residual blocks that see the LR picture, once a picture.
        body_blocks: residual blocks that see the state, once a step.
        code_channels: channels of the first stage's code (3 scale^2).
    """

    def __init__(self, *, width: int, encoder_blocks: int, body_blocks: int, code_channels: int) -> None:
        super().__init__()
        self.head = _conv(3, width)
        self.encoder = nn.ModuleList(ResidualBlock(width) for _ in range(encoder_blocks))
        self.encoder_out = _conv(width, width)
        self.time = TimeEmbedding(width=width, blocks=body_blocks)
        self.state = nn.Conv2d(code_channels, width, 1)
        self.body = nn.ModuleList(ResidualBlock(width) for _ in range(body_blocks))
        self.tail = _conv(width, code_channels)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    @property
    def encoder_reach(self) -> int:
        """How far, in LR pixels, one feature can see."""
        return 2 * len(self.encoder) + 2

    @property
    def body_reach(self) -> int:
        """How far, in LR pixels, one value of the correction can see in the state and the features."""
        return 2 * len(self.body) + 1

    def encode(self, lr: Tensor) -> Tensor:
        """Features (N, width, h, w) of the LR picture (N, 3, h, w), values centred on zero."""
        first = self.head(lr)
        x = first
        for block in self.encoder:
            x = block(x)
        return first + self.encoder_out(x)

    def forward(self, state: Tensor, features: Tensor, eta: Tensor) -> Tensor:
        """The correction (N, code_channels, h, w).

        Args:
            state: what the chain has added to `y_0` so far, (N, code_channels, h, w).
            features: from `encode`, (N, width, h, w).
            eta: `eta_t` of each picture, (N,) or (1,).
        """
        x = features + self.state(state)
        for block, modulation in zip(self.body, self.time(eta), strict=True):
            x = block(x, modulation)
        return self.tail(x)
