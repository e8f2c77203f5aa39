"""The report's first experiment: RRDB networks of 2, 10 and 15 blocks against nearest and bilinear interpolation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import PSNR, SET
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.report.results import MODEL, REPORT, compare
from deltasr.experiments.report.trainings import TRAINING_NOTE, train_cnn
from deltasr.experiments.runs import Run
from deltasr.experiments.tables import Row

_BLOCKS = (2, 10, 15)
_REPORTED_BASELINES = ("nearest", "bilinear")
_BASELINES = (*_REPORTED_BASELINES, "bicubic")


def _label(blocks: int) -> str:
    return f"RRDB, {blocks} blocks"


def _train(settings: Settings) -> Mapping[str, Run]:
    return {_label(blocks): train_cnn(settings, blocks=blocks) for blocks in _BLOCKS}


def _run(settings: Settings) -> Result:
    result = compare(
        _train,
        settings,
        title="Depth",
        baselines=_BASELINES,
        reported=(*_REPORTED_BASELINES, *map(_label, _BLOCKS)),
        notes=(
            TRAINING_NOTE,
            "Every depth sees as many images, which takes a deeper network more time; a short training shows the "
            "speed of learning more than what depth is good for in the end.",
        ),
    )
    return replace(result, plots=(_plot(result.table.rows), *result.plots))


def _plot(rows: Sequence[Row]) -> bytes:
    psnr = {(row.cells.get(SET), row.cells[MODEL]): float(row.cells.get(PSNR) or 0) for row in rows}
    panels = [
        Panel(
            title=str(name),
            x="RRDB blocks",
            y="PSNR-Y (dB)",
            series=[
                Series(label="RRDB", x=_BLOCKS, y=[psnr[name, _label(blocks)] for blocks in _BLOCKS]),
                *(Series(label=b, x=[_BLOCKS[0], _BLOCKS[-1]], y=[psnr[name, b]] * 2) for b in _BASELINES),
            ],
        )
        for name in dict.fromkeys(row.cells[SET] for row in rows if SET in row.cells)
    ]
    return draw_panels(panels, title="Depth against interpolation, every depth after the same images")


EXPERIMENT = Experiment(
    name="report-1",
    title="Depth: RRDB of 2, 10 and 15 blocks against interpolation",
    source=f"{REPORT}.",
    run=_run,
    trains=True,
    measures=True,
)
