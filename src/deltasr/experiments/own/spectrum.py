"""Patterns and dots that a model adds, along the fidelity dial: power spectra over those of HR, and local ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.evaluation import spectra
from deltasr.evaluation.metrics import luma
from deltasr.evaluation.spectra import Floats, Peak
from deltasr.experiments.experiment import SCALE, Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import SET, shown
from deltasr.experiments.pictures import hr_and_lr
from deltasr.experiments.plots import Map, Panel, Series, draw_maps, draw_panels
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.imaging import Picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.training.losses.pixel import outside_local_range

FIDELITIES = (0.0, 0.5, 1.0)
"""Fidelities at which a dial is measured, besides its default."""

DEFAULT_GOAL, NATURAL_GOAL = 1.15, 1.25
"""The largest ratio aimed at: at the default fidelity, and at fidelity 0."""

_MODEL, _FIDELITY, _LARGEST, _AT, _SPREAD, _REPEATING, _BEYOND, _OUTSIDE = (
    "model", "fidelity", "largest", "at", "spread", "at multiples of 1/4", "beyond 1/8", "outside 5x5"
)  # fmt: skip
_COLUMNS = (
    Column(title=_MODEL),
    Column(title=_FIDELITY),
    Column(title=SET),
    Column(title=_LARGEST, digits=3),
    Column(title=_AT),
    Column(title=_SPREAD, digits=3),
    Column(title=_REPEATING, digits=3),
    Column(title=_BEYOND, digits=3),
    Column(title=_OUTSIDE, digits=3),
)


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """One model at one fidelity on one set, and the spectra of its pictures."""

    model: str
    fidelity: float | None
    dataset: str
    results: Sequence[Floats]
    references: Sequence[Floats]
    outside: float

    @property
    def label(self) -> str:
        """For plots."""
        return self.model if self.fidelity is None else f"{self.model} at {self.fidelity:g}"

    def row(self) -> Row:
        """Its numbers."""
        peak = spectra.largest(self.results, self.references, spectra.away_from_zero())
        cells: dict[str, Value] = {
            _MODEL: self.model,
            _FIDELITY: "" if self.fidelity is None else f"{self.fidelity:g}",
            SET: self.dataset,
            _LARGEST: peak.ratio,
            _AT: _written(peak),
            _SPREAD: peak.spread,
            _REPEATING: spectra.largest(self.results, self.references, spectra.repeating(SCALE)).ratio,
            _BEYOND: self._beyond_the_lr_grid(),
            _OUTSIDE: self.outside,
        }
        return Row(cells=cells)

    def largest_by_radius(self) -> Series:
        """The largest ratio in each ring of frequencies, one frequency of a tile wide."""
        ratios = spectra.ratio(self.results, self.references)
        rings = np.round(spectra.radii() * spectra.TILE).astype(int)
        shown = [ring for ring in np.unique(rings) if ring >= spectra.LEAST_RADIUS * spectra.TILE]
        return Series(
            label=self.label,
            x=[ring / spectra.TILE for ring in shown],
            y=[float(ratios[rings == ring].max()) for ring in shown],
        )

    def _beyond_the_lr_grid(self) -> float:
        """The ratio of all the power that the LR grid cannot hold."""
        beyond = np.abs(spectra.frequencies()).max(axis=0) > 0.5 / SCALE
        return float(np.mean(self.results, axis=0)[beyond].sum() / np.mean(self.references, axis=0)[beyond].sum())


def _run(settings: Settings) -> Result:
    models = _models(settings)
    sets = [shown(test_set, settings) for test_set in settings.sets]
    measured = [
        one for test_set in sets for name, model in models.items() for one in _measure(name, model, test_set, settings)
    ]
    names = [test_set.benchmark.name for test_set in sets]
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(one.row() for one in measured)),
        plots=(
            draw_panels([_panel(name, measured) for name in names], title="Power over that of HR"),
            draw_maps(
                [[_map(one) for one in measured if one.dataset == name] for name in names],
                title="Power over that of HR, by frequency",
                middle=1.0,
                largest=4.0,
            ),
        ),
        scale=(
            f"This run: {machine(settings.device)}.",
            "This run is measured on "
            + ", ".join(f"{one.benchmark.name} ({len(one.benchmark.pairs)} pictures)" for one in sets)
            + ".",
        ),
        notes=(
            f"Power spectra of the luma of 8-bit results over those of HR: {spectra.TILE}x{spectra.TILE} tiles that "
            "overlap by half, without their means, through Hann's window; averaged over the tiles of a picture, then "
            "over pictures, then over 3x3 neighbouring frequencies; then the ratio. 1 is as much as HR has; a "
            "pattern is a narrow peak above 1.",
            f"{_LARGEST}: over all frequencies from {spectra.LEAST_RADIUS:g} cycles per pixel on; {_AT}: its vertical "
            f"and horizontal frequency; {_SPREAD}: its standard error over pictures; {_REPEATING}: over those that "
            f"repeat with the LR grid; {_BEYOND}: all the power that the LR grid cannot hold, together.",
            f"{_OUTSIDE}: how far the values of results leave the range that HR has in the 5x5 pixels around them, "
            "as a mean over all values and pictures, in levels of 255: dots and halos.",
            f"Aimed at: {_LARGEST} below {DEFAULT_GOAL:g} at the default fidelity, below {NATURAL_GOAL:g} at 0.",
            *(f"{name}: {model.default_fidelity:g} is its default." for name, model in models.items() if model.dial),
        ),
    )


def _models(settings: Settings) -> dict[str, Model]:
    """The models to measure by the names of their rows: the checkpoints, or the default one."""
    chosen: Mapping[str, str | Path] = settings.checkpoints or {catalogue.DEFAULT: catalogue.DEFAULT}
    return {name: catalogue.load(source) for name, source in chosen.items()}


def _measure(name: str, model: Model, test_set: TestSet, settings: Settings) -> list[_Measured]:
    """A model on a set at each fidelity that it is measured at."""
    upscaler = Upscaler(model, device=settings.device)
    dataset = test_set.benchmark.name
    pictures = [hr_and_lr(pair) for pair in test_set.benchmark.pairs]
    references = [_spectrum(hr) for hr, _ in pictures]
    measured = []
    for fidelity in sorted({*FIDELITIES, model.default_fidelity}) if model.dial else (None,):
        settings.say(f"measuring {name if fidelity is None else f'{name}@{fidelity:g}'} on {dataset}")
        results, outside = [], []
        for hr, lr in pictures:
            result = _upscaled(upscaler, lr, fidelity)
            results.append(_spectrum(result))
            outside.append(outside_local_range(_batch(result), _batch(hr)).item() * 255)
        measured.append(
            _Measured(
                model=name,
                fidelity=fidelity,
                dataset=dataset,
                results=results,
                references=references,
                outside=fmean(outside),
            )
        )
    return measured


def _upscaled(upscaler: Upscaler, lr: NDArray[np.uint8], fidelity: float | None) -> NDArray[np.uint8]:
    return upscaler.upscale(Picture(pixels=lr), fidelity=fidelity).pixels.astype(np.uint8)


def _spectrum(pixels: NDArray[np.uint8]) -> Floats:
    """Of the luma of a picture, (H, W, 3)."""
    return spectra.power_spectrum(luma(_batch(pixels))[0, 0].numpy())


def _batch(pixels: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) in 8 bits to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255


def _written(peak: Peak) -> str:
    vertical, horizontal = peak.frequency
    return f"{vertical:.3f}, {horizontal:.3f}"


def _panel(name: str, measured: Sequence[_Measured]) -> Panel:
    """The largest ratio by distance from 0, and the two goals."""
    lines = [one.largest_by_radius() for one in measured if one.dataset == name]
    ends = (spectra.LEAST_RADIUS, max(max(line.x) for line in lines))
    goals = [
        Series(label=f"aimed at: {text}", x=ends, y=(goal, goal), published=True)
        for goal, text in ((DEFAULT_GOAL, "default"), (NATURAL_GOAL, "0"))
    ]
    x, y = "distance from frequency 0 (cycles per pixel)", "largest ratio of power"
    return Panel(title=name, x=x, y=y, series=[*lines, *goals])


def _map(one: _Measured) -> Map:
    """The ratio at every frequency; white near 0, where it says nothing."""
    ratios = np.where(spectra.away_from_zero(), spectra.ratio(one.results, one.references), np.nan)
    return Map(title=f"{one.label}, {one.dataset}", values=ratios, ends=(-0.5, 0.5))


EXPERIMENT = Experiment(
    name="spectrum",
    title="Patterns: the power spectrum of results over that of HR",
    source="No paper's: docs/experiments.md says how it is measured.",
    run=_run,
    measures=True,
    compares=True,
)
