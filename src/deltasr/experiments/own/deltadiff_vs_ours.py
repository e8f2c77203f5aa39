"""DeltaDiff as printed against ours, one change at a time, at equal training time and with three seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from deltasr.devices import find_device
from deltasr.errors import SettingError
from deltasr.experiments.costs import ProcessorClock, count_operations, parameters_of, training_operations
from deltasr.experiments.equal_time import equal_time_images, images_in, kept_file, one_thread
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import LPIPS, PICTURES, PSNR, SET, Meter, Scores
from deltasr.experiments.papers import DELTADIFF, MILLIONS, deltadiff_scale
from deltasr.experiments.plots import Bar, Panel, Series, draw_bars, draw_panels
from deltasr.experiments.runs import Run, scale_of, shortened, trained
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.training.recipes.editing import assigned, from_assignments
from deltasr.training.recipes.presets import recipe_named
from deltasr.training.recipes.types import AnyRecipe

_RECIPE, _AUTOENCODER = "deltadiff-paper-small", "vq-f4-small"
_OURS: dict[str, Any] = {"network": "tiny", "crop": 16, "eta_T": 1.0}
"""What the baseline changes in its recipe; at eta_T = 1 the training's last state is y_0, where inference starts."""
_IMAGES, _QUICK_IMAGES = 4_096, 64
_SEEDS = (0, 1, 2)
_FIRST_STAGE_SHARE = 5
"""How many times as long as another training the autoencoder's takes, which all others in its codes share."""
_SIDE = 64
_PICTURES, _QUICK_PICTURES = 16, 4
_FIRST_STAGE = "first-stage"
"""Name of the checkpoint that is used instead of an autoencoder trained here."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of the table: what is changed, and values of the recipe by their names."""

    group: str
    changes: Mapping[str, Any] = field(default_factory=dict)


_BASELINE, _PRINTED = "ours", "deltadiff-as-printed"
_FORCED, _PAPERS_END, _CODES = {"unroll": "teacher-forced"}, {"eta_T": 0.99}, {"first_stage": "vq"}
VARIANTS: dict[str, Variant] = {
    _BASELINE: Variant(group=_BASELINE),
    "teacher-forced": Variant(group="training", changes=_FORCED),
    "eta_T-0.99": Variant(group="start", changes=_PAPERS_END),
    "teacher-forced-eta_T-0.99": Variant(group="start", changes=_FORCED | _PAPERS_END),
    "vq-f4": Variant(group="first stage", changes=_CODES),
    "one-step": Variant(group="steps", changes={"steps": 1}),
    "two-steps": Variant(group="steps", changes={"steps": 2}),
    "fifteen-steps": Variant(group="steps", changes={"steps": 15}),
    "kappa-2": Variant(group="noise", changes={"kappa": 2.0}),
    "kappa-2-teacher-forced": Variant(group="noise", changes={"kappa": 2.0} | _FORCED),
    _PRINTED: Variant(group=_PRINTED, changes=_FORCED | _PAPERS_END | _CODES),
}
"""The rows; every one changes what its name says in the first, and nothing else."""

_FIXED = {"images", "seed"} | {key for variant in VARIANTS.values() for key in variant.changes}
"""Keys that cannot be overridden, since the rows differ by them."""

