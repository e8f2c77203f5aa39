"""Early stopping: by itself, and in a run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from deltasr.models import checkpoint
from deltasr.models.base import Model
from deltasr.models.regression import Rrdb
from deltasr.training import trainer as trainer_module
from deltasr.training.best import Best
from deltasr.training.recipe_kinds import DeltaDiffRecipe, Recipe
from deltasr.training.validation import Validation


def _model(value: float) -> Rrdb:
    model = Rrdb(blocks=1, width=4)
    with torch.no_grad():
        model.conv_last.bias.fill_(value)
    return model


def _kept(best: Best) -> float:
    assert best.weights is not None
    return best.weights["conv_last.bias"][0].item()


def test_the_best_weights_are_kept_until_better_ones_come():
    best, model = Best(2), _model(1.0)
    best.consider(30.0, 10, model)
    with torch.no_grad():
        model.conv_last.bias.fill_(2.0)
    assert _kept(best) == 1
    best.consider(29.0, 20, model)
    assert (_kept(best), best.images, best.is_over) == (1, 10, False)
    best.consider(31.0, 30, model)
    assert (_kept(best), best.images, best.is_over) == (2, 30, False)


@pytest.mark.parametrize("worse", [30.0, 29.0, float("nan")])
def test_patience_ends_after_so_many_in_a_row_without_a_better_one(worse: float):
    best = Best(2)
    ends = []
    for images, score in enumerate((30.0, worse, 30.5, worse, worse)):
        best.consider(score, images, _model(0.0))
        ends.append(best.is_over)
    assert ends == [False, False, False, False, True]
    assert best.images == 2


def test_without_patience_nothing_is_kept():
    best = Best(0)
    for images in range(5):
        best.consider(-float(images), images, _model(0.0))
    assert best.weights is None
    assert not best.is_over


def test_a_restored_one_goes_on():
    best, other = Best(2), Best(2)
    best.consider(30.0, 10, _model(1.0))
    best.consider(29.0, 20, _model(2.0))
    other.restore(best.state(), _model(0.0))
    assert (_kept(other), other.images, other.is_over) == (1, 10, False)
    other.consider(29.5, 30, _model(3.0))
    assert (_kept(other), other.is_over) == (1, True)


Scored = Callable[[], list[dict[str, Tensor]]]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Scored:
    """Validations have known results, the second the best of the first four; the call gives the weights they saw."""

    def begin() -> list[dict[str, Tensor]]:
        scores: Iterator[float] = iter((30.0, 32.0, 31.0, 31.9, 40.0, 50.0))
        seen: list[dict[str, Tensor]] = []

        def validate(model: Model, *arguments: Any, **settings: Any) -> Validation:
            seen.append({name: value.clone() for name, value in model.state_dict().items()})
            return Validation(bicubic=25.0, steps=(50.0, next(scores)))

        monkeypatch.setattr(trainer_module, "validate", validate)
        return seen

    return begin


@pytest.fixture
def patient(recipe: Recipe) -> Recipe:
    return msgspec.structs.replace(recipe, patience=2, validate_every=2, learning_rate=3e-3, ema=0.5)


def test_a_run_without_a_better_validation_stops_and_releases_the_best_weights(
    scored: Scored, patient: Recipe, learn: Any, recorder: Any, assert_same: Any
):
    seen = scored()
    run = learn(patient, display=recorder)
    assert len(seen) == 4
    assert run.state["images"] == 8
    released = checkpoint.load(run.folder / "model.safetensors").state_dict()
    assert_same(dict(released), seen[1])
    assert not torch.equal(released["net.tail.weight"], seen[3]["net.tail.weight"])
    assert checkpoint.read_header(run.folder / "model.safetensors").training["images"] == 4
    assert recorder.notes[-2] == (
        "stopped at 8 crops: 2 validations without a better one; the weights are the best ones, of 4 crops"
    )


def test_it_stays_stopped_when_it_is_resumed(scored: Scored, patient: Recipe, learn: Any, assert_same: Any):
    scored()
    before = learn(patient).state
    assert_same(learn(DeltaDiffRecipe(), resume=True).state, before)


def test_a_run_stopped_before_and_resumed_stops_where_it_would_have(
    scored: Scored, patient: Recipe, learn: Any, recorder: Any, assert_same: Any
):
    scored()
    whole = learn(patient, "whole")
    seen = scored()
    recorder.on_progress = lambda images: signal.raise_signal(signal.SIGINT) if images == 4 else None
    assert learn(patient, "parts", display=recorder).state["images"] == 6
    assert len(seen) == 3
    parts = learn(DeltaDiffRecipe(), "parts", resume=True)
    assert_same(parts.state, whole.state)
    released = [checkpoint.load(run.folder / "model.safetensors").state_dict() for run in (parts, whole)]
    assert_same(dict(released[0]), dict(released[1]))
