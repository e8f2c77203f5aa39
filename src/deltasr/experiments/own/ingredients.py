"""Ablation of our DeltaDiff at equal training time: one change at a time to a small training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec
import torch

from deltasr.devices import drawback
from deltasr.errors import SettingError
from deltasr.experiments.costs import ProcessorClock, count_operations, parameters_of
from deltasr.experiments.equal_time import equal_time_images, kept_file, one_thread
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.plots import Bar, draw_bars
from deltasr.experiments.runs import Run, scale_of, shortened, trained
from deltasr.experiments.tables import Column, Row, Table
from deltasr.training.recipes.presets import recipe_named
from deltasr.training.recipes.types import AnyRecipe
from deltasr.training.run_folder import RunFolder

_RECIPE = "deltadiff-tiny-x4"
_IMAGES, _QUICK_IMAGES = 7_360, 320
_PICTURES, _QUICK_PICTURES = 16, 4
_QUICK_SHRINK = 2
"""By which the sides of crops are divided in a quick run."""
_SIDE = 64
_FREE = {"seed", "ema"}
"""Changes that cost no time."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of the table.

    Attributes:
        group: the ingredient, which the bars of one colour in the plot have in common.
        changes: values of the recipe by their names.
    """

    group: str
    changes: Mapping[str, Any] = field(default_factory=dict)


_BASELINE = "baseline"
VARIANTS: dict[str, Variant] = {
    _BASELINE: Variant(group=_BASELINE),
    "baseline-seed-1": Variant(group=_BASELINE, changes={"seed": 1}),
    "baseline-seed-2": Variant(group=_BASELINE, changes={"seed": 2}),
    "block-relu": Variant(group="block", changes={"block": "residual"}),
    "block-naf": Variant(group="block", changes={"block": "naf"}),
    "block-large-kernel": Variant(group="block", changes={"block": "large-kernel"}),
    "block-reparameterised": Variant(group="block", changes={"block": "reparameterised"}),
    "unroll-detached": Variant(group="unroll", changes={"unroll": "detached"}),
    "unroll-teacher-forced": Variant(group="unroll", changes={"unroll": "teacher-forced"}),
    "one-step": Variant(group="steps", changes={"steps": 1}),
    "two-steps": Variant(group="steps", changes={"steps": 2}),
    "last-step-first": Variant(group="steps", changes={"step_weights": (1, 1, 2, 6)}),
    "separate-weights": Variant(group="steps' weights", changes={"shared": False}),
    "features-every-step": Variant(group="features", changes={"features": "every-step"}),
    "smaller-crops": Variant(group="crops", changes={"crop": 16, "batch": 36}),
    "larger-crops": Variant(group="crops", changes={"crop": 32, "batch": 9}),
    "largest-crops": Variant(group="crops", changes={"crop": 48, "batch": 4}),
    "batch-4": Variant(group="batch", changes={"batch": 4}),
    "batch-8": Variant(group="batch", changes={"batch": 8}),
    "batch-32": Variant(group="batch", changes={"batch": 32}),
    "no-ema": Variant(group="averaging", changes={"ema": 0.0}),
    "ema-0.99": Variant(group="averaging", changes={"ema": 0.99}),
    "adamw": Variant(group="optimizer", changes={"optimizer": "adamw"}),
    "higher-rate": Variant(group="learning rate", changes={"learning_rate": 2.5e-3}),
    "lower-rate": Variant(group="learning rate", changes={"learning_rate": 5e-4}),
    "bf16": Variant(group="precision", changes={"precision": "bf16"}),
    "half-teacher": Variant(group="target", changes={"teacher": 0.5}),
    "teacher": Variant(group="target", changes={"teacher": 1.0}),
    "graphics": Variant(group="pictures", changes={"graphics": 0.15}),
    "web": Variant(group="pictures", changes={"degradation": "web", "restoring": True}),
}
"""The trainings; the baseline is trained with three seeds, which shows the variation between seeds.