_VARIANT, _CHANGES, _SEEN, _SECONDS = "variant", "changes", "images seen", "s of training"
_GFLOP, _TFLOP = "GFLOP", "TFLOP of training"
_DIFFERENCE, _SPREAD = f"{PSNR} difference", "its spread"
_LPIPS_DIFFERENCE, _LPIPS_SPREAD = f"{LPIPS} difference", "spread of that"
_BY_SEED = f"{PSNR} by seed"
_COLUMNS = (
    Column(title=_VARIANT),
    Column(title=_CHANGES),
    Column(title=MILLIONS, digits=2),
    Column(title=_SEEN),
    Column(title=_SECONDS, digits=0),
    Column(title=_GFLOP, digits=1),
    Column(title=_TFLOP, digits=1),
    Column(title=SET),
    Column(title=PICTURES),
    Column(title=PSNR, digits=2),
    Column(title=_DIFFERENCE, digits=2),
    Column(title=_SPREAD, digits=2),
    Column(title=LPIPS, digits=4),
    Column(title=_LPIPS_DIFFERENCE, digits=4),
    Column(title=_LPIPS_SPREAD, digits=4),
    Column(title=_BY_SEED),
)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """The trainings of a variant, seed by seed: runs, seconds, operations, and scores on each set."""

    runs: tuple[Run, ...]
    seconds: float
    training_operations: float
    scores: tuple[tuple[Scores, ...], ...]


def _run(settings: Settings) -> Result:
    baseline = recipe_of(_BASELINE, _length(settings), settings)
    names = [name for name in VARIANTS if not settings.only or name in settings.only]
    on_cpu = find_device(settings.device).type == "cpu"
    meter = Meter(settings)
    with one_thread() if on_cpu else nullcontext():
        first_stage, about = _first_stage(names, baseline, settings)
        outcomes = {name: _outcome(name, baseline, first_stage, meter, on_cpu=on_cpu) for name in names}
        runs = [run for outcome in outcomes.values() for run in outcome.runs]
        scale = scale_of(runs, settings.device)
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(row for name in names for row in _rows(name, outcomes))),
        plots=(*_bars(outcomes), _steps_plot(outcomes)),
        scale=(scale, meter.scale(), deltadiff_scale()),
        notes=(*meter.notes(), *_notes(outcomes, settings, on_cpu=on_cpu), *about),
    )


def _length(settings: Settings) -> int:
    """Images of the baseline's training."""
    if settings.images is not None and settings.minutes is not None:
        raise SettingError("--images and --minutes both set the length of the trainings; give one of them.")
    if settings.minutes is None:
        return settings.images or (_QUICK_IMAGES if settings.quick else _IMAGES)
    with one_thread() if find_device(settings.device).type == "cpu" else nullcontext():
        return images_in(settings.minutes, "deltadiff-vs-ours", recipe_of(_BASELINE, _IMAGES, settings), settings)


def recipe_of(name: str, images: int, settings: Settings, *, seed: int = 0) -> AnyRecipe:
    """A variant's recipe at a length of so many images, or of a batch where that is more.

    Raises:
        SettingError: an override is of a key that the rows differ by, is no key, or has a wrong value.
    """
    for key in assigned(settings.overrides).keys() & _FIXED:
        raise SettingError(f"--override sets '{key}', by which the rows or trainings differ; leave it out.")
    recipe = shortened(
        recipe_named(_RECIPE),
        _IMAGES,
        validation_pictures=_QUICK_PICTURES if settings.quick else _PICTURES,
        **(_OURS | dict(VARIANTS[name].changes)),
        seed=seed,
    )
    recipe = from_assignments(recipe, settings.overrides)
    return shortened(recipe, max(images, recipe.batch))


def _first_stage(names: Sequence[str], baseline: AnyRecipe, settings: Settings) -> tuple[Path | None, tuple[str, ...]]:
    """The autoencoder that was given or is trained here, where a row needs one; and a note on it."""
    if others := settings.checkpoints.keys() - {_FIRST_STAGE}:
        raise SettingError(f"--checkpoint {min(others)} has no place here; name the autoencoder {_FIRST_STAGE}.")
    if not any(VARIANTS[name].changes.get("first_stage") == "vq" for name in names):
        return None, ()
    if given := settings.checkpoints.get(_FIRST_STAGE):
        return given, ("The autoencoder was given as a checkpoint; its training is not counted.",)
    label = "deltadiff-vs-ours-first-stage"
    pictures = _QUICK_PICTURES if settings.quick else _PICTURES
    recipe = shortened(recipe_named(_AUTOENCODER), baseline.images, validation_pictures=pictures)
    images = _FIRST_STAGE_SHARE * equal_time_images(label, recipe, baseline, settings)
    run = trained(label, shortened(recipe, max(images, recipe.batch)), settings)
    return run.weights, (
        f"The autoencoder of the VQ-f4 codes is small, and trained once, on {run.recipe.images:,} images in "
        f"{_FIRST_STAGE_SHARE} times the time of another training, which comes on top; its reconstructions have "
        f"{run.psnr_y_per_step()[-1]:.2f} dB, which results in its codes cannot exceed by much.",
    )


