"""The fidelity dial: PSNR-Y and LPIPS at several settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from deltasr.errors import SettingError
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import (
    LPIPS,
    LR_PSNR,
    PSNR,
    SCORE_COLUMNS,
    SET,
    Meter,
    perception_panels,
    squeeze_lpips,
)
from deltasr.experiments.plots import draw_panels
from deltasr.experiments.references import DELTADIFF_IMAGES, REFERENCE_SOURCE, REFERENCES, reference_scores
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.models import catalogue
from deltasr.models.base import Model

FIDELITIES = (0.0, 0.25, 0.5, 0.75, 1.0)

_MODEL, _FIDELITY, _LPIPS_COLUMN = "model", "fidelity", "LPIPS-alex"
_COLUMNS = (Column(title=_MODEL), Column(title=_FIDELITY), *SCORE_COLUMNS)


def _run(settings: Settings) -> Result:
    models = _models(settings)
    further, left_out = squeeze_lpips(settings)
    meter = Meter(settings, further=further)
    if next(iter(meter.perceptual), None) != _LPIPS_COLUMN:
        raise SettingError("The dial is measured by LPIPS through AlexNet; give a folder with its weights by --lpips.")
    ours = [row for name, model in models.items() for row in _rows(name, model, meter)]
    others = [
        Row(cells={_MODEL: reference.method, _FIDELITY: "", **scores}, source=REFERENCE_SOURCE)
        for reference, scores in reference_scores(meter.sets, (*REFERENCES, DELTADIFF_IMAGES))
    ]
    names = [test_set.benchmark.name for test_set in meter.sets]
    rows = sorted([*ours, *others], key=lambda row: names.index(str(row.cells[SET])))
    panels = perception_panels(rows, label=_MODEL, caption=_FIDELITY)
    count = f"{len(models)} model{'s' if len(models) != 1 else ''}"
    return Result(
        table=Table(
            columns=(*_COLUMNS, *(Column(title=name, digits=4) for name in further), Column(title=LR_PSNR, digits=2)),
            rows=tuple(rows),
        ),
        plots=(draw_panels(panels, title="From realism (0) to fidelity (1)"),),
        scale=(
            f"This run: {count} at {len(FIDELITIES)} settings of the dial, {machine(settings.device)}.",
            meter.scale(),
        ),
        notes=(
            *_trends(ours),
            *(f"{name}: {model.default_fidelity:g} is its default." for name, model in models.items()),
            *meter.notes(),
            f"{LPIPS} is {_LPIPS_COLUMN}.",
            *(f"{name} favours models that were trained by it." for name in further),
            *left_out,
            f"{LR_PSNR} (dB): RGB, between the result downscaled again and its input in 8 bits; of the mean error.",
            "Rows of other methods were measured with this protocol on whole sets, from published weights or images.",
        ),
    )


def _models(settings: Settings) -> dict[str, Model]:
    """The models to measure by the names of their rows, each with a dial."""
    chosen: Mapping[str, str | Path] = settings.checkpoints or {catalogue.DEFAULT: catalogue.DEFAULT}
    models = {name: catalogue.load(source) for name, source in chosen.items()}
    for name, model in models.items():
        if not model.dial:
            raise SettingError(f"{name} has no fidelity dial; give a model that has one by --checkpoint NAME=FILE.")
    return models


def _rows(name: str, model: Model, meter: Meter) -> list[Row]:
    """A row for each set and fidelity."""
    rows = []
    for fidelity in FIDELITIES:
        for scores in meter.measure(f"{name}@{fidelity:g}", model, fidelity=fidelity):
            cells: dict[str, Value] = {_MODEL: name, _FIDELITY: f"{fidelity:g}", LR_PSNR: scores.lr_psnr}
            rows.append(Row(cells={**cells, **scores.cells()}))
    return rows


def _trends(rows: Sequence[Row]) -> list[str]:
    """A sentence for each model and set: whether PSNR-Y and LPIPS are monotonic from fidelity 0 to 1."""
    sentences = []
    for name, dataset in dict.fromkeys((row.cells[_MODEL], row.cells[SET]) for row in rows):
        own = [row.cells for row in rows if (row.cells[_MODEL], row.cells[SET]) == (name, dataset)]
        psnr, lpips = (_trend([float(cells[title] or 0) for cells in own]) for title in (PSNR, LPIPS))
        sentences.append(f"{name} on {dataset}, from fidelity 0 to 1: {PSNR} {psnr}, and {LPIPS} {lpips}.")
    return sentences


def _trend(values: Sequence[float]) -> str:
    if len(set(values)) == 1:
        return "does not change"
    if all(before <= after for before, after in pairwise(values)):
        return "rises monotonically"
    if all(before >= after for before, after in pairwise(values)):
        return "falls monotonically"
    return "is not monotonic"


EXPERIMENT = Experiment(
    name="dial",
    title="The fidelity dial",
    source="No paper's: docs/upscaling.md says what the dial is.",
    run=_run,
    measures=True,
    compares=True,
)
