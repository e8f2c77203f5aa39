"""Benchmark sets whose LR pictures are made by a degradation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deltasr.evaluation.degraded import Line, degrade_picture
from deltasr.evaluation.sets import Pair
from deltasr.experiments.experiment import SCALE, TestSet
from deltasr.imaging import read_picture, write_picture


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What `deltasr degrade --kind KIND --seed SEED --strength STRENGTH` does."""

    kind: str
    seed: int
    strength: float | None = None


def degraded(test_set: TestSet, folder: Path, degradation: Degradation) -> tuple[TestSet, Mapping[str, Line]]:
    """A set with degraded LR pictures, and the lines about them by the names of the pictures.

    Args:
        test_set: with HR pictures.
        folder: for the LR pictures; it is made.
        degradation: of all pictures.

    Raises:
        PictureError: an HR picture cannot be read.
    """
    folder.mkdir(parents=True)
    made = list(_pairs(test_set.benchmark.pairs, folder, degradation))
    benchmark = replace(test_set.benchmark, pairs=tuple(pair for pair, _ in made))
    return replace(test_set, benchmark=benchmark), {pair.name: line for pair, line in made}


def _pairs(pairs: Sequence[Pair], folder: Path, degradation: Degradation) -> Iterator[tuple[Pair, Line]]:
    for pair in pairs:
        made = degrade_picture(
            read_picture(pair.hr),
            name=pair.name,
            kind=degradation.kind,
            scale=SCALE,
            seed=degradation.seed,
            strength=degradation.strength,
        )
        lr = folder / f"{pair.name}.png"
        write_picture(made.picture, lr)
        yield replace(pair, lr=lr), made.line
