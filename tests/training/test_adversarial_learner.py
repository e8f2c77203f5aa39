"""Training against a discriminator: who learns when, what is shown, and going on after a stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from deltasr.errors import TrainingError
from deltasr.nets.rrdb import RrdbNet
from deltasr.training.adversarial_learner import AdversarialLearner
from deltasr.training.losses.adversarial import discriminator_loss, generator_loss, probabilities
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.picture import PictureObjective
from deltasr.training.recipes.picture import RrdbRecipe
from deltasr.training.systems import build_model, build_objective

replace = msgspec.structs.replace
Make = Callable[[RrdbRecipe], AdversarialLearner]


@pytest.fixture
def recipe() -> RrdbRecipe:
    return RrdbRecipe(
        blocks=1, width=4, crop=8, batch=2, images=20, warmup=0, decay="none", ema=0.5,
        adversarial=0.1, discriminator_width=4,
    )  # fmt: skip


@pytest.fixture
def make(one_process: Any, no_loss_networks: LossNetworks) -> Make:
    def learner(recipe: RrdbRecipe) -> AdversarialLearner:
        objective = build_objective(build_model(recipe), recipe, no_loss_networks)
        assert isinstance(objective, PictureObjective)
        return AdversarialLearner(recipe, objective, one_process)

    return learner


def _batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 8, 8), (2, 3, 32, 32))
    return [
        tuple(torch.randint(0, 256, s, generator=generator, dtype=torch.uint8) for s in shapes) for _ in range(count)
    ]


def _weights(module: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in module.parameters()])


@pytest.mark.parametrize("kind", ["bce", "relativistic"])
def test_a_joint_step_shows_every_loss_and_the_verdicts_before_it(kind: Any, recipe: RrdbRecipe, make: Make):
    learner = make(replace(recipe, adversarial_loss=kind))
    (lr, hr), *_ = _batches(1)
    with torch.no_grad():
        picture = RrdbNet.forward(learner.model, lr / 255)
        real, fake = learner.discriminator(hr / 255), learner.discriminator(picture)
    step = learner.step(lr, hr)
    torch.testing.assert_close(
        step.terms,
        {"l1": (picture - hr / 255).abs().mean(), "adversarial": 0.1 * generator_loss(real, fake, kind)},
    )
    d_real, d_fake = probabilities(real, fake, kind)
    expected = {"discriminator": discriminator_loss(real, fake, kind), "d_real": d_real, "d_fake": d_fake}
    assert step.watched.keys() == {"gradient_norm", "discriminator_gradient_norm", *expected}
    torch.testing.assert_close({name: step.watched[name] for name in expected}, expected)


def test_the_generator_s_gradient_is_that_of_its_weighted_terms(recipe: RrdbRecipe, make: Make):
    """The relativistic loss of the discriminator as it was before the step."""
    learner = make(replace(recipe, clip=0))
    (lr, hr), *_ = _batches(1)
    picture = RrdbNet.forward(learner.model, lr / 255)
    real, fake = learner.discriminator(hr / 255), learner.discriminator(picture)
    loss = (picture - hr / 255).abs().mean() + 0.1 * generator_loss(real, fake, "relativistic")
    gradients = torch.autograd.grad(loss, list(learner.model.parameters()))
    expected = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    torch.testing.assert_close(learner.step(lr, hr).watched["gradient_norm"], expected)


def test_jointly_both_networks_learn_from_every_batch(recipe: RrdbRecipe, make: Make):
    learner = make(recipe)
    for batch in _batches(3):
        before = _weights(learner.model), _weights(learner.discriminator)
        learner.step(*batch)
        assert not torch.equal(_weights(learner.model), before[0])
        assert not torch.equal(_weights(learner.discriminator), before[1])
    assert learner.images == 6
    assert all(weight.grad is None for weight in learner.discriminator.parameters())


def test_phases_train_what_they_say_and_nothing_else(recipe: RrdbRecipe, make: Make):
    """Five of two steps each: discriminator, generator, discriminator, generator, discriminator."""
    learner = make(replace(recipe, alternation="phases"))
    parts = {
        "generator": lambda: torch.cat([_weights(learner.model), _weights(learner.average)]),
        "discriminator": lambda: _weights(learner.discriminator),
    }
    for number, batch in enumerate(_batches(10)):
        phase = ("discriminator", "generator")[number // 2 % 2]
        assert learner.phase == phase
        before = {name: weights() for name, weights in parts.items()}
        step = learner.step(*batch)
        moved = {name for name, weights in parts.items() if not torch.equal(weights(), before[name])}
        assert moved == {phase}
        assert (set(step.terms) == {"l1", "adversarial"}) == (phase == "generator")
        assert ("gradient_norm" in step.watched) == (phase == "generator")
        assert {"discriminator", "d_real", "d_fake"} <= set(step.watched)


def test_the_discriminator_learns_to_tell(recipe: RrdbRecipe, make: Make):
    learner = make(replace(recipe, alternation="phases", images=1_000, discriminator_learning_rate=5e-3))
    (batch,) = _batches(1)
    first, *_, last = [learner.step(*batch).watched for _ in range(40)]
    assert last["discriminator"] < 0.5 * first["discriminator"]
    assert last["d_real"] > 0.8
    assert last["d_fake"] < 0.2


def test_the_discriminator_s_learning_rate_follows_the_same_course(recipe: RrdbRecipe, make: Make):
    learner = make(replace(recipe, decay="halved", discriminator_learning_rate=1e-3))
    for batch in _batches(10):
        factor = learner.learning_rate / recipe.learning_rate
        learner.step(*batch)
        rate = learner.state()["discriminator_optimizer"]["param_groups"][0]["lr"]
        assert rate == pytest.approx(1e-3 * factor)
    assert factor == 0.5


@pytest.mark.parametrize("discriminator", ["simple", "unet", "patch"])
@pytest.mark.parametrize("alternation", ["joint", "phases"])
def test_a_restored_learner_goes_on_to_the_last_bit(
    discriminator: Any, alternation: Any, recipe: RrdbRecipe, make: Make, assert_same: Any, tmp_path: Path
):
    recipe = replace(recipe, discriminator=discriminator, alternation=alternation, images=10)
    learner, batches = make(recipe), _batches(5)
    for batch in batches[:2]:
        learner.step(*batch)
    torch.save(learner.state(), tmp_path / "state.pt")
    for batch in batches[2:]:
        learner.step(*batch)
    restored = make(replace(recipe, seed=5))
    restored.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    for batch in batches[2:]:
        restored.step(*batch)
    assert_same(restored.state(), learner.state())


def test_a_state_without_a_discriminator_is_refused(recipe: RrdbRecipe, make: Make):
    state = make(recipe).state()
    del state["discriminator"]
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        make(recipe).restore(state)


def test_a_discriminator_that_does_not_contribute_is_told_once_each_time(recipe: RrdbRecipe, make: Make):
    learner = make(recipe)
    told = [
        learner.warnings({"d_real": real, "d_fake": fake})
        for real, fake in ((0.7, 0.3), (0.995, 0.005), (0.999, 0.001), (0.7, 0.3), (0.995, 0.005))
    ]
    assert [len(warnings) for warnings in told] == [0, 1, 0, 0, 1]
    assert "separates all results from real pictures" in told[1][0]
    assert "D(real) = 0.995, D(fake) = 0.005" in told[1][0]


def test_a_discriminator_that_knows_nothing_is_told_but_not_at_the_beginning(recipe: RrdbRecipe, make: Make):
    learner = make(recipe)
    assert learner.warnings({"d_real": 0.5, "d_fake": 0.5}) == []
    learner.step(*_batches(1)[0])
    (warning,) = learner.warnings({"d_real": 0.505, "d_fake": 0.495})
    assert "does not separate results from real pictures" in warning
    assert learner.warnings({"d_real": 0.5, "d_fake": 0.5}) == []
