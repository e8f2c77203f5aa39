"""One step of training, and its average."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from deltasr import processor
from deltasr.errors import TrainingError
from deltasr.training.learner import Learner
from deltasr.training.losses.chain import ChainObjective
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.objective import RngStreams
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.systems import build_model, build_objective


@pytest.fixture
def recipe() -> Recipe:
    return DeltaDiffRecipe(crop=8, batch=2, images=100, warmup=4, learning_rate=5e-3, ema=0.75)


Make = Callable[[Recipe], Learner]


@pytest.fixture
def make(one_process: Any, no_loss_networks: LossNetworks) -> Make:
    """Makes a learner."""

    def learner(recipe: Recipe) -> Learner:
        return Learner(recipe, build_objective(build_model(recipe), recipe, no_loss_networks), one_process)

    return learner


def _batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 8, 8), (2, 3, 32, 32))
    return [
        tuple(torch.randint(0, 256, s, generator=generator, dtype=torch.uint8) for s in shapes) for _ in range(count)
    ]


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])


def test_the_average_is_that_of_the_weights_after_each_step(recipe: Recipe, make: Make):
    """Its decay grows from that of a plain mean, up to the recipe's."""
    learner = make(msgspec.structs.replace(recipe, ema=0.25))
    expected = None
    for (lr, hr), decay in zip(_batches(5), (0.0, 2 / 11, 0.25, 0.25, 0.25), strict=True):
        learner.step(lr, hr)
        now = _weights(learner.model)
        expected = now if expected is None else decay * expected + (1 - decay) * now
    assert expected is not None
    torch.testing.assert_close(_weights(learner.average), expected)
    assert not torch.equal(_weights(learner.model), expected)
    assert learner.images == 10


def test_terms_are_the_losses_before_the_step(recipe: Recipe, make: Make):
    learner = make(recipe)
    (lr, hr), *_ = _batches(1)
    objective = ChainObjective(learner.model, recipe, None)
    expected = objective(lr / 255, hr / 255, RngStreams(seed=0, position=0)).terms.detach()
    step = learner.step(lr, hr)
    assert list(step.terms) == objective.terms == ["step-1", "step-2", "step-3", "step-4"]
    torch.testing.assert_close(torch.stack(list(step.terms.values())), expected)
    assert step.watched.keys() == {"gradient_norm"}
    assert step.watched["gradient_norm"] > 0


def test_gradients_are_clipped_to_the_recipe_s_norm(recipe: Recipe, make: Make):
    """AdamW divides by the gradient's size: only its epsilon shows how large it was."""

    def moved(clip: float) -> Tensor:
        learner = make(msgspec.structs.replace(recipe, clip=clip))
        before = _weights(learner.model)
        learner.step(*_batches(1)[0])
        return (_weights(learner.model) - before).norm()

    assert moved(1e-9) < 0.1 * moved(0.0)
    torch.testing.assert_close(moved(1e9), moved(0.0))


def test_steps_follow_the_learning_rate(recipe: Recipe, make: Make):
    learner = make(recipe)
    for lr, hr in _batches(3):
        rate = learner.learning_rate
        learner.step(lr, hr)
        assert all(
            group["lr"] == rate for optimizer in learner.state()["optimizers"] for group in optimizer["param_groups"]
        )
    assert learner.learning_rate == pytest.approx(recipe.learning_rate, rel=0.01)


@pytest.mark.usefixtures("bf16")
def test_bf16_computes_in_bf16_where_the_device_runs_it_faster(
    recipe: Recipe, make: Make, monkeypatch: pytest.MonkeyPatch
):
    def after(precision: str, seconds: float | str = 0.5) -> Tensor:
        monkeypatch.setattr(processor, "tried", lambda: {"float32": 1.0, "bfloat16": seconds})
        learner = make(msgspec.structs.replace(recipe, precision=precision))
        for lr, hr in _batches(3):
            learner.step(lr, hr)
        assert {weight.dtype for weight in learner.model.parameters()} == {torch.float32}
        return _weights(learner.model)

    exact = after("float32")
    rounded = after("bf16")
    assert torch.equal(after("bf16", 1.5), exact)
    assert torch.equal(after("bf16", "SIGILL"), exact)
    assert 0 < (rounded - exact).norm() < 0.3 * (exact - _weights(make(recipe).model)).norm()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_channels_last_changes_the_layout_and_not_the_numbers(optimizer: str, recipe: Recipe, make: Make):
    recipe = msgspec.structs.replace(recipe, optimizer=optimizer)
    plain, last = (make(msgspec.structs.replace(recipe, channels_last=last)) for last in (False, True))
    assert last.model.net.body[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    for lr, hr in _batches(3):
        one, other = plain.step(lr, hr), last.step(lr, hr)
        torch.testing.assert_close(one.terms, other.terms, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one.watched, other.watched, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_restored_learner_goes_on_to_the_last_bit(
    optimizer: str, recipe: Recipe, make: Make, assert_same: Any, tmp_path: Path
):
    recipe = msgspec.structs.replace(recipe, optimizer=optimizer, channels_last=True)
    learner = make(recipe)
    batches = _batches(5)
    for batch in batches[:2]:
        learner.step(*batch)
    torch.save(learner.state(), tmp_path / "state.pt")
    for batch in batches[2:]:
        learner.step(*batch)
    expected = learner.state()
    restored = make(msgspec.structs.replace(recipe, seed=5))
    restored.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    for batch in batches[2:]:
        restored.step(*batch)
    assert_same(restored.state(), expected)


def test_a_state_of_another_model_is_refused(recipe: Recipe, make: Make):
    other = make(msgspec.structs.replace(recipe, scale=2)).state()
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        make(recipe).restore(other)
    muon = make(msgspec.structs.replace(recipe, optimizer="muon")).state()
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        make(recipe).restore(muon)
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        make(recipe).restore({})


@pytest.mark.parametrize("unroll", ["through", "teacher-forced"])
def test_a_compiled_objective_trains_as_a_plain_one(unroll: Any, recipe: Recipe, make: Make):
    _require_the_same_compiled(msgspec.structs.replace(recipe, unroll=unroll), make)


def test_a_compiled_dial_trains_as_a_plain_one(recipe: Recipe, make: Make):
    _require_the_same_compiled(msgspec.structs.replace(recipe, dial=True, lpips=0.1), make)


def _require_the_same_compiled(recipe: Recipe, make: Make) -> None:
    """Through the compiler's front end; code generation is torch's own matter and takes minutes."""
    compiled = msgspec.structs.replace(recipe, compile=True)
    compile_as_is = torch.compile
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", lambda module: compile_as_is(module, backend="aot_eager"))
        learner = make(compiled)
    plain = make(recipe)
    for lr, hr in _batches(2):
        torch.testing.assert_close(learner.step(lr, hr).terms, plain.step(lr, hr).terms, rtol=1e-4, atol=1e-5)
    assert learner.state()["model"].keys() == plain.state()["model"].keys()
