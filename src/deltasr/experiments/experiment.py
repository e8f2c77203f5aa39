"""What an experiment is: what it needs, what it is told, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deltasr.evaluation.sets import BenchmarkSet
from deltasr.experiments.tables import Table

SCALE = 4
"""The scale of every experiment."""


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """A benchmark set, and the border left out of PSNR-Y and SSIM-Y on each side; None for the scale."""

    __test__ = False

    benchmark: BenchmarkSet
    border: int | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an experiment is told.

    Attributes:
        output: folder of all experiments' results; trainings that several of them share lie in its folder `runs`.
        data: folder of training pictures.
        cache: folder for decoded training pictures.
        sets: what to measure on.
        lpips: a file of LPIPS weights, or a folder with such files; None for what `find_lpips` finds.
        quick: as small as makes sense: a few minutes on two CPU cores.
        images: length of each training, in crops; None for the experiment's own.
        only: the parts to run, by their names in `Experiment.parts`; empty for all.
        checkpoints: trained models by the names that their rows get.
        device: `auto`, or `cpu` even where there is an accelerator.
        say: told what is going on, a line at a time.
    """

    output: Path
    data: Path | None = None
    cache: Path | None = None
    sets: tuple[TestSet, ...] = ()
    lpips: Path | None = None
    quick: bool = False
    images: int | None = None
    only: tuple[str, ...] = ()
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    say: Callable[[str], None] = lambda text: None

    @property
    def cache_folder(self) -> Path:
        """Where decoded training pictures lie."""
        return self.cache or self.output / "cache"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What comes out of an experiment.

    Attributes:
        table: ours and the paper's numbers.
        plots: PNG files, which are put one below the other.
        scale: sentences that state the scale of this run, and the paper's beside it.
        notes: sentences on how to read the numbers.
    """

    table: Table
    plots: tuple[bytes, ...]
    scale: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A named experiment.

    Attributes:
        name: what the command line calls it, and the folder of its results.
        title: one line.
        source: the publication, and the table or figure in it.
        run: does it.
        trains: whether it needs training pictures.
        may_train: whether it takes training pictures that it does not always need.
        measures: whether it needs benchmark sets.
        compares: whether it takes trained models.
        parts: names of what can be run by itself; empty where there is only the whole.
    """

    name: str
    title: str
    source: str
    run: Callable[[Settings], Result]
    trains: bool = False
    may_train: bool = False
    measures: bool = False
    compares: bool = False
    parts: tuple[str, ...] = ()
