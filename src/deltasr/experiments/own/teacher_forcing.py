"""Teacher-forced against on-policy training, PSNR-Y per step; neither paper has this experiment."""

from __future__ import annotations

from collections.abc import Iterable

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import SCORE_COLUMNS, Meter
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import Run, budgeted, scale_of, trained
from deltasr.experiments.tables import Column, Row, Table, Value

_IMAGES = 32_000
_STEPS = 4

_SYSTEMS = {"DeltaDiff, kappa = 0": "deltadiff-tiny-x4", "ResShift, kappa = 2": "resshift-small"}
_UNROLLS = {
    "DeltaDiff, kappa = 0": ("teacher-forced", "detached", "through"),
    "ResShift, kappa = 2": ("teacher-forced", "through"),
}

_SYSTEM, _TRAINING, _SECONDS, _BICUBIC = "system", "training", "s of training", "bicubic (dB)"
_STEP_COLUMNS = tuple(Column(title=f"step {number} (dB)", digits=2) for number in range(1, _STEPS + 1))
_COLUMNS = (
    Column(title=_SYSTEM),
    Column(title=_TRAINING),
    Column(title=_SECONDS, digits=0),
    Column(title=_BICUBIC, digits=2),
    *_STEP_COLUMNS,
    *SCORE_COLUMNS,
)


def _run(settings: Settings) -> Result:
    meter = Meter(settings)
    runs = {(system, unroll): _trained(system, unroll, settings) for system in _SYSTEMS for unroll in _UNROLLS[system]}
    rows = [row for (system, unroll), run in runs.items() for row in _rows(system, unroll, run, meter)]
    plot = draw_panels(
        [_panel(system, {unroll: runs[system, unroll] for unroll in _UNROLLS[system]}) for system in _SYSTEMS],
        title="PSNR-Y of each step's prediction, on pictures held out of training",
    )
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        plots=(plot,),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), "The papers have no such experiment."),
        notes=(
            *meter.notes(),
            f"Steps 1 to {_STEPS}, in the order in which they run: PSNR-Y of their predictions, on "
            f"{_held_out(runs.values())} pictures held out of training. All trainings see the same images; on-policy "
            f"ones run every step on each of them. {_BICUBIC}: bicubic interpolation of the same pictures.",
            "The steps' predictions are as the network gives them; the results that the sets are scored with are "
            "projected where they are DeltaDiff's.",
            "ResShift is trained by L1 here, as DeltaDiff is, to compare nothing but the training; its paper's loss is "
            "L2.",
            "At kappa = 0 a state made from the true picture holds that picture (x_t and y_0 determine x_0), so "
            "teacher-forced training has little to learn that helps at inference.",
        ),
    )


def _trained(system: str, unroll: str, settings: Settings) -> Run:
    name = _SYSTEMS[system]
    pictures = 4 if settings.quick else 16
    recipe = budgeted(
        name, settings, full=_IMAGES, unroll=unroll, loss="l1", steps=_STEPS, validation_pictures=pictures
    )
    return trained(f"{name}-{unroll}", recipe, settings)


def _rows(system: str, unroll: str, run: Run, meter: Meter) -> list[Row]:
    steps = {column.title: value for column, value in zip(_STEP_COLUMNS, run.psnr_y_per_step(), strict=True)}
    cells: dict[str, Value] = {_SECONDS: run.seconds, _BICUBIC: _bicubic(run), **steps}
    return meter.rows(run.label, run.model(), {_SYSTEM: system, _TRAINING: unroll, **cells})


def _bicubic(run: Run) -> float:
    return run.curve("bicubic_psnr_y")[1][-1]


def _held_out(runs: Iterable[Run]) -> str:
    return " or ".join(sorted({str(run.recipe.validation_pictures) for run in runs}))


def _panel(system: str, runs: dict[str, Run]) -> Panel:
    bicubic = _bicubic(next(iter(runs.values())))
    steps = list(range(_STEPS + 1))
    return Panel(
        title=system,
        x="steps taken (0 is bicubic interpolation)",
        y="PSNR-Y (dB)",
        series=[Series(label=unroll, x=steps, y=[bicubic, *run.psnr_y_per_step()]) for unroll, run in runs.items()],
    )


EXPERIMENT = Experiment(
    name="teacher-forcing",
    title="Teacher-forced against on-policy training",
    source="No paper's: docs/method.md says why it matters.",
    run=_run,
    trains=True,
    measures=True,
)
