"""Metrics that need no HR picture, for the experiments whose source has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from deltasr.errors import ModelError
from deltasr.evaluation.no_reference import LOWER_IS_BETTER, NO_REFERENCE_NAMES, TITLES, NoReference, find_no_reference
from deltasr.experiments.papers import CLIPIQA, MUSIQ
from deltasr.experiments.tables import Column

_COLUMNS: Mapping[str, str] = {TITLES["clipiqa"]: CLIPIQA, TITLES["musiq"]: MUSIQ}
"""What the papers call metrics of other names."""


@dataclass(frozen=True, kw_only=True)
class Lenient:
    """A metric that has NaN for pictures that it cannot score, such as small ones, in place of an error."""

    metric: NoReference

    @property
    def library(self) -> str:
        """What computes it, with its version."""
        return self.metric.library

    def __call__(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The score of a picture (1, 3, H, W) in [0, 1], as `NoReference` has it, or NaN: (1,)."""
        try:
            return self.metric(sr, hr)
        except ModelError:
            return torch.full((1,), torch.nan)


NO_REFERENCE_COLUMNS = tuple(Column(title=_COLUMNS.get(title, title), digits=3) for title in TITLES.values())


def installed_metrics() -> tuple[dict[str, Lenient], tuple[str, ...]]:
    """Those that can be used here, by the titles of their columns; and a sentence for each that cannot."""
    found: dict[str, Lenient] = {}
    left_out = []
    for name in NO_REFERENCE_NAMES:
        column = _COLUMNS.get(TITLES[name], TITLES[name])
        try:
            (metric,) = find_no_reference([name]).values()
            found[column] = Lenient(metric=metric)
        except ModelError as error:
            left_out.append(f"{column} is left out of this run: {error}")
    return found, tuple(left_out)


def about(found: Mapping[str, Lenient]) -> tuple[str, ...]:
    """How the metrics were computed, as sentences for the notes."""
    if not found:
        return ()
    by = ", ".join(f"{title} ({metric.library})" for title, metric in found.items())
    lower = [title for title in found if title in LOWER_IS_BETTER]
    better = f" Of {' and '.join(lower)} lower is better, of the others higher." if lower else " Higher is better."
    return (
        f"Metrics without a reference, of this run: {by}.{better} A cell is empty where some picture has no score.",
    )
