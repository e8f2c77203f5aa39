"""DeltaDiff's Table I: methods by sets. Every model of the catalogue, and the paper's released pictures."""

from __future__ import annotations

from pathlib import Path

from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import SCORE_COLUMNS, SET, Meter, perception_panels
from deltasr.experiments.papers import (
    DELTADIFF,
    DELTADIFF_MILLIONS,
    DELTADIFF_SCALE,
    DELTADIFF_SET14,
    PAPER,
    REFERENCE_SOURCE,
    reference_scores,
)
from deltasr.experiments.plots import draw_panels
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table
from deltasr.models import catalogue
from deltasr.models.base import Model

_METHOD, _MILLIONS = "method", "parameters (M)"
_COLUMNS = (
    Column(title=_METHOD),
    Column(title=_MILLIONS, digits=2),
    *SCORE_COLUMNS,
)
_RELEASED = "DeltaDiff's released pictures"
_RELEASED_SET = str(DELTADIFF_SET14[SET])


def _run(settings: Settings) -> Result:
    meter = Meter(settings)
    settings.refuse_checkpoints_named(catalogue.names())
    models = {name: catalogue.load(name) for name in catalogue.names()}
    models |= {name: catalogue.load(path) for name, path in settings.checkpoints.items()}
    rows = [row for name, model in models.items() for row in _rows(name, model, meter)]
    for test_set in meter.sets:
        if released := _released(test_set):
            scores = meter.measure_ready(_RELEASED, released, test_set)
            rows.append(Row(cells={_METHOD: _RELEASED, _MILLIONS: DELTADIFF_MILLIONS, **scores.cells()}))
    rows.append(Row(cells={_METHOD: "DeltaDiff", _MILLIONS: DELTADIFF_MILLIONS, **DELTADIFF_SET14}, source=PAPER))
    for reference, scores_of in reference_scores(settings.sets):
        cells = {_METHOD: reference.method, _MILLIONS: reference.parameters, **scores_of}
        rows.append(Row(cells=cells, source=REFERENCE_SOURCE))
    panels = perception_panels(rows, label=_METHOD)
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(sorted(rows, key=lambda row: str(row.cells[SET])))),
        plots=(draw_panels(panels, title="Methods by sets"),) if panels else (),
        scale=(f"This run: {len(models)} models, {machine(settings.device)}.", meter.scale(), DELTADIFF_SCALE),
        notes=(
            *meter.notes(),
            "The paper's other rows were not available. Its released pictures are those in the folder `published` of "
            f"{_RELEASED_SET}.",
        ),
    )


def _rows(name: str, model: Model, meter: Meter) -> list[Row]:
    millions = parameters_of(model) / 1e6 or None
    return meter.rows(name, model, {_METHOD: name, _MILLIONS: millions})


def _released(test_set: TestSet) -> Path | None:
    """The folder of the results that were published with DeltaDiff's set, beside its HR pictures."""
    if test_set.benchmark.name != _RELEASED_SET:
        return None
    folder = test_set.benchmark.pairs[0].hr.parent.parent / "published"
    return folder if folder.is_dir() else None


EXPERIMENT = Experiment(
    name="deltadiff-table-1",
    title="Methods by sets",
    source=f"{DELTADIFF}, Table I.",
    run=_run,
    measures=True,
    compares=True,
)