def _outcome(name: str, baseline: AnyRecipe, first_stage: Path | None, meter: Meter, *, on_cpu: bool) -> _Outcome:
    settings = meter.settings
    label = f"deltadiff-vs-ours-{name}"
    recipe = recipe_of(name, baseline.images, settings)
    stage = first_stage if VARIANTS[name].changes.get("first_stage") == "vq" else None
    images = baseline.images
    if name != _BASELINE:
        images = equal_time_images(label, recipe, baseline, settings, first_stage=stage)
    runs, seconds, scores = [], [], []
    for seed in _SEEDS:
        seeded = recipe_of(name, images, settings, seed=seed)
        clock = ProcessorClock(kept_file(f"{label}-seed-{seed}", seeded, baseline, settings, "seconds"))
        run = trained(f"{label}-seed-{seed}", seeded, settings, first_stage=stage, display=clock)
        runs.append(run)
        seconds.append(clock.seconds if on_cpu else run.seconds)
        scores.append(tuple(meter.measure(run.label, run.model())))
    return _Outcome(
        runs=tuple(runs),
        seconds=fmean(seconds),
        training_operations=runs[0].recipe.images * training_operations(recipe, settings, first_stage=stage),
        scores=tuple(scores),
    )


def _rows(name: str, outcomes: Mapping[str, _Outcome]) -> list[Row]:
    """A row for each set, with means over the seeds."""
    outcome = outcomes[name]
    model = outcome.runs[0].model()
    changes = ", ".join(f"{key} {value}" for key, value in VARIANTS[name].changes.items())
    with torch.inference_mode():
        operations = count_operations(partial(model, torch.zeros(1, 3, _SIDE, _SIDE)))
    cells: dict[str, Value] = {
        _VARIANT: name,
        _CHANGES: changes,
        MILLIONS: parameters_of(model) / 1e6,
        _SEEN: outcome.runs[0].recipe.images,
        _SECONDS: outcome.seconds,
        _GFLOP: operations / 1e9,
        _TFLOP: outcome.training_operations / 1e12,
    }
    rows = []
    for index, first in enumerate(outcome.scores[0]):
        of_seeds = [scores[index] for scores in outcome.scores]
        further: dict[str, Value] = {
            SET: first.dataset,
            PICTURES: first.pictures,
            PSNR: fmean(scores.psnr_y for scores in of_seeds),
            _BY_SEED: " / ".join(f"{scores.psnr_y:.2f}" for scores in of_seeds),
            LPIPS: None if first.lpips is None else fmean(scores.lpips or 0.0 for scores in of_seeds),
        }
        if name != _BASELINE and _BASELINE in outcomes:
            ours = [scores[index] for scores in outcomes[_BASELINE].scores]
            pairs = list(zip(of_seeds, ours, strict=True))
            further |= _difference([one.psnr_y - other.psnr_y for one, other in pairs], _DIFFERENCE, _SPREAD)
            if first.lpips is not None:
                distances = [(one.lpips or 0.0) - (other.lpips or 0.0) for one, other in pairs]
                further |= _difference(distances, _LPIPS_DIFFERENCE, _LPIPS_SPREAD)
        rows.append(Row(cells={**cells, **further}))
    return rows


def _difference(values: Sequence[float], mean: str, spread: str) -> dict[str, Value]:
    return {mean: fmean(values), spread: stdev(values)}


