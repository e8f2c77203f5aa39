"""What every map of how wrong pixels may be promises, whatever program computes it. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from deltasr.arrays import Array
from deltasr.errors import ModelError

COVERAGE = 0.9
"""The share of values that lie in their intervals."""

STEPS_PER_LEVEL = 256
"""Maps are stored in this part of an 8-bit level."""

LARGEST = 65535
"""Of 16 bits, in which maps are stored."""


@dataclass(frozen=True)
class Run:
    """A model's run over a batch of LR pictures, with what a map is made of.

    Attributes:
        result: (N, 3, scale h, scale w) in [0, 1], what the model itself returns.
        features: of the encoder, (N, width, h, w).
        dial_values: fidelity and restoration, (N, 2).
    """

    result: Array
    features: Array
    dial_values: Array

    def first(self) -> Run:
        """The run of the first picture alone."""
        return Run(self.result[:1], self.features[:1], self.dial_values[:1])


class ErrorMapInterface(Protocol):
    """Runs a model, and makes the map of its results."""

    def run(self, lr: Array, fidelity: Any = None, restoration: Any = None) -> Run:
        """Run the model as its call does, and keep its features.

        Args:
            lr: (N, 3, h, w) in [0, 1].
            fidelity, restoration: as for the model.
        """

    def stored(self, run: Run, result: Array) -> Array:
        """The half-widths as results store them, in 1/256 of a level, over the largest number of 16 bits, up to 1.

        Args:
            run: of the model.
            result: (N, 3, scale h, scale w) in [0, 1]: that run's, projected if the model's results are.

        Returns:
            (N, 1, scale h, scale w).
        """


def no_map(model: str, have: Iterable[str]) -> ModelError:
    """What to raise for a model without a map.

    Args:
        model: what it is called.
        have: the names of models with one.
    """
    others = " or ".join(have)
    return ModelError(f"The model {model} has no error map; " + (f"choose {others}." if others else "leave it out."))
