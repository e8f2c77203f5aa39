"""The interface of an experiment: what it needs, its settings and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deltasr.errors import SettingError
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
    """Settings of an experiment.

    Attributes:
        output: folder of all experiments' results; its folder `runs` holds the trainings, which experiments share.
        data: folder of training pictures.
        cache: folder for decoded training pictures.
        sets: what to measure on.
        lpips: a file of LPIPS weights, or a folder with such files; None for what `find_lpips` finds.
        quick: as small as makes sense: a few minutes on two CPU cores.
        images: length of each training, in crops; None for the experiment's own.
        minutes: length of each training on this machine; None for `images`.
        overrides: `key=value` texts, which change the recipes of all trainings.
        only: the parts to run, by their names in `Experiment.parts`; empty for all.
        checkpoints: trained models by the names that their rows get.
        device: `auto`, or `cpu` even where there is an accelerator.
        say: called with each line on the progress.
    """

    output: Path
    data: Path | None = None
    cache: Path | None = None
    sets: tuple[TestSet, ...] = ()
    lpips: Path | None = None
    quick: bool = False
    images: int | None = None
    minutes: float | None = None
    overrides: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    say: Callable[[str], None] = lambda text: None

    def refuse_checkpoints_named(self, taken: Iterable[str]) -> None:
        """Raise SettingError if a checkpoint has the name of another row."""
        for name in self.checkpoints.keys() & set(taken):
            raise SettingError(f"--checkpoint {name} is the name of another model in the table; choose another.")

    @property
    def cache_folder(self) -> Path:
        """The folder for decoded training pictures."""
        return self.cache or self.output / "cache"


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of an experiment.

    Attributes:
        table: our numbers and the paper's.
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
        name: on the command line, and of the folder of its results.
        title: one line.
        source: the publication, and the table or figure in it.
        run: runs it.
        trains: whether it needs training pictures.
        may_train: whether it takes training pictures that it does not always need.
        measures: whether it needs benchmark sets.
        may_measure: whether it takes benchmark sets that it does not need.
        compares: whether it takes trained models.
        equal_time: whether its trainings take equal time, which can be given in minutes, and recipes that are changed.
        parts: names of rows that can be run separately; empty where there are none.
    """

    name: str
    title: str
    source: str
    run: Callable[[Settings], Result]
    trains: bool = False
    may_train: bool = False
    measures: bool = False
    may_measure: bool = False
    compares: bool = False
    equal_time: bool = False
    parts: tuple[str, ...] = ()