Those with a teacher need `--checkpoint NAME=FILE`; of several files the mean is the target.
"""

_VARIANT, _CHANGES, _SEEN, _SECONDS = "variant", "changes", "images seen", "s of processor"
_MILLIONS, _GFLOP, _PSNR, _DIFFERENCE = "parameters (M)", "GFLOP", "PSNR-Y (dB)", "difference (dB)"
_COLUMNS = (
    Column(title=_VARIANT),
    Column(title=_CHANGES),
    Column(title=_SEEN),
    Column(title=_SECONDS, digits=0),
    Column(title=_MILLIONS, digits=2),
    Column(title=_GFLOP, digits=2),
    Column(title=_PSNR, digits=2),
    Column(title=_DIFFERENCE, digits=2),
)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """A training of a variant: the run, and the processor seconds of its steps."""

    variant: Variant
    run: Run
    seconds: float

    @property
    def psnr_y(self) -> float:
        """Of the last step, in dB."""
        return self.run.psnr_y_per_step()[-1]


def _run(settings: Settings) -> Result:
    settings = replace(settings, device="cpu")
    names = [name for name in VARIANTS if _wanted(name, settings)]
    with one_thread():
        outcomes = {name: _outcome(name, settings) for name in names}
        scale = scale_of([outcome.run for outcome in outcomes.values()], settings.device)
    baselines = [outcome.psnr_y for outcome in outcomes.values() if outcome.variant.group == _BASELINE]
    mean = fmean(baselines) if baselines else None
    rows = tuple(_row(name, outcome, mean) for name, outcome in outcomes.items())
    return Result(
        table=Table(columns=_COLUMNS, rows=rows),
        plots=() if mean is None else (_plot(outcomes, mean),),
        scale=(scale, "No paper has this table."),
        notes=(*_spread(baselines), *_notes(outcomes)),
    )


def _wanted(name: str, settings: Settings) -> bool:
    """Whether a row is run: those that are asked for, or all that have what they need.

    Raises:
        SettingError: a row is asked for whose teachers are not given.
    """
    taught = bool(VARIANTS[name].changes.get("teacher"))
    if not settings.only:
        return not taught or bool(settings.checkpoints)
    if name in settings.only and taught and not settings.checkpoints:
        raise SettingError(f"The row {name} needs a teacher; give its file by --checkpoint NAME=FILE.")
    return name in settings.only


def _outcome(name: str, settings: Settings) -> _Outcome:
    variant = VARIANTS[name]
    baseline = _recipe(VARIANTS[_BASELINE], _length(settings), settings)
    recipe = _recipe(variant, _length(settings), settings)
    label = f"ingredients-{name}"
    clock = ProcessorClock(kept_file(label, recipe, baseline, settings, "seconds"))
    if variant.changes.keys() - _FREE:
        recipe = _recipe(variant, equal_time_images(label, recipe, baseline, settings), settings)
    teachers = tuple(settings.checkpoints.values()) if variant.changes.get("teacher") else ()
    run = trained(label, recipe, settings, teachers=teachers, display=clock)
    return _Outcome(variant=variant, run=run, seconds=clock.seconds)


def _length(settings: Settings) -> int:
    """Images of the baseline's training."""
    return settings.images or (_QUICK_IMAGES if settings.quick else _IMAGES)


def _recipe(variant: Variant, images: int, settings: Settings) -> AnyRecipe:
    """A variant's recipe at a length of so many images, or of a batch where that is more."""
    named = recipe_named(_RECIPE)
    changes = {"crop": named.crop, "batch": named.batch, **variant.changes}
    changes["crop"] //= _QUICK_SHRINK if settings.quick else 1
    changes["validation_pictures"] = _QUICK_PICTURES if settings.quick else _PICTURES
    averaging = {"ema": changes.pop("ema")} if "ema" in changes else {}
    recipe = shortened(named, max(images, changes["batch"]), **changes)
    return msgspec.structs.replace(recipe, **averaging)


