"""Small ResShift and DeltaDiff models under equal budget, trained here or given as checkpoints."""

from __future__ import annotations

from dataclasses import replace

from deltasr.errors import SettingError
from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import SCORE_COLUMNS, SECONDS, Meter, perception_panels
from deltasr.experiments.papers import (
    DELTADIFF,
    DELTADIFF_MILLIONS,
    METHOD,
    MILLIONS,
    RESSHIFT,
    deltadiff_scale,
    published,
    resshift_scale,
)
from deltasr.experiments.plots import draw_panels
from deltasr.experiments.runs import Run, budgeted, machine, scale_of, trained
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.models import catalogue, checkpoint
from deltasr.models.base import Model

_IMAGES = 60_000
_CROP = 32
_TEACHER_FORCED, _ON_POLICY, _OURS = "resshift-small", "deltadiff-paper-small", "deltadiff-tiny-x4"
_RECIPES = (_TEACHER_FORCED, _ON_POLICY, _OURS)
_PASSES = 4
"""Passes of the network per image where every step is run on it; a teacher-forced training has one."""
_BASELINE = "bicubic"

_MODEL, _STEPS = "model", "steps"
_IMAGES_SEEN, _TRAINING = "images seen", "s of training"
_COLUMNS = (
    Column(title=_MODEL),
    Column(title=_STEPS),
    Column(title=MILLIONS, digits=2),
    Column(title=_IMAGES_SEEN),
    Column(title=_TRAINING, digits=0),
    *SCORE_COLUMNS,
    Column(title=SECONDS, digits=2),
)


def _run(settings: Settings) -> Result:
    if settings.data is None and not settings.checkpoints:
        raise SettingError("small-models needs pictures to train on by --data, or trained models by --checkpoint.")
    settings.refuse_checkpoints_named((_BASELINE, *(_RECIPES if settings.data is not None else ())))
    meter = Meter(settings)
    runs = [_trained(name, settings) for name in _RECIPES] if settings.data is not None else []
    weights = {run.label: run.weights for run in runs} | dict(settings.checkpoints)
    models: dict[str, tuple[Model, dict[str, Value]]] = {_BASELINE: (catalogue.load(_BASELINE), {})}
    for name, path in weights.items():
        facts = {} if checkpoint.is_foreign(path) else checkpoint.read_header(path).training
        models[name] = catalogue.load(path), {_IMAGES_SEEN: facts.get("images"), _TRAINING: facts.get("seconds")}
    rows = [row for name, (model, facts) in models.items() for row in _rows(name, model, facts, meter)]
    on = settings.device
    trainings = (
        (scale_of(runs, on),) if runs else (f"This run: checkpoints that were given, measured on {machine(on)}.",)
    )
    panels = perception_panels(rows, label=_MODEL)
    return Result(
        table=Table(columns=_COLUMNS, rows=(*rows, *_published())),
        plots=(draw_panels(panels, title="Small models"),) if panels else (),
        scale=(*trainings, meter.scale(), resshift_scale(), deltadiff_scale()),
        notes=(
            *meter.notes(),
            *(_BUDGET if runs else ()),
            f"{_IMAGES_SEEN} and {_TRAINING}: as the checkpoint says. {SECONDS}: wall-clock, on this machine.",
        ),
    )


_BUDGET = (
    f"Equal budget is as many passes of the same network: {_ON_POLICY}, which runs its {_PASSES} steps on each image, "
    f"sees a quarter of the images of {_TEACHER_FORCED}, the first of the same crops. Seconds of training are in the "
    "table.",
    f"{_OURS} has another network, and sees as many images as {_TEACHER_FORCED}.",
)


def _published() -> list[Row]:
    """The papers' own models on their sets."""
    (resshift,) = (r for r in published("resshift-table-3", dataset="ImageNet-Test") if r.cells[METHOD] == "ResShift")
    (cost,) = (r for r in published("resshift-table-2") if r.cells[METHOD] == "ResShift")
    deltadiff = [r for r in published("deltadiff-table-1") if str(r.cells[METHOD]).startswith("DeltaDiff")]
    return [
        _published_row("ResShift", 15, cost.cells[MILLIONS], resshift),
        *(_published_row("DeltaDiff", 4, DELTADIFF_MILLIONS, row) for row in deltadiff),
    ]


def _published_row(model: str, steps: int, millions: Value, row: Row) -> Row:
    scores = {column.title: row.cells[column.title] for column in SCORE_COLUMNS}
    return replace(row, cells={_MODEL: model, _STEPS: steps, MILLIONS: millions, **scores})


def _trained(name: str, settings: Settings) -> Run:
    recipe = budgeted(name, settings, full=_IMAGES, crop=_CROP)
    if name == _ON_POLICY:
        quarter = replace(settings, images=recipe.images // _PASSES)
        recipe = budgeted(name, quarter, full=_IMAGES, crop=_CROP)
    return trained(name, recipe, settings)


def _rows(name: str, model: Model, facts: dict[str, Value], meter: Meter) -> list[Row]:
    cells: dict[str, Value] = {
        _MODEL: name,
        _STEPS: model.steps,
        MILLIONS: parameters_of(model) / 1e6 or None,
        **facts,
    }
    return [Row(cells={**cells, **scores.cells(), SECONDS: scores.seconds}) for scores in meter.measure(name, model)]


EXPERIMENT = Experiment(
    name="small-models",
    title="Small ResShift and DeltaDiff models under equal budget",
    source=f"{RESSHIFT}; {DELTADIFF}.",
    run=_run,
    may_train=True,
    measures=True,
    compares=True,
)
