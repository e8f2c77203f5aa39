"""What every objective of a training run is, whatever system it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from deltasr.degradation.draws import generator_for
from deltasr.models.base import Model


@dataclass(frozen=True, kw_only=True)
class RngStreams:
    """The random number streams of a batch: functions of the seed of the recipe and the position of each crop alone.

    It does not matter, then, how many processes share a batch.

    Attributes:
        seed: of the recipe.
        position: of the batch's first crop.
    """

    seed: int
    position: int

    def generators(self, purpose: str, count: int) -> list[torch.Generator]:
        """A generator on the CPU for each of the first `count` crops, for one purpose."""
        return [generator_for(self.seed, f"{purpose}/{self.position + number}") for number in range(count)]


class Loss(NamedTuple):
    """A batch's loss.

    Attributes:
        terms: the weighted terms (terms,), in the order of the objective's names; their sum is the loss.
        picture: the model's result (N, 3, H, W), not clamped, for further losses on it; None where there are none.
        shares: how much those further losses count for each picture, (N,) in [0, 1]; None for all of it.
    """

    terms: Tensor
    picture: Tensor | None = None
    shares: Tensor | None = None


class Objective(nn.Module):
    """Maps a batch to its loss; wraps the model so that one call is one forward pass.

    `objective(lr, hr, streams, target, restoration)` takes (N, 3, h, w), (N, 3, scale h, scale w) and, where pixels
    shall be compared with something else than `hr`, (N, 3, scale h, scale w) again; and how degraded `lr` is, (N,), for
    models that restore. All are in [0, 1].

    Attributes:
        model: what is trained.
        terms: names of the loss terms.
    """

    model: Model
    terms: list[str]

    def forward(
        self,
        lr: Tensor,
        hr: Tensor,
        streams: RngStreams,
        target: Tensor | None = None,
        restoration: Tensor | None = None,
    ) -> Loss:
        raise TypeError(f"{type(self).__name__} does not define forward")
