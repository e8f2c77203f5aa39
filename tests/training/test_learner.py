"""One step of training, its average, and where weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from deltasr.errors import CheckpointError, TrainingError
from deltasr.models import checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation
from deltasr.training.learner import Learner, build_model
from deltasr.training.objective import Objective
from deltasr.training.recipes import Recipe


class _OneProcess:
    """What a learner needs of Accelerate's Accelerator."""

    device = torch.device("cpu")

    def prepare(self, module: Any) -> Any:
        return module


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(crop=8, batch=2, images=100, warmup=4, learning_rate=5e-3, ema=0.75)


def _learner(recipe: Recipe) -> Learner:
    return Learner(recipe, build_model(recipe, None), _OneProcess())


def _batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 8, 8), (2, 3, 32, 32))
    return [
        tuple(torch.randint(0, 256, s, generator=generator, dtype=torch.uint8) for s in shapes) for _ in range(count)
    ]


def _weights(model: DeltaDiff) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])


def test_the_seed_decides_the_weights(recipe: Recipe):
    one, same = (_weights(build_model(recipe, None)) for _ in range(2))
    other = _weights(build_model(msgspec.structs.replace(recipe, seed=1), None))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_model_has_the_recipe_s_schedule():
    recipe = Recipe(steps=3, p=0.5, eta_1=0.02, eta_T=0.9, scale=2)
    assert build_model(recipe, None).arguments() == {
        "size": "tiny",
        "scale": 2,
        "steps": 3,
        "p": 0.5,
        "eta_1": 0.02,
        "eta_T": 0.9,
    }


def test_a_run_can_start_from_the_weights_of_a_checkpoint(recipe: Recipe, tmp_path: Path):
    torch.manual_seed(9)
    before = DeltaDiff(size="tiny", steps=2)
    checkpoint.save(before, tmp_path / "before.safetensors")
    model = build_model(recipe, tmp_path / "before.safetensors")
    assert model.schedule.steps == 4
    assert torch.equal(_weights(model), _weights(before))


def test_weights_of_another_network_are_refused(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint.save(DeltaDiff(size="tiny", scale=2), tmp_path / "x2.safetensors")
    with pytest.raises(TrainingError, match=r"x2, tiny.*not the network that the recipe trains"):
        build_model(recipe, tmp_path / "x2.safetensors")
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        build_model(recipe, tmp_path / "absent.safetensors")
    monkeypatch.setattr(checkpoint, "load", lambda path: Interpolation(method="bicubic"))
    with pytest.raises(TrainingError, match="not the network"):
        build_model(recipe, tmp_path / "other.safetensors")


def test_the_average_is_that_of_the_weights_after_each_step(recipe: Recipe):
    learner = _learner(recipe)
    expected = None
    for lr, hr in _batches(4):
        learner.step(lr, hr)
        now = _weights(learner.model)
        expected = now if expected is None else 0.75 * expected + 0.25 * now
    assert expected is not None
    torch.testing.assert_close(_weights(learner.average), expected)
    assert not torch.equal(_weights(learner.model), expected)
    assert learner.images == 8


def test_terms_are_the_losses_before_the_step(recipe: Recipe):
    learner = _learner(recipe)
    (lr, hr), *_ = _batches(1)
    expected = Objective(learner.model, recipe)(lr / 255, hr / 255)
    terms, norm = learner.step(lr, hr)
    torch.testing.assert_close(terms, expected.detach())
    assert norm > 0


def test_gradients_are_clipped_to_the_recipe_s_norm(recipe: Recipe):
    """AdamW divides by the gradient's size: only its epsilon shows how large it was."""

    def moved(clip: float) -> Tensor:
        learner = _learner(msgspec.structs.replace(recipe, clip=clip))
        before = _weights(learner.model)
        learner.step(*_batches(1)[0])
        return (_weights(learner.model) - before).norm()

    assert moved(1e-9) < 0.1 * moved(0.0)
    torch.testing.assert_close(moved(1e9), moved(0.0))


def test_steps_follow_the_learning_rate(recipe: Recipe):
    learner = _learner(recipe)
    for lr, hr in _batches(3):
        rate = learner.learning_rate
        learner.step(lr, hr)
        assert all(
            group["lr"] == rate for optimizer in learner.state()["optimizers"] for group in optimizer["param_groups"]
        )
    assert learner.learning_rate == pytest.approx(recipe.learning_rate, rel=0.01)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_channels_last_changes_the_layout_and_not_the_numbers(optimizer: str, recipe: Recipe):
    recipe = msgspec.structs.replace(recipe, optimizer=optimizer)
    plain, last = (_learner(msgspec.structs.replace(recipe, channels_last=last)) for last in (False, True))
    assert last.model.net.body[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    for lr, hr in _batches(3):
        terms, norm = plain.step(lr, hr)
        terms_last, norm_last = last.step(lr, hr)
        torch.testing.assert_close(terms, terms_last, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(norm, norm_last, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_restored_learner_goes_on_to_the_last_bit(optimizer: str, recipe: Recipe, assert_same: Any, tmp_path: Path):
    recipe = msgspec.structs.replace(recipe, optimizer=optimizer, channels_last=True)
    learner = _learner(recipe)
    batches = _batches(5)
    for batch in batches[:2]:
        learner.step(*batch)
    torch.save(learner.state(), tmp_path / "state.pt")
    for batch in batches[2:]:
        learner.step(*batch)
    expected = learner.state()
    restored = _learner(msgspec.structs.replace(recipe, seed=5))
    restored.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    for batch in batches[2:]:
        restored.step(*batch)
    assert_same(restored.state(), expected)


def test_a_state_of_another_model_is_refused(recipe: Recipe):
    other = _learner(msgspec.structs.replace(recipe, scale=2)).state()
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        _learner(recipe).restore(other)
    muon = _learner(msgspec.structs.replace(recipe, optimizer="muon")).state()
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        _learner(recipe).restore(muon)
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        _learner(recipe).restore({})


def test_a_compiled_objective_trains_as_a_plain_one(recipe: Recipe):
    """Through the compiler's front end; code generation is torch's own matter and takes minutes."""
    compiled = msgspec.structs.replace(recipe, compile=True)
    compile_as_is = torch.compile
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", lambda module: compile_as_is(module, backend="aot_eager"))
        learner = _learner(compiled)
    plain = _learner(recipe)
    for lr, hr in _batches(2):
        torch.testing.assert_close(learner.step(lr, hr)[0], plain.step(lr, hr)[0], rtol=1e-4, atol=1e-5)
    assert learner.state()["model"].keys() == plain.state()["model"].keys()