def _row(name: str, outcome: _Outcome, mean: float | None) -> Row:
    model = outcome.run.model()
    changes = ", ".join(f"{key} {getattr(outcome.run.recipe, key)}" for key in outcome.variant.changes)
    return Row(
        cells={
            _VARIANT: name,
            _CHANGES: changes,
            _SEEN: outcome.run.recipe.images,
            _SECONDS: outcome.seconds,
            _MILLIONS: parameters_of(model) / 1e6,
            _GFLOP: count_operations(partial(model, torch.zeros(1, 3, _SIDE, _SIDE))) / 1e9,
            _PSNR: outcome.psnr_y,
            _DIFFERENCE: None if mean is None else outcome.psnr_y - mean,
        }
    )


def _spread(baselines: list[float]) -> tuple[str, ...]:
    if len(baselines) < 2:
        return ()
    return (
        f"{_DIFFERENCE}: from the mean of the {len(baselines)} baselines, which differ by their seeds alone: from "
        f"{min(baselines):.3f} to {max(baselines):.3f} dB, standard deviation {stdev(baselines):.3f} dB. Differences "
        "of that size are not significant.",
    )


def _notes(outcomes: Mapping[str, _Outcome]) -> tuple[str, ...]:
    run = next(iter(outcomes.values())).run
    against_bf16 = drawback("bfloat16", torch.device("cpu"))
    in_bf16 = any(outcome.run.recipe.precision == "bf16" for outcome in outcomes.values())
    return (
        *([f"Precision bf16 was float32 here: {against_bf16}."] if in_bf16 and against_bf16 else []),
        f"The baseline is the recipe {_RECIPE} at that length; every other row changes what it says and nothing else, "
        "not the learning rate either. Equal training time: a variant sees as many images as take its steps the "
        "processor time that the baseline's take, by steps of both timed in turns on one thread before training.",
        f"{_SECONDS}: what the steps of the training took, which other work on the machine changes too; in a training "
        "that was ended by force, steps after its last saved state were taken again, and count twice.",
        f"{_GFLOP}: all steps for a {_SIDE}x{_SIDE} input; a multiplication and an addition are two operations.",
        f"{_PSNR}: of the last step's prediction by the averaged weights, not projected, on the middle of "
        f"{run.recipe.validation_pictures} pictures held out of training, at the end; bicubic interpolation has "
        f"{run.curve('bicubic_psnr_y')[1][-1]:.2f} dB.",
        *_about_targets(outcomes),
        "Blocks all have the same width and number. The NAF block is without channel attention, which would see the "
        "whole picture. Averages reach over a tenth of the steps unless the row says otherwise, and over fewer at the "
        "beginning, where the decay after n steps is (1 + n) / (10 + n) at the most.",
    )


def _about_targets(outcomes: Mapping[str, _Outcome]) -> list[str]:
    """What the rows with a teacher and with other pictures are."""
    notes = []
    taught = [outcome.run for outcome in outcomes.values() if outcome.variant.changes.get("teacher")]
    if taught:
        names = RunFolder(taught[0].weights.parent).teachers()
        notes.append(
            f"teacher: that share of the target is the result of {', '.join(Path(name).name for name in names)}, the "
            "rest the HR picture. Making the results once is not counted."
        )
    if any(outcome.variant.group == "pictures" for outcome in outcomes.values()):
        notes.append(
            "graphics and web learn from drawn and from degraded pictures too, with a restoration dial in web, and are "
            "measured on clean photographs alone: what the other pictures cost there."
        )
    return notes


def _plot(outcomes: Mapping[str, _Outcome], mean: float) -> bytes:
    """Differences from the baseline in the rows' order, with one colour per ingredient."""
    bars = [
        Bar(name=name, value=outcome.psnr_y - mean, group=outcome.variant.group) for name, outcome in outcomes.items()
    ]
    return draw_bars(bars, title="PSNR-Y beside the baseline's, at equal training time", x=_DIFFERENCE)


EXPERIMENT = Experiment(
    name="ingredients",
    title="Which ingredients pay at equal training time",
    source="No paper's: what deltadiff-tiny-x4 is made of, one change at a time.",
    run=_run,
    trains=True,
    compares=True,
    parts=tuple(VARIANTS),
)
