"""Scores of a model on all sets of an experiment, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isnan
from pathlib import Path
from statistics import fmean

from torch import nn

from deltasr.errors import CheckpointError
from deltasr.evaluation.benchmark import Measurement, PerceptualMetric, measure_results, measure_upscaling
from deltasr.evaluation.lpips_source import find_lpips
from deltasr.evaluation.report import psnr_of_mean_error
from deltasr.experiments.experiment import SCALE, Settings, TestSet
from deltasr.experiments.plots import Panel, Series
from deltasr.experiments.tables import THIS_RUN, Column, Row, Value
from deltasr.inference.conditions import Restoration
from deltasr.inference.upscaler import Upscaler
from deltasr.models.base import Model

SET, PICTURES = "set", "pictures"
PSNR, SSIM, LPIPS, LR_PSNR, SECONDS = "PSNR-Y", "SSIM-Y", "LPIPS", "LR-PSNR", "s a picture"

LPIPS_SQUEEZE = "LPIPS-squeeze"

SCORE_COLUMNS = (
    Column(title=SET),
    Column(title=PICTURES),
    Column(title=PSNR, digits=2),
    Column(title=SSIM, digits=4),
    Column(title=LPIPS, digits=4),
)
"""The columns of `Scores.cells`."""

QUICK_PICTURES = 3
"""Pictures of each set that a quick run measures."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over the pictures of a set: dB, at most 1, a distance (None without LPIPS), dB, wall-clock seconds.

    LR-PSNR is that of the mean squared error, since pictures without one are common. `further` holds further distances
    by the titles of their columns, None where some picture has none.
    """

    dataset: str
    pictures: int
    psnr_y: float
    ssim_y: float
    lpips: float | None
    lr_psnr: float
    seconds: float | None
    further: Mapping[str, float | None] = field(default_factory=dict)

    def cells(self) -> dict[str, Value]:
        """The cells of `SCORE_COLUMNS`, and of the further distances."""
        return {
            SET: self.dataset,
            PICTURES: self.pictures,
            PSNR: self.psnr_y,
            SSIM: self.ssim_y,
            LPIPS: self.lpips,
            **self.further,
        }


class Meter:
    """Measures models on the sets of an experiment, all with the same metrics.

    Args:
        settings: of the experiment.
        further: more perceptual metrics than LPIPS, by the titles of their columns.

    Raises:
        CheckpointError: the LPIPS weights cannot be read.
    """

    def __init__(self, settings: Settings, *, further: Mapping[str, PerceptualMetric] | None = None) -> None:
        self.settings = settings
        self.sets = tuple(shown(test_set, settings) for test_set in settings.sets)
        found, self._without_lpips = find_lpips(settings.lpips)
        self.perceptual: Mapping[str, PerceptualMetric] = {**found, **(further or {})}

    @property
    def has_lpips(self) -> bool:
        """Whether LPIPS is measured."""
        return any(name.startswith(LPIPS) for name in self.perceptual)

    def measure(
        self,
        label: str,
        model: Model,
        *,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        sets: Sequence[TestSet] | None = None,
    ) -> list[Scores]:
        """Scores on each set, in their order.

        Args:
            label: name of the model in progress messages.
            model: to measure.
            fidelity: for models with a dial.
            restoration: for models that restore.
            sets: instead of the experiment's, for instance the same pictures in other files.

        Raises:
            PictureError: a picture cannot be read or does not fit its partner.
            SettingError: the fidelity or the restoration is not possible, or the model has no such dial.
        """
        upscaler = Upscaler(model, device=self.settings.device)
        scores = []
        for test_set in self.sets if sets is None else sets:
            self.settings.say(f"measuring {label} on {test_set.benchmark.name}")
            measured = measure_upscaling(
                partial(upscaler.upscale, fidelity=fidelity, restoration=restoration),
                test_set.benchmark,
                model=label,
                scale=model.scale,
                border=test_set.border,
                perceptual=self.perceptual,
            )
            scores.append(means(measured))
        return scores

    def measure_ready(self, label: str, folder: Path, test_set: TestSet) -> Scores:
        """Scores of results in files from any program: one picture for each of a whole set, matched by name.

        Raises:
            PictureError: a picture cannot be read, or has no partner, or does not fit it.
        """
        whole = next(s.benchmark for s in self.settings.sets if s.benchmark.name == test_set.benchmark.name)
        measured = measure_results(
            folder, whole, model=label, scale=SCALE, border=test_set.border, perceptual=self.perceptual
        )
        wanted = {pair.name for pair in test_set.benchmark.pairs}
        return means([measurement for measurement in measured if measurement.image in wanted])

    def rows(self, label: str, model: Model, cells: Mapping[str, Value]) -> list[Row]:
        """A row for each set: `cells`, and the scores."""
        return [Row(cells={**cells, **scores.cells()}) for scores in self.measure(label, model)]

    def notes(self) -> tuple[str, ...]:
        """How the scores were measured."""
        protocol = (
            "PSNR-Y (dB) and SSIM-Y of this run: BT.601 luma, 16-235, of 8-bit RGB results, means over pictures; "
            "publications may measure otherwise."
        )
        projected = (
            "Results are what deltasr upscale gives: those of our DeltaDiff for clean pictures are "
            "projected onto their input."
        )
        nets = ", ".join(name for name in self.perceptual if name.startswith(LPIPS))
        lpips = f"LPIPS of this run: {nets}, version 0.1, whole pictures, lower is better."
        return protocol, projected, self._without_lpips or lpips

    def scale(self) -> str:
        """A sentence that names the sets."""
        return f"This run is measured on {', '.join(_described(test_set) for test_set in self.sets)}."


def squeeze_lpips(settings: Settings) -> tuple[dict[str, nn.Module], tuple[str, ...]]:
    """LPIPS through SqueezeNet, as `Meter` takes further metrics; or nothing, and a sentence why."""
    try:
        found, reason = find_lpips(settings.lpips, nets=("squeeze",))
    except CheckpointError as error:
        found, reason = {}, f"LPIPS is left out: {error}"
    return found, () if reason is None else (reason.replace("LPIPS", LPIPS_SQUEEZE, 1),)


def perception_panels(rows: Sequence[Row], *, label: str, caption: str | None = None) -> list[Panel]:
    """LPIPS against PSNR-Y: a panel for each set that this run measured, a point for each row that has both numbers.

    Args:
        rows: with the cells of `SCORE_COLUMNS`, of this run and from elsewhere.
        label: title of the column that names a row; those of this run that have one name are joined.
        caption: title of the column whose values stand beside the points of this run.
    """
    complete = [row for row in rows if row.cells.get(PSNR) is not None and row.cells.get(LPIPS) is not None]
    panels = []
    for name in dict.fromkeys(row.cells[SET] for row in complete if row.source == THIS_RUN):
        ours = [row for row in complete if row.cells[SET] == name and row.source == THIS_RUN]
        others = [row for row in complete if row.cells[SET] == name and row.source != THIS_RUN]
        labels = list(dict.fromkeys(str(row.cells[label]) for row in ours))
        series = [_line(one, [row for row in ours if row.cells[label] == one], caption) for one in labels]
        series += [replace(_line(f"{row.cells[label]} (published)", [row]), published=True) for row in others]
        panels.append(Panel(title=str(name), x="PSNR-Y (dB)", y="LPIPS (lower is better)", series=series))
    return panels


def _line(label: str, rows: Sequence[Row], caption: str | None = None) -> Series:
    x, y = ([float(row.cells[title] or 0) for row in rows] for title in (PSNR, LPIPS))
    captions = [] if caption is None else [str(row.cells[caption]) for row in rows]
    return Series(label=label, x=x, y=y, captions=captions, joined=len(rows) > 1)


def means(measured: list[Measurement]) -> Scores:
    """The means over the pictures of one set, of which there is at least one."""
    names = list(measured[0].perceptual)
    lpips = next((name for name in names if name.startswith(LPIPS)), None)
    perceptual = {name: fmean(measurement.perceptual[name] for measurement in measured) for name in names}
    seconds = [measurement.seconds for measurement in measured if measurement.seconds is not None]
    return Scores(
        dataset=measured[0].dataset,
        pictures=len(measured),
        psnr_y=fmean(measurement.psnr_y for measurement in measured),
        ssim_y=fmean(measurement.ssim_y for measurement in measured),
        lpips=None if lpips is None else perceptual[lpips],
        lr_psnr=psnr_of_mean_error([measurement.lr_psnr for measurement in measured]),
        seconds=fmean(seconds) if seconds else None,
        further={name: None if isnan(perceptual[name]) else perceptual[name] for name in names if name != lpips},
    )


def shown(test_set: TestSet, settings: Settings) -> TestSet:
    """The set, or in a quick run its first pictures."""
    if not settings.quick:
        return test_set
    benchmark = test_set.benchmark
    return replace(test_set, benchmark=replace(benchmark, pairs=benchmark.pairs[:QUICK_PICTURES]))


def _described(test_set: TestSet) -> str:
    count = len(test_set.benchmark.pairs)
    border = {None: "border of the scale left out", 0: "whole pictures"}.get(
        test_set.border, f"border of {test_set.border} left out"
    )
    return f"{test_set.benchmark.name} ({count} picture{'s' if count != 1 else ''}, {border})"
