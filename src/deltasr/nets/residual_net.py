"""The default denoiser: features of the LR picture once, then a light time-conditioned body at every step.

Everything runs on the LR grid. The encoder does not see the time, so one picture costs one encoder and T bodies; the
body's weights are shared by all steps. With dials, both also take numbers in [0, 1], such as how faithful a result
shall be and how degraded the LR picture is: one network is trained for a family of losses and of pictures (Dosovitskiy
and Djolonga, "You Only Train Once", ICLR 2020).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import ClassVar

import torch
from torch import Tensor, nn

from deltasr.nets.blocks import BLOCKS

_TIME_FREQUENCIES = 8
_DIAL_FREQUENCIES = 3
_HIDDEN = 64


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _waves(values: Tensor, count: int) -> Tensor:
    """Values (N,) in [0, 1] to cosines and sines (N, 2 count), the slowest a quarter of a wave, then in octaves."""
    angles = values[:, None] * (math.pi / 2 * 2.0 ** torch.arange(count, device=values.device))
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _dial_waves(asked: Tensor) -> Tensor:
    """Where dials stand, (N, dials) in [0, 1], to waves (N, 2 dials frequencies)."""
    return _waves(asked.flatten(), _DIAL_FREQUENCIES).view(len(asked), -1)


_OF_DIALS = ("time.hidden.weight", "fidelity.hidden.weight")
"""Weights with columns for each dial: after those for the time where there are such, in the order of the dials."""


class Modulation(nn.Module):
    """From waves (N, inputs) to one modulation (N, 2 width, 1, 1) for each block; zero at the start of training."""

    def __init__(self, *, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, blocks * 2 * width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.blocks = blocks

    def forward(self, waves: Tensor) -> tuple[Tensor, ...]:
        hidden = nn.functional.silu(self.hidden(waves.to(self.hidden.weight.dtype)))
        return self.out(hidden)[:, :, None, None].chunk(self.blocks, dim=1)


class ResidualNet(nn.Module):
    """Predicts a correction to the picture's code from the state, the LR picture's features and the time.

    Args:
        width: channels of every convolution.
        encoder_blocks: blocks that see the LR picture, once per picture.
        body_blocks: blocks that see the state, once per step.
        code_channels: channels of the first stage's code (3 scale^2).
        dials: how many numbers in [0, 1] modulate the blocks besides the time.
        block: what they are, a name in `nets.blocks.BLOCKS`.
        bodies: how many bodies there are; with more than one, each step runs one of its own.
        encodes_state: whether the encoder sees the state too, and so runs once per step.
    """

    outer_layers: ClassVar[tuple[str, ...]] = ("head", "tail")
    """The first and the last layers."""

    def __init__(
        self,
        *,
        width: int,
        encoder_blocks: int,
        body_blocks: int,
        code_channels: int,
        dials: int = 0,
        block: str = "residual",
        bodies: int = 1,
        encodes_state: bool = False,
    ) -> None:
        super().__init__()
        of_kind = BLOCKS[block]
        self.encoder_reach = of_kind.reach * encoder_blocks + 2
        """How far, in LR pixels, one feature can see."""
        self.body_reach = of_kind.reach * body_blocks + 1
        """How far, in LR pixels, one value of the correction can see in the features."""
        self.state_reach = self.body_reach + (self.encoder_reach - 1 if encodes_state else 0)
        """How far, in LR pixels, it can see in the state, which takes the encoder's way but for its first layer."""
        self._blocks_of_a_body = body_blocks
        time, asked = 2 * _TIME_FREQUENCIES, 2 * _DIAL_FREQUENCIES * dials
        self.head = _conv(3, width)
        self.encoder = nn.ModuleList(of_kind(width) for _ in range(encoder_blocks))
        self.encoder_out = _conv(width, width)
        self.time = Modulation(inputs=time + asked, width=width, blocks=bodies * body_blocks)
        self.state = nn.Conv2d(code_channels, width, 1)
        self.body = nn.ModuleList(of_kind(width) for _ in range(bodies * body_blocks))
        self.tail = _conv(width, code_channels)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        # named for the first of the dials, as released checkpoints have it
        self.fidelity = Modulation(inputs=asked, width=width, blocks=encoder_blocks) if dials else None
        self.encoder_state = nn.Conv2d(code_channels, width, 1) if encodes_state else None

    def encode(self, lr: Tensor, asked: Tensor | None = None, state: Tensor | None = None) -> Tensor:
        """Features (N, width, h, w) of the LR picture (N, 3, h, w), values centred on zero.

        `asked`, (N or 1, dials) in [0, 1], is for networks with dials; `state`, (N, code_channels, h, w), for those
        that encode it.
        """
        first = self.head(lr)
        if self.encoder_state is not None and state is not None:
            first = first + self.encoder_state(state)
        x = first
        modulations: Iterable[Tensor | None] = repeat(None, len(self.encoder))
        if self.fidelity is not None and asked is not None:
            modulations = self.fidelity(_dial_waves(asked))
        for block, modulation in zip(self.encoder, modulations, strict=True):
            x = block(x, modulation)
        return first + self.encoder_out(x)

    def forward(
        self, state: Tensor, features: Tensor, eta: Tensor, asked: Tensor | None = None, body: int = 0
    ) -> Tensor:
        """The correction (N, code_channels, h, w).

        Args:
            state: what the chain has added to `y_0` so far, (N, code_channels, h, w).
            features: from `encode`, (N, width, h, w).
            eta: `eta_t` of each picture, (N,) or (1,).
            asked: where the dials stand, in [0, 1], (N or 1, dials), for networks with dials.
            body: which one to run, counted from 0.
        """
        x = features + self.state(state)
        waves = _waves(eta.sqrt(), _TIME_FREQUENCIES)  # the shifting sequence is geometric in sqrt(eta)
        if asked is not None:
            both = (waves, _dial_waves(asked))
            waves = torch.cat([part.expand(max(map(len, both)), -1) for part in both], dim=1)
        own = slice(body * self._blocks_of_a_body, (body + 1) * self._blocks_of_a_body)
        for block, modulation in zip(self.body[own], self.time(waves)[own], strict=True):
            x = block(x, modulation)
        return self.tail(x)

    @torch.no_grad()
    def become(self, other: ResidualNet, *, asked: Sequence[float]) -> None:
        """Without dials, be the same function as a network with dials that stand at some place in [0, 1]."""
        assert other.fidelity is not None
        waves = _dial_waves(torch.tensor([asked], dtype=torch.float32))
        weights = dict(other.state_dict())
        time, rest = weights["time.hidden.weight"].tensor_split([2 * _TIME_FREQUENCIES], dim=1)
        weights["time.hidden.weight"] = time
        weights["time.hidden.bias"] = weights["time.hidden.bias"] + rest @ waves[0].to(rest)
        self.load_state_dict({name: weights[name] for name in self.state_dict()})
        for block, modulation in zip(self.encoder, other.fidelity(waves), strict=True):
            block.absorb(modulation)  # type: ignore[operator]

    def adopt(self, weights: Mapping[str, Tensor], *, places: Sequence[int] = ()) -> None:
        """Take the weights of the same network with fewer dials, and be the same function wherever the new ones stand.

        Args:
            weights: its `state_dict`.
            places: for each of its dials, which one it is here.
        """
        blank = {name: torch.zeros_like(weight) for name, weight in self.state_dict().items()}
        kept = {name: weight for name, weight in self.state_dict().items() if name.startswith("fidelity.hidden")}
        grown = {}
        for name in _OF_DIALS:
            if name in weights:
                first = 2 * _TIME_FREQUENCIES * name.startswith("time")
                columns = list(range(first))
                for start in (first + 2 * _DIAL_FREQUENCIES * place for place in places):
                    columns += range(start, start + 2 * _DIAL_FREQUENCIES)
                grown[name] = blank[name]
                grown[name][:, columns] = weights[name]
        self.load_state_dict(blank | kept | dict(weights) | grown)
