"""Stopping by time, by signals, and where the weights get no better."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from deltasr.models import checkpoint
from deltasr.models.base import Model
from deltasr.models.rrdb import Rrdb
from deltasr.training import run as run_module
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.stopping import BestWeights, Stopping, leave_signals_to_the_main_process
from deltasr.training.validation import Validation


def test_without_a_limit_nothing_is_wanted():
    with Stopping(None) as stopping:
        assert not stopping.wanted


@pytest.mark.parametrize(("minutes", "wanted"), [(0.0, True), (60.0, False)])
def test_the_time_counts_from_the_beginning(minutes: float, wanted: bool):
    assert Stopping(minutes).wanted is wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_the_next_one_does_what_it_always_does(number: signal.Signals):
    received: list[int] = []
    before = signal.signal(number, lambda number, frame: received.append(number))
    try:
        with Stopping(None) as stopping:
            os.kill(os.getpid(), number)
            assert stopping.wanted
            assert received == []
            os.kill(os.getpid(), number)
            assert received == [number]
        os.kill(os.getpid(), number)
        assert received == [number, number]
    finally:
        signal.signal(number, before)


def test_handlers_are_put_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)

    def fail() -> None:
        with Stopping(None):
            assert signal.getsignal(signal.SIGINT) is not before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_do_without_signals():
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            with Stopping(None) as stopping:
                assert not stopping.wanted
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert failures == []


def test_workers_leave_ctrl_c_to_the_main_process():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        leave_signals_to_the_main_process(0)
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _model(value: float) -> Rrdb:
    model = Rrdb(blocks=1, width=4)
    with torch.no_grad():
        model.conv_last.bias.fill_(value)
    return model


def _kept(best: BestWeights) -> float:
    assert best.weights is not None
    return best.weights["conv_last.bias"][0].item()


def test_the_best_weights_are_kept_until_better_ones_come():
    best, model = BestWeights(2), _model(1.0)
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
    best = BestWeights(2)
    ends = []
    for images, score in enumerate((30.0, worse, 30.5, worse, worse)):
        best.consider(score, images, _model(0.0))
        ends.append(best.is_over)
    assert ends == [False, False, False, False, True]
    assert best.images == 2


def test_without_patience_nothing_is_kept():
    best = BestWeights(0)
    for images in range(5):
        best.consider(-float(images), images, _model(0.0))
    assert best.weights is None
    assert not best.is_over


def test_a_restored_one_goes_on():
    best, other = BestWeights(2), BestWeights(2)
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

        monkeypatch.setattr(run_module, "validate", validate)
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
