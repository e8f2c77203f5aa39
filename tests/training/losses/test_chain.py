"""What residual shifting is trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.resshift import ResShift
from deltasr.training.losses import chain as chain_objective
from deltasr.training.losses.chain import ChainObjective, drawn_fidelities, shifted, teacher_forced_steps
from deltasr.training.losses.objective import RngStreams
from deltasr.training.losses.pixel import PIXEL_LOSSES, grid_distance, outside_local_range
from deltasr.training.losses.spectrum import excess_power
from deltasr.training.recipes.chain import DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.systems import build_model

STREAMS = RngStreams(seed=0, position=0)


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


def _recipe(**changes: Any) -> DeltaDiffRecipe:
    return DeltaDiffRecipe(crop=6, **changes)


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
    terms = ChainObjective(model, _recipe(loss=loss), None)(lr, hr, STREAMS).terms
    torch.testing.assert_close(terms, torch.stack(expected))


def test_the_last_on_policy_term_is_the_loss_of_the_model_s_own_result(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    lr = 0.4 + 0.2 * batch[0]
    result = model(lr)
    assert 0 < result.min() < result.max() < 1, "the clamp at the end must have nothing to do"
    terms = ChainObjective(model, _recipe(), None)(lr, batch[1], STREAMS).terms
    torch.testing.assert_close(terms[-1], (result - batch[1]).abs().mean() / 4)


def test_through_and_detached_agree_in_values_and_differ_in_gradients(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    through, detached = (
        ChainObjective(model, _recipe(unroll=unroll), None)(*batch, STREAMS).terms for unroll in ("through", "detached")
    )
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
    objective = ChainObjective(model, _recipe(unroll="detached", step_weights=(0.0, 2.0, 0.0, 0.0)), None)
    torch.testing.assert_close(_gradient(model, objective(lr, hr, STREAMS).terms.sum()), expected)


def test_a_teacher_forced_batch_starts_each_picture_from_its_own_true_marginal(
    model: DeltaDiff, monkeypatch: pytest.MonkeyPatch
):
    generator = torch.Generator().manual_seed(1)
    lr, hr = torch.rand(4, 3, 6, 6, generator=generator), torch.rand(4, 3, 24, 24, generator=generator)
    steps = torch.tensor([3, 1, 4, 2])
    monkeypatch.setattr(chain_objective, "teacher_forced_steps", lambda streams, count, of: steps)
    x_0, expected = model.encode(hr), []
    for number, t in enumerate(steps.tolist()):
        one = slice(number, number + 1)
        y_0, predict = model.predictor(lr[one])
        eta = model.schedule.eta[t]
        expected.append((predict((1 - eta) * x_0[one] + eta * y_0, t) - x_0[one]).abs().mean())
    objective = ChainObjective(model, _recipe(unroll="teacher-forced"), None)
    assert objective.terms == ["teacher-forced"]
    torch.testing.assert_close(objective(lr, hr, STREAMS).terms, torch.stack(expected).mean()[None])


def test_the_shortcut_teacher_forcing_rewards_a_network_that_knows_nothing(batch: tuple[Tensor, Tensor]):
    """Untrained, the network returns the bicubic upsampling; teacher forcing finds no fault with that."""
    untrained = DeltaDiff(size="tiny")
    forced = ChainObjective(untrained, _recipe(unroll="teacher-forced"), None)
    losses = [forced(*batch, RngStreams(seed=0, position=position)).terms.item() for position in range(0, 20, 2)]
    assert max(losses) < 1e-4
    assert ChainObjective(untrained, _recipe(), None)(*batch, STREAMS).terms.sum().item() > 0.1


def test_step_weights_are_normalised_and_first_step_first(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    plain = ChainObjective(model, _recipe(), None)(*batch, STREAMS).terms
    objective = ChainObjective(model, _recipe(step_weights=(1.0, 0.0, 2.0, 5.0)), None)
    expected = plain * 4 * torch.tensor([1.0, 0.0, 2.0, 5.0]) / 8
    torch.testing.assert_close(objective(*batch, STREAMS).terms, expected)
    assert objective.terms == ["step-1", "step-2", "step-3", "step-4"]


def test_teacher_forced_steps_depend_on_seed_and_position_alone_and_cover_all():
    def drawn(seed: int, batch: int) -> list[int]:
        batches = [teacher_forced_steps(RngStreams(seed=seed, position=p), batch, 4) for p in range(0, 2_000, batch)]
        return torch.cat(batches).tolist()

    assert drawn(3, batch=2) == drawn(3, batch=5)
    counts = Counter(drawn(3, batch=2))
    assert counts.keys() == {1, 2, 3, 4}
    assert min(counts.values()) > 400
    assert drawn(4, batch=2) != drawn(3, batch=2)


STEPS, KAPPA = 4, 2.0


@pytest.fixture
def resshift(tiny_denoiser: dict[str, object]) -> ResShift:
    """A network whose every weight takes part."""
    model = build_model(_resshift_recipe())
    assert isinstance(model, ResShift)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.denoiser.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return model.eval()


def _resshift_recipe(**changes: Any) -> ResShiftRecipe:
    return ResShiftRecipe(**{"crop": 8, "kappa": KAPPA, "steps": STEPS, "loss": "l2", **changes})


@pytest.fixture
def crops() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(4, 3, 8, 8, generator=generator), torch.rand(4, 3, 32, 32, generator=generator)


def _by_hand(model: ResShift, crops: tuple[Tensor, Tensor], streams: RngStreams) -> tuple[list[int], Tensor, Tensor]:
    """Steps, predictions and squared errors of teacher-forced training, picture by picture."""
    steps = teacher_forced_steps(streams, 4, STEPS).tolist()
    generators = streams.generators("noise", 4)
    predictions, errors = [], []
    for number, (t, generator) in enumerate(zip(steps, generators, strict=True)):
        lr, hr = (side[number : number + 1] for side in crops)
        y_0, x_0, eta = model.predictor(lr)[0], model.encode(hr), model.schedule.eta[t]
        noise = torch.randn(1, *x_0.shape[1:], generator=generator)
        x_t = x_0 + eta * (y_0 - x_0) + KAPPA * math.sqrt(eta) * noise
        seen = x_t / math.sqrt(KAPPA**2 * eta + 1)
        predictions.append(y_0 + model.denoiser(seen, 2 * lr - 1, torch.tensor([t - 1])))
        errors.append((predictions[-1] - x_0).square().mean())
    return steps, torch.cat(predictions), torch.stack(errors)


def test_with_noise_each_picture_has_its_own_step_and_noise(resshift: ResShift, crops: tuple[Tensor, Tensor]):
    streams = RngStreams(seed=5, position=8)
    objective = ChainObjective(resshift, _resshift_recipe(unroll="teacher-forced"), None)
    steps, _, errors = _by_hand(resshift, crops, streams)
    assert len(set(steps)) > 1
    torch.testing.assert_close(objective(*crops, streams).terms, errors.mean()[None])


def test_the_bound_weights_each_picture_by_its_step(resshift: ResShift, crops: tuple[Tensor, Tensor]):
    """ResShift eq. 8, with the infinite weight of t = 1 replaced by that of t = 2, and a mean of 1 over the steps."""
    streams = RngStreams(seed=5, position=8)
    recipe = _resshift_recipe(unroll="teacher-forced", step_loss="bound")
    steps, _, errors = _by_hand(resshift, crops, streams)
    eta = resshift.schedule.eta
    bound = {t: (eta[t] - eta[t - 1]) / (2 * KAPPA**2 * eta[t] * eta[t - 1]) for t in range(2, STEPS + 1)}
    bound[1] = bound[2]
    weights = torch.tensor([bound[t] * STEPS / sum(bound.values()) for t in steps])
    assert len(set(weights.tolist())) > 1
    terms = ChainObjective(resshift, recipe, None)(*crops, streams).terms
    torch.testing.assert_close(terms, (weights * errors).mean()[None])


def test_lpips_judges_the_predicted_pictures_of_teacher_forced_training(
    resshift: ResShift, crops: tuple[Tensor, Tensor], distance: nn.Module
):
    streams = RngStreams(seed=5, position=8)
    objective = ChainObjective(resshift, _resshift_recipe(unroll="teacher-forced", lpips=0.5), distance)
    _, predictions, errors = _by_hand(resshift, crops, streams)
    expected = 0.5 * distance(*(shifted(part, streams) for part in (resshift.decode(predictions), crops[1]))).mean()
    assert objective.terms == ["teacher-forced", "lpips"]
    terms = objective(*crops, streams).terms
    torch.testing.assert_close(terms, torch.stack([errors.mean(), expected]))
    assert _denoiser_gradient(resshift, terms[1]).norm() > 0


def _denoiser_gradient(model: ResShift, loss: Tensor) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.denoiser.parameters()))])


def test_on_policy_steps_have_noise_of_their_own_and_lpips_judges_the_last(
    resshift: ResShift, crops: tuple[Tensor, Tensor], distance: nn.Module
):
    streams = RngStreams(seed=5, position=8)
    objective = ChainObjective(resshift, _resshift_recipe(lpips=0.5), distance)
    lr, hr = crops
    y_0, predict = resshift.predictor(lr)
    fields = [torch.randn(STEPS + 1, *y_0.shape[1:], generator=g) for g in streams.generators("noise", 4)]
    noise, eta, x_0 = torch.stack(fields, dim=1), resshift.schedule.eta, resshift.encode(hr)
    x_t, expected = y_0 + KAPPA * math.sqrt(eta[STEPS]) * noise[STEPS], []
    for t in range(STEPS, 0, -1):
        prediction, alpha = predict(x_t, t), eta[t] - eta[t - 1]
        expected.append((prediction - x_0).square().mean() / STEPS)
        std = KAPPA * math.sqrt(eta[t - 1] * alpha / eta[t])
        x_t = eta[t - 1] / eta[t] * x_t + alpha / eta[t] * prediction + std * noise[t - 1]
    expected.append(0.5 * distance(*(shifted(part, streams) for part in (resshift.decode(prediction), hr))).mean())
    assert objective.terms == ["step-1", "step-2", "step-3", "step-4", "lpips"]
    torch.testing.assert_close(objective(lr, hr, streams).terms, torch.stack(expected))


@dataclass(frozen=True, kw_only=True)
class _Watched(RngStreams):
    purposes: list[str] = field(default_factory=list)

    def generators(self, purpose: str, count: int) -> list[torch.Generator]:
        self.purposes.append(purpose)
        return super().generators(purpose, count)


@pytest.mark.parametrize(("unroll", "purposes"), [("through", []), ("teacher-forced", ["steps"])])
def test_without_kappa_no_noise_is_drawn(
    unroll: Any, purposes: list[str], tiny_denoiser: dict[str, object], crops: tuple[Tensor, Tensor]
):
    recipe = _resshift_recipe(kappa=0.0, unroll=unroll)
    model, streams = build_model(recipe), _Watched(seed=5, position=8)
    assert isinstance(model, ResShift)
    ChainObjective(model, recipe, None)(*crops, streams)
    assert streams.purposes == purposes


@pytest.mark.parametrize("unroll", ["through", "teacher-forced"])
def test_it_does_not_matter_how_a_batch_is_shared(unroll: Any, resshift: ResShift, crops: tuple[Tensor, Tensor]):
    objective = ChainObjective(resshift, _resshift_recipe(unroll=unroll), None)
    whole = objective(*crops, RngStreams(seed=5, position=8)).terms
    shares = [
        objective(*(side[first : first + 2] for side in crops), RngStreams(seed=5, position=8 + first)).terms
        for first in (0, 2)
    ]
    torch.testing.assert_close(whole, (shares[0] + shares[1]) / 2)


def test_fidelities_depend_on_place_and_seed_alone_and_hold_both_ends():
    whole = drawn_fidelities(RngStreams(seed=3, position=8), 8)
    parts = [drawn_fidelities(RngStreams(seed=3, position=8 + first), 3) for first in (0, 3)]
    assert torch.equal(whole[:6], torch.cat(parts))
    assert whole[[0, 4]].tolist() == [1.0, 1.0]
    assert whole[[1, 5]].tolist() == [0.0, 0.0]
    between = whole[[2, 3, 6, 7]]
    assert len(set(between.tolist())) == 4
    assert ((between > 0) & (between < 1)).all()
    assert not torch.equal(whole, drawn_fidelities(RngStreams(seed=4, position=8), 8))


class _Squared(nn.Module):
    """A judge: the mean squared difference of each picture."""

    judged = 0

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        self.judged += len(sr)
        return (sr - hr).square().mean(dim=(1, 2, 3))


def test_a_dial_weighs_the_judge_of_each_picture_by_its_own_fidelity(batch: tuple[Tensor, Tensor]):
    """Positions 2 to 5: of two crops in between, one at 1 and one at 0, the last counts in full, and that at 1 is not
    even looked at."""
    torch.manual_seed(0)
    model = DeltaDiff(size="tiny", dial=True)
    with torch.no_grad():
        for weight in (model.net.tail.weight, model.net.time.out.weight, model.net.fidelity.out.weight):
            weight.normal_(0, 0.02)
    lr, hr = (torch.cat([part, part.flip(0)]) for part in batch)
    streams = RngStreams(seed=0, position=2)
    wanted = drawn_fidelities(streams, 4)
    codes: list[Tensor] = []
    model(lr, fidelity=wanted, callback=lambda t, x_t, prediction: codes.append(prediction))
    distances = _Squared()(*(shifted(part, streams) for part in (model.decode(codes[-1]), hr)))
    judge = _Squared()
    objective = ChainObjective(model, _recipe(dial=True, lpips=2.0), judge)
    loss = objective(lr, hr, streams)
    assert judge.judged == 3
    assert objective.terms[-1] == "lpips"
    torch.testing.assert_close(loss.shares, (1 - wanted) ** 2)
    torch.testing.assert_close(loss.terms[-1], 2 * ((1 - wanted) ** 2 * distances).mean())
    torch.testing.assert_close(loss.picture, model.decode(codes[-1]))
    torch.testing.assert_close(loss.terms[:4], torch.stack([(model.decode(c) - hr).abs().mean() / 4 for c in codes]))


def test_the_grid_s_term_is_of_the_last_step_whatever_the_fidelity(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    lr, hr = batch
    codes: list[Tensor] = []
    model(lr, callback=lambda t, x_t, prediction: codes.append(prediction))
    objective = ChainObjective(model, _recipe(grid=3.0), None)
    assert objective.terms[-1] == "grid"
    expected = 3 * grid_distance(codes[-1], model.encode(hr))
    torch.testing.assert_close(objective(lr, hr, STREAMS).terms[-1], expected)


@pytest.mark.parametrize(
    ("name", "distance", "power"), [("spectrum", excess_power, 2), ("local_range", outside_local_range, 3)]
)
def test_losses_on_the_result_count_by_the_power_of_the_dial(
    name: str, distance: Callable[[Tensor, Tensor], Tensor], power: int, batch: tuple[Tensor, Tensor]
):
    model = DeltaDiff(size="tiny", dial=True)
    with torch.no_grad():
        for weight in (model.net.tail.weight, model.net.time.out.weight, model.net.fidelity.out.weight):
            weight.normal_(0, 0.2)
    lr, hr = (torch.cat([part, part.flip(0)]) for part in batch)
    streams = RngStreams(seed=0, position=2)
    wanted = drawn_fidelities(streams, 4)
    expected = distance(model.decode(_last_code(model, lr, wanted)), hr)
    assert expected.min() > 0
    objective = ChainObjective(model, _recipe(dial=True, lpips=1.0, dial_power=power, **{name: 3.0}), _Squared())
    loss = objective(lr, hr, streams)
    assert objective.terms[-2:] == ["lpips", name]
    torch.testing.assert_close(loss.shares, (1 - wanted) ** power)
    torch.testing.assert_close(loss.terms[-1], 3 * ((1 - wanted) ** power * expected).mean())


def _last_code(model: DeltaDiff, lr: Tensor, fidelity: Tensor) -> Tensor:
    codes: list[Tensor] = []
    model(lr, fidelity=fidelity, callback=lambda t, x_t, prediction: codes.append(prediction))
    return codes[-1]


def test_excess_power_needs_neither_a_dial_nor_lpips(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    lr, hr = batch
    objective = ChainObjective(model, _recipe(spectrum=3.0), None)
    loss = objective(lr, hr, STREAMS)
    assert objective.terms[-1] == "spectrum"
    assert loss.picture is not None
    torch.testing.assert_close(loss.terms[-1], 3 * excess_power(loss.picture, hr).mean())


def test_judges_see_pictures_moved_alike_and_differently_each_time():
    picture = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    places = set()
    for position in range(0, 400, 2):
        moved = shifted(picture, RngStreams(seed=0, position=position))
        assert moved.shape == (1, 3, 32, 40)
        assert torch.equal(moved, shifted(picture, RngStreams(seed=0, position=position)))
        (found,) = [
            (top, left)
            for top in range(9)
            for left in range(9)
            if torch.equal(moved[..., top : top + 24, left : left + 32], picture)
        ]
        places.add(found)
    assert {top for top, _ in places} == {left for _, left in places} == set(range(8))


def test_pixels_are_compared_with_the_target_and_judges_with_the_picture(
    model: DeltaDiff, batch: tuple[Tensor, Tensor]
):
    class Seen(nn.Module):
        def forward(self, picture: Tensor, hr: Tensor) -> Tensor:
            self.hr = hr
            return picture.new_zeros(len(picture))

    (lr, hr), judge = batch, Seen()
    objective = ChainObjective(model, _recipe(lpips=1.0), judge)
    terms = objective(lr, hr, STREAMS, 1 - hr).terms
    torch.testing.assert_close(terms[:4], ChainObjective(model, _recipe(), None)(lr, 1 - hr, STREAMS).terms)
    assert torch.equal(judge.hr, shifted(hr, STREAMS))


def test_the_first_part_of_a_run_has_fewer_steps(model: DeltaDiff, batch: tuple[Tensor, Tensor]):
    recipe = _recipe(early_steps=2, early=0.5, images=64, batch=16, step_weights=(5.0, 5.0, 1.0, 3.0))
    objective = ChainObjective(model, recipe, None)
    short = DeltaDiff(size="tiny", steps=2)
    assert short.adopt(model)
    alone = ChainObjective(short, _recipe(steps=2, step_weights=(1.0, 3.0)), None)(*batch, STREAMS).terms
    for position in (0, 31):
        early = objective(*batch, RngStreams(seed=0, position=position)).terms
        torch.testing.assert_close(early, torch.cat([torch.zeros(2), alone]))
    late = objective(*batch, RngStreams(seed=0, position=32)).terms
    whole = ChainObjective(model, _recipe(step_weights=recipe.step_weights), None)(*batch, STREAMS).terms
    assert torch.equal(late, whole)
    assert late[0] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"early_steps": 5},
        {"early_steps": 2, "shared": False},
        {"early_steps": 2, "step_weights": (1.0, 2.0, 0.0, 0.0)},
    ],
)
def test_a_first_part_that_cannot_be_is_refused(changes: dict[str, Any]):
    with pytest.raises(ValueError, match="early_steps"):
        _recipe(**changes)


def test_the_network_is_told_how_degraded_each_picture_is(batch: tuple[Tensor, Tensor]):
    lr, hr = batch
    generator = torch.Generator().manual_seed(3)
    model = DeltaDiff(restoring=True)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    told = torch.tensor([0.2, 0.9])
    objective = ChainObjective(model, _recipe(restoring=True, degradation="web"), None)
    last = objective(lr, hr, STREAMS, None, told).terms[-1]
    result = model.decode(_last_prediction(model, lr, told))
    torch.testing.assert_close(last, (result - hr).abs().mean() / 4)
    assert objective(lr, hr, STREAMS, None, torch.zeros(2)).terms[-1] != last


def _last_prediction(model: DeltaDiff, lr: Tensor, restoration: Tensor) -> Tensor:
    seen: list[Tensor] = []
    model(lr, callback=lambda t, x_t, prediction: seen.append(prediction), restoration=restoration)
    return seen[-1]


@pytest.mark.parametrize("changes", [{}, {"degradation": "web", "unroll": "teacher-forced"}])
def test_restoring_needs_degraded_pictures_and_an_unrolled_chain(changes: dict[str, Any]):
    with pytest.raises(ValueError, match="restoring"):
        _recipe(restoring=True, **changes)
