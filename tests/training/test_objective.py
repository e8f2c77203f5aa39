"""What the network is trained on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from deltasr.models.deltadiff import DeltaDiff
from deltasr.training.losses import PIXEL_LOSSES
from deltasr.training.objective import Objective, teacher_forced_step
from deltasr.training.recipes import Recipe


@pytest.fixture
def model() -> DeltaDiff:
    """A network whose last layer is not zero any more."""
    torch.manual_seed(0)
    model = DeltaDiff(size="tiny")
    with torch.no_grad():
        model.net.tail.weight.normal_(0, 0.01)
        model.net.time.out.weight.normal_(0, 0.02)
    return model


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 6, 6, generator=generator), torch.rand(2, 3, 24, 24, generator=generator)


def _recipe(**changes: Any) -> Recipe:
    return Recipe(crop=6, **changes)


def _gradient(model: DeltaDiff, loss: Tensor) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


@pytest.mark.parametrize("loss", ["l1", "l2", "charbonnier"])
def test_on_policy_terms_are_those_of_an_unroll_by_hand(loss: Any, model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    lr, hr = batch
    eta = model.schedule.eta
    y_0, predict = model.predictor(lr)
    x_t, expected = y_0, []
    for t in (4, 3, 2, 1):
        prediction = predict(x_t, t)
        expected.append(PIXEL_LOSSES[loss](model.decode(prediction), hr) / 4)
        x_t = eta[t - 1] / eta[t] * x_t + (eta[t] - eta[t - 1]) / eta[t] * prediction
    terms = Objective(model, _recipe(loss=loss))(lr, hr)
    torch.testing.assert_close(terms, torch.stack(expected))


def test_the_last_on_policy_term_is_the_loss_of_the_model_s_own_result(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    lr = 0.4 + 0.2 * batch[0]
    result = model(lr)
    assert 0 < result.min() < result.max() < 1, "the clamp at the end must have nothing to do"
    terms = Objective(model, _recipe())(lr, batch[1])
    torch.testing.assert_close(terms[-1], (result - batch[1]).abs().mean() / 4)


def test_through_and_detached_agree_in_values_and_differ_in_gradients(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    through, detached = (Objective(model, _recipe(unroll=unroll))(*batch) for unroll in ("through", "detached"))
    torch.testing.assert_close(through, detached)
    whole, cut = _gradient(model, through.sum()), _gradient(model, detached.sum())
    assert (whole - cut).norm() > 1e-3 * whole.norm()


def test_detached_steps_send_no_gradient_to_the_steps_before(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    """Only step 2's term has a weight: stopped, its gradient is that of one prediction from a constant state."""
    lr, hr = batch
    with torch.no_grad():
        y_0, predict = model.predictor(lr)
        x_3 = model.schedule.eta[3] / model.schedule.eta[4] * y_0 + (
            model.schedule.alpha(4) / model.schedule.eta[4]
        ) * predict(y_0, 4)
    _, predict = model.predictor(lr)
    expected = _gradient(model, (predict(x_3, 3) - model.encode(hr)).abs().mean())
    objective = Objective(model, _recipe(unroll="detached", step_weights=(0.0, 2.0, 0.0, 0.0)))
    torch.testing.assert_close(_gradient(model, objective(lr, hr).sum()), expected)


@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_a_teacher_forced_term_starts_from_the_true_marginal(t: int, model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    lr, hr = batch
    y_0, predict = model.predictor(lr)
    x_0, eta = model.encode(hr), model.schedule.eta[t]
    expected = (predict((1 - eta) * x_0 + eta * y_0, t) - x_0).abs().mean()
    objective = Objective(model, _recipe(unroll="teacher-forced"))
    terms = objective(lr, hr, t)
    assert objective.terms == ["teacher-forced"]
    torch.testing.assert_close(terms, expected[None])


def test_the_shortcut_teacher_forcing_rewards_a_network_that_knows_nothing(batch: tuple[Tensor, Tensor]):
    """Untrained, the network returns the bicubic upsampling; teacher forcing finds no fault with that."""
    untrained = DeltaDiff(size="tiny")
    forced = Objective(untrained, _recipe(unroll="teacher-forced"))
    assert max(forced(*batch, t).item() for t in (1, 2, 3, 4)) < 1e-4
    assert Objective(untrained, _recipe())(*batch).sum().item() > 0.1


def test_step_weights_are_normalised_and_first_step_first(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    plain = Objective(model, _recipe())(*batch)
    objective = Objective(model, _recipe(step_weights=(1.0, 0.0, 2.0, 5.0)))
    expected = plain * 4 * torch.tensor([1.0, 0.0, 2.0, 5.0]) / 8
    torch.testing.assert_close(objective(*batch), expected)
    assert objective.terms == ["step-1", "step-2", "step-3", "step-4"]


def test_teacher_forced_steps_depend_on_seed_and_position_and_cover_all():
    recipe = _recipe(seed=3)
    drawn = [teacher_forced_step(recipe, images) for images in range(0, 4_000, 2)]
    assert drawn == [teacher_forced_step(recipe, images) for images in range(0, 4_000, 2)]
    counts = Counter(drawn)
    assert counts.keys() == {1, 2, 3, 4}
    assert min(counts.values()) > 400
    assert drawn != [teacher_forced_step(_recipe(seed=4), images) for images in range(0, 4_000, 2)]
