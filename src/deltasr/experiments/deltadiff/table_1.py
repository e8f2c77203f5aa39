"""DeltaDiff's Table I: methods by sets. Every model of the catalogue, and the paper's released pictures."""

from __future__ import annotations

from pathlib import Path

from deltasr.experiments.experiment import Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import SCORE_COLUMNS, SET, Meter, perception_panels
from deltasr.experiments.methods import measured_models
from deltasr.experiments.papers import (
    DELTADIFF,
    DELTADIFF_MILLIONS,
    METHOD,
    MILLIONS,
    deltadiff_scale,
    published,
    remarks,
)
from deltasr.experiments.plots import draw_panels
from deltasr.experiments.references import REFERENCE_SOURCE, reference_scores
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table

_COLUMNS = (
    Column(title=METHOD),
    Column(title=MILLIONS, digits=2),
    *SCORE_COLUMNS,
)
_RELEASED = "DeltaDiff's released pictures"
_RELEASED_SET = "DeltaDiffSet14"
_TABLE = "deltadiff-table-1"


def _run(settings: Settings) -> Result:
    meter = Meter(settings)
    rows = measured_models(settings, meter)
    for test_set in meter.sets:
        if released := _released(test_set):
            scores = meter.measure_ready(_RELEASED, released, test_set)
            rows.append(Row(cells={METHOD: _RELEASED, MILLIONS: DELTADIFF_MILLIONS, **scores.cells()}))
    for reference, scores_of in reference_scores(meter.sets):
        cells = {METHOD: reference.method, MILLIONS: reference.parameters, **scores_of}
        rows.append(Row(cells=cells, source=REFERENCE_SOURCE))
    panels = perception_panels(rows, label=METHOD)
    return Result(
        table=Table(columns=_COLUMNS, rows=(*sorted(rows, key=lambda row: str(row.cells[SET])), *published(_TABLE))),
        plots=(draw_panels(panels, title="Methods by sets"),) if panels else (),
        scale=(f"This run: {machine(settings.device)}.", meter.scale(), deltadiff_scale()),
        notes=(
            *meter.notes(),
            *remarks(_TABLE),
            f"The paper's released pictures are those in the folder `published` of {_RELEASED_SET}, its Set14 as it "
            "was released: whole pictures, squeezed to 256x256 by bicubic interpolation without anti-aliasing. "
            "`deltasr degrade FOLDER -o SET --square 256 --kind bicubic` makes such a set of any pictures, and 512 the "
            "larger one; the sets of this run are as they were given.",
        ),
    )


def _released(test_set: TestSet) -> Path | None:
    """The folder of the results that were published with DeltaDiff's set, beside its HR pictures."""
    if test_set.benchmark.name != _RELEASED_SET:
        return None
    folder = test_set.benchmark.pairs[0].hr.parent.parent / "published"
    return folder if folder.is_dir() else None


EXPERIMENT = Experiment(
    name=_TABLE,
    title="Methods by sets",
    source=f"{DELTADIFF}, Table I.",
    run=_run,
    measures=True,
    compares=True,
)
