"""The report's experiments with the CNN: its depth against interpolation, and L1 against L2 as its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import PSNR, SET
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.report.results import MODEL, REPORT, compare
from deltasr.experiments.report.trainings import TRAINING_NOTE, train_cnn
from deltasr.experiments.runs import Run
from deltasr.experiments.tables import THIS_RUN, Row

_BLOCKS = (2, 10, 15)
_BASELINES = ("nearest", "bilinear", "bicubic")


def _label(blocks: int) -> str:
    return f"RRDB, {blocks} blocks"


def _train_depths(settings: Settings) -> Mapping[str, Run]:
    return {_label(blocks): train_cnn(settings, blocks=blocks) for blocks in _BLOCKS}


def _run_depths(settings: Settings) -> Result:
    result = compare(
        _train_depths,
        settings,
        title="Depth",
        baselines=_BASELINES,
        reported="report-1",
        notes=(
            TRAINING_NOTE,
            "Networks of all depths see the same number of images, which takes deeper ones more time. A short training "
            "shows the speed of learning rather than the final quality.",
        ),
    )
    return replace(result, plots=(_plot_depths(result.table.rows), *result.plots))


def _plot_depths(rows: Sequence[Row]) -> bytes:
    ours = [row for row in rows if row.source == THIS_RUN]
    psnr = {(row.cells[SET], row.cells[MODEL]): float(row.cells[PSNR] or 0) for row in ours}
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
        for name in dict.fromkeys(row.cells[SET] for row in ours)
    ]
    return draw_panels(panels, title="Depth against interpolation, after the same number of images")


def _train_losses(settings: Settings) -> Mapping[str, Run]:
    return {"CNN, L1": train_cnn(settings, loss="l1"), "CNN, L2": train_cnn(settings, loss="l2")}


def _run_losses(settings: Settings) -> Result:
    return compare(_train_losses, settings, title="L1 against L2", reported="report-2", notes=(TRAINING_NOTE,))


CNN_EXPERIMENTS = (
    Experiment(
        name="report-1",
        title="Depth: RRDB of 2, 10 and 15 blocks against interpolation",
        source=f"{REPORT}, Table 1.",
        run=_run_depths,
        trains=True,
        measures=True,
    ),
    Experiment(
        name="report-2",
        title="The CNN's loss: L1 against L2",
        source=f"{REPORT}, Table 2.",
        run=_run_losses,
        trains=True,
        measures=True,
    ),
)
"""`report-1` and `report-2`."""