def _notes(outcomes: Mapping[str, _Outcome], settings: Settings, *, on_cpu: bool) -> tuple[str, ...]:
    run = next(iter(outcomes.values())).runs[0]
    clock = "on one thread of the processor" if on_cpu else "by the clock"
    overrides = f" Recipes are changed by {', '.join(settings.overrides)}." if settings.overrides else ""
    between: tuple[str, ...] = ()
    if _BASELINE in outcomes:
        ours = [scores[0].psnr_y for scores in outcomes[_BASELINE].scores]
        between = (
            f"Seeds alone change the {PSNR} of {_BASELINE} on {outcomes[_BASELINE].scores[0][0].dataset} by a standard "
            f"deviation of {stdev(ours):.3f} dB.",
        )
    return (
        f"{_BASELINE}: trained on-policy through all steps, in pixel-unshuffle codes, from y_0 exactly (eta_T = 1), 4 "
        f"steps, without noise. {_PRINTED}: teacher-forced, in VQ-f4 codes, eta_T = 0.99, as DeltaDiff's text has it. "
        "All have the kind of network that both papers use, L2 on the codes, Muon and the same learning rate."
        f"{overrides}",
        f"Equal training time: a variant sees as many images as take its steps the time that those of {_BASELINE} "
        f"take, by steps of both timed in turns {clock} before training; {_SECONDS}: what it took then, a mean over "
        "the seeds.",
        f"{PSNR} and {LPIPS} are means over seeds {', '.join(map(str, _SEEDS))}. A difference is from {_BASELINE} with "
        "the same seed, a mean over seeds; its spread is the standard deviation of the three.",
        *between,
        f"{_GFLOP}: all steps for a {_SIDE}x{_SIDE} input, first stage included. {_TFLOP}: of a whole training, "
        "backward pass and optimizer included. A multiplication and an addition are two operations.",
        "In VQ-f4 codes the network predicts the code, as published; in pixel-unshuffle codes its output is added to "
        "bicubic interpolation, so that a short training starts there.",
        f"The plot of steps is of their predictions on {run.recipe.validation_pictures} pictures held out of training, "
        f"a mean over seeds; bicubic interpolation has {run.curve('bicubic_psnr_y')[1][-1]:.2f} dB there.",
    )


def _bars(outcomes: Mapping[str, _Outcome]) -> list[bytes]:
    """A plot for each set: differences from ours in the rows' order."""
    if _BASELINE not in outcomes:
        return []
    rows = [row for name in outcomes for row in _rows(name, outcomes) if name != _BASELINE]
    return [
        draw_bars(
            [
                Bar(
                    name=str(row.cells[_VARIANT]),
                    value=float(row.cells[_DIFFERENCE] or 0),
                    group=VARIANTS[str(row.cells[_VARIANT])].group,
                )
                for row in rows
                if row.cells[SET] == name
            ],
            title=f"{name}: PSNR-Y beside ours, at equal training time",
            x="difference (dB)",
        )
        for name in dict.fromkeys(str(row.cells[SET]) for row in rows)
    ]


def _steps_plot(outcomes: Mapping[str, _Outcome]) -> bytes:
    series = []
    for name, outcome in outcomes.items():
        of_seeds = [run.psnr_y_per_step() for run in outcome.runs]
        means = [fmean(values) for values in zip(*of_seeds, strict=True)]
        series.append(Series(label=name, x=[number / len(means) for number in range(1, len(means) + 1)], y=means))
    panel = Panel(title="steps", x="share of the steps taken", y="PSNR-Y (dB)", series=series)
    return draw_panels([panel], title="PSNR-Y of each step's prediction")


EXPERIMENT = Experiment(
    name="deltadiff-vs-ours",
    title="DeltaDiff as printed against ours, at equal training time",
    source=f"No table of the paper's: what {DELTADIFF} describes, one change at a time.",
    run=_run,
    trains=True,
    measures=True,
    compares=True,
    equal_time=True,
    parts=tuple(VARIANTS),
)
