"""The default denoiser: features of the LR picture once, then a light time-conditioned body at every step.

Everything runs on the LR grid. The time is no input of the encoder, so one picture takes one pass of the encoder and T
of the body; the body's weights are shared by all steps. Dials are further inputs of both, such as the fidelity of the
result and how degraded the LR picture is: one network is trained for a family of losses and of pictures (Dosovitskiy
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


def _dial_waves(dial_values: Tensor) -> Tensor:
    """Values of the dials, (N, dials) in [0, 1], to waves (N, 2 dials frequencies)."""
    return _waves(dial_values.flatten(), _DIAL_FREQUENCIES).view(len(dial_values), -1)


_OF_DIALS = ("time.hidden.weight", "fidelity.hidden.weight")
"""Weights with columns for each dial: after those for the time, if there are any, in the order of the dials."""


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
        encoder_blocks: blocks of the encoder, which runs once per picture.
        body_blocks: blocks of the body, which runs once per step.
        code_channels: channels of the first stage's code (3 scale^2).
        dials: number of values in [0, 1] that modulate the blocks besides the time.
        block: kind of the blocks, a name in `nets.blocks.BLOCKS`.
        bodies: number of bodies; with more than one, each step names the one that it runs.
        encodes_state: whether the state is an input of the encoder too, which then runs once per step.
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
        """Receptive field of one feature to each side, in LR pixels."""
        self.body_reach = of_kind.reach * body_blocks + 1
        """Receptive field of one value of the correction in the features, to each side, in LR pixels."""
        self.state_reach = self.body_reach + (self.encoder_reach - 1 if encodes_state else 0)
        """The same in the state, which passes through the encoder too, except its first layer, if `encodes_state`."""
        self._blocks_of_a_body = body_blocks
        time, dial_values = 2 * _TIME_FREQUENCIES, 2 * _DIAL_FREQUENCIES * dials
        self.head = _conv(3, width)
        self.encoder = nn.ModuleList(of_kind(width) for _ in range(encoder_blocks))
        self.encoder_out = _conv(width, width)
        self.time = Modulation(inputs=time + dial_values, width=width, blocks=bodies * body_blocks)
        self.state = nn.Conv2d(code_channels, width, 1)
        self.body = nn.ModuleList(of_kind(width) for _ in range(bodies * body_blocks))
        self.tail = _conv(width, code_channels)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        # named for the first of the dials, as released checkpoints have it
        self.fidelity = Modulation(inputs=dial_values, width=width, blocks=encoder_blocks) if dials else None
        self.encoder_state = nn.Conv2d(code_channels, width, 1) if encodes_state else None

    def encode(self, lr: Tensor, dial_values: Tensor | None = None, state: Tensor | None = None) -> Tensor:
        """Features (N, width, h, w) of the LR picture (N, 3, h, w), values centred on zero.

        `dial_values`, (N or 1, dials) in [0, 1], are the values of the dials, for networks with dials; `state`,
        (N, code_channels, h, w), is for networks that encode it.
        """
        first = self.head(lr)
        if self.encoder_state is not None and state is not None:
            first = first + self.encoder_state(state)
        x = first
        modulations: Iterable[Tensor | None] = repeat(None, len(self.encoder))
        if self.fidelity is not None and dial_values is not None:
            modulations = self.fidelity(_dial_waves(dial_values))
        for block, modulation in zip(self.encoder, modulations, strict=True):
            x = block(x, modulation)
        return first + self.encoder_out(x)

    def forward(
        self, state: Tensor | None, features: Tensor, eta: Tensor, dial_values: Tensor | None = None, body: int = 0
    ) -> Tensor:
        """The correction (N, code_channels, h, w).

        Args:
            state: the sum of what the chain has added to `y_0`, (N, code_channels, h, w); None for zeros, after
                `move_state_bias`.
            features: from `encode`, (N, width, h, w).
            eta: `eta_t` of each picture, (N,) or (1,).
            dial_values: values of the dials in [0, 1], (N or 1, dials), for networks with dials.
            body: index of the body to run, from 0.
        """
        x = features if state is None else features + self.state(state)
        waves = _waves(eta.sqrt(), _TIME_FREQUENCIES)  # the shifting sequence is geometric in sqrt(eta)
        if dial_values is not None:
            both = (waves, _dial_waves(dial_values))
            waves = torch.cat([part.expand(max(map(len, both)), -1) for part in both], dim=1)
        own = slice(body * self._blocks_of_a_body, (body + 1) * self._blocks_of_a_body)
        for block, modulation in zip(self.body[own], self.time(waves)[own], strict=True):
            x = block(x, modulation)
        return self.tail(x)

    @torch.no_grad()
    def move_state_bias(self) -> Tensor:
        """Move the bias of the state's layer to that of the features, so that a state of zeros adds nothing.

        Returns:
            The bias, (width,), which is now part of what `encode` gives.
        """
        assert self.state.bias is not None
        assert self.encoder_out.bias is not None
        moved = self.state.bias.detach()
        self.encoder_out.bias.add_(moved)
        self.state.bias = None
        return moved

    @torch.no_grad()
    def become(self, other: ResidualNet, *, dial_values: Sequence[float]) -> None:
        """Take the function of a network with dials at fixed values of them in [0, 1], for a network without dials."""
        assert other.fidelity is not None
        waves = _dial_waves(torch.tensor([dial_values], dtype=torch.float32))
        weights = dict(other.state_dict())
        time, rest = weights["time.hidden.weight"].tensor_split([2 * _TIME_FREQUENCIES], dim=1)
        weights["time.hidden.weight"] = time
        weights["time.hidden.bias"] = weights["time.hidden.bias"] + rest @ waves[0].to(rest)
        self.load_state_dict({name: weights[name] for name in self.state_dict()})
        for block, modulation in zip(self.encoder, other.fidelity(waves), strict=True):
            block.absorb(modulation)  # type: ignore[operator]

    def adopt(self, weights: Mapping[str, Tensor], *, places: Sequence[int] = ()) -> None:
        """Take the weights of the same network with fewer dials; the output is the same at all values of the new ones.

        Args:
            weights: its `state_dict`.
            places: for each of its dials, its index here.
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
