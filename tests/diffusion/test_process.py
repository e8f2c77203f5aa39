"""The chain against itself: transitions compose to the marginal, the posterior is Bayes' rule, true predictions win."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deltasr.diffusion.process import (
    forward_marginal,
    forward_marginals,
    forward_transition,
    per_picture,
    posterior,
    reverse_step,
    start,
)
from deltasr.diffusion.schedule import PRESETS, Schedule, geometric_schedule
from deltasr.errors import SettingError

SCHEDULES = [*PRESETS.values(), Schedule((0.0, 0.3, 0.7, 1.0), kappa=0.5), Schedule((0.0, 1.0))]


def pictures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """`x_0` and `y_0`, (2, 3, 4, 5), float64."""
    generator = torch.Generator().manual_seed(seed)
    x_0, y_0 = torch.rand(2, 2, 3, 4, 5, generator=generator, dtype=torch.float64)
    return x_0, y_0


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slope(of: torch.Tensor) -> float:
    """The one value of a constant tensor."""
    value = float(of.flatten()[0])
    torch.testing.assert_close(of, torch.full_like(of, value), atol=1e-12, rtol=0)
    return value


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_transitions_compose_to_the_marginal_by_algebra(schedule: Schedule):
    x_0, y_0 = pictures()
    nothing, one = torch.zeros_like(x_0), torch.ones_like(x_0)
    x_t, variance = x_0, 0.0
    for t in range(1, schedule.steps + 1):
        x_t = forward_transition(x_t, x_0, y_0, t, schedule, noise=nothing)
        noise_gain = slope(forward_transition(nothing, nothing, nothing, t, schedule, noise=one))
        state_gain = slope(forward_transition(one, nothing, nothing, t, schedule, noise=nothing))
        variance = state_gain**2 * variance + noise_gain**2
        torch.testing.assert_close(x_t, forward_marginal(x_0, y_0, t, schedule, noise=nothing), atol=1e-14, rtol=0)
        marginal_noise = slope(forward_marginal(nothing, nothing, t, schedule, noise=one))
        assert variance == pytest.approx(marginal_noise**2, abs=1e-14)


@pytest.mark.parametrize("name", ["resshift-s15", "resshift-s4"])
def test_transitions_compose_to_the_marginal_by_sampling(name: str):
    schedule, samples = PRESETS[name], 200_000
    x_0 = torch.full((samples,), 0.2, dtype=torch.float64)
    y_0 = torch.full((samples,), 0.9, dtype=torch.float64)
    x_t = x_0
    for t in range(1, schedule.steps + 1):
        x_t = forward_transition(x_t, x_0, y_0, t, schedule, noise=normal(t, samples))
    jump = forward_marginal(x_0, y_0, schedule.steps, schedule, noise=normal(99, samples))
    eta, variance = schedule.eta[-1], schedule.kappa**2 * schedule.eta[-1]
    for drawn in (x_t, jump):
        assert float(drawn.mean()) == pytest.approx(0.2 + eta * 0.7, abs=5 * math.sqrt(variance / samples))
        assert float(drawn.var()) == pytest.approx(variance, abs=5 * variance * math.sqrt(2 / samples))


@pytest.mark.parametrize("schedule", [schedule for schedule in SCHEDULES if schedule.kappa > 0])
def test_the_posterior_is_the_product_of_transition_and_marginal(schedule: Schedule):
    """Bayes: q(x_{t-1} | x_t, x_0) is q(x_t | x_{t-1}) q(x_{t-1} | x_0), normalised; precisions of Gaussians add."""
    x_0, y_0 = pictures()
    e_0, kappa = y_0 - x_0, schedule.kappa
    for t in range(2, schedule.steps + 1):
        x_t = pictures(seed=t)[0]
        prior_mean, prior_variance = x_0 + schedule.eta[t - 1] * e_0, kappa**2 * schedule.eta[t - 1]
        seen_mean, seen_variance = x_t - schedule.alpha(t) * e_0, kappa**2 * schedule.alpha(t)
        variance = 1 / (1 / prior_variance + 1 / seen_variance)
        mean = variance * (prior_mean / prior_variance + seen_mean / seen_variance)
        found_mean, found_variance = posterior(x_t, x_0, t, schedule)
        assert found_variance == pytest.approx(variance, rel=1e-12)
        torch.testing.assert_close(found_mean, mean, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_first_posterior_is_x_0_itself(schedule: Schedule):
    x_0, y_0 = pictures()
    mean, variance = posterior(y_0, x_0, 1, schedule)
    assert torch.equal(mean, x_0)
    assert variance == 0.0
    assert torch.equal(reverse_step(y_0, x_0, 1, schedule), x_0)


@settings(deadline=None, max_examples=40)
@given(
    steps=st.integers(1, 20),
    p=st.floats(0.1, 3),
    eta_1=st.floats(1e-4, 0.5),
    from_step=st.integers(1, 20),
    size=st.floats(0.01, 100),
)
def test_the_true_prediction_leads_back_from_any_state(steps: int, p: float, eta_1: float, from_step: int, size: float):
    schedule = geometric_schedule(steps=steps, p=p, kappa=0.0, eta_1=eta_1, eta_T=0.99)
    x_0, x_t = pictures()[0], size * pictures(seed=7)[1]
    for t in range(min(from_step, steps), 0, -1):
        x_t = reverse_step(x_t, x_0, t, schedule)
    torch.testing.assert_close(x_t, x_0, atol=1e-12, rtol=0)


@pytest.mark.parametrize("schedule", [schedule for schedule in SCHEDULES if schedule.kappa == 0])
def test_the_reverse_step_stays_on_the_marginal(schedule: Schedule):
    x_0, y_0 = pictures()
    for t in range(2, schedule.steps + 1):
        stepped = reverse_step(forward_marginal(x_0, y_0, t, schedule), x_0, t, schedule)
        torch.testing.assert_close(stepped, forward_marginal(x_0, y_0, t - 1, schedule), atol=1e-14, rtol=0)


def test_noise_has_the_posterior_s_spread():
    schedule = PRESETS["resshift-s4"]
    nothing, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    for t in range(2, 5):
        spread = 4.0 * schedule.eta[t - 1] * schedule.alpha(t) / schedule.eta[t]
        assert float(reverse_step(nothing, nothing, t, schedule, noise=one)) ** 2 == pytest.approx(spread, rel=1e-12)
    assert float(start(nothing, schedule, noise=one)) == pytest.approx(2 * 0.99, rel=1e-12)


def test_without_kappa_noise_is_not_looked_at():
    schedule = PRESETS["deltadiff"]
    x_0, y_0 = pictures()
    noise = torch.full_like(x_0, math.nan)
    assert start(y_0, schedule) is y_0
    assert torch.equal(start(y_0, schedule, noise=noise), y_0)
    for t in range(1, 5):
        assert forward_marginal(x_0, y_0, t, schedule, noise=noise).isfinite().all()
        assert forward_transition(x_0, x_0, y_0, t, schedule, noise=noise).isfinite().all()
        assert reverse_step(y_0, x_0, t, schedule, noise=noise).isfinite().all()


def test_with_kappa_noise_is_asked_for():
    schedule = PRESETS["resshift-s4"]
    x_0, y_0 = pictures()
    for without in (
        lambda: start(y_0, schedule),
        lambda: forward_marginal(x_0, y_0, 1, schedule),
        lambda: forward_transition(x_0, x_0, y_0, 1, schedule),
        lambda: reverse_step(y_0, x_0, 2, schedule),
    ):
        with pytest.raises(SettingError, match="needs noise"):
            without()


@pytest.mark.parametrize("t", [-1, 0, 5])
def test_steps_outside_the_schedule_are_named(t: int):
    schedule = PRESETS["deltadiff"]
    x_0, y_0 = pictures()
    for of_step in (
        lambda: forward_marginal(x_0, y_0, t, schedule),
        lambda: forward_transition(x_0, x_0, y_0, t, schedule),
        lambda: posterior(y_0, x_0, t, schedule),
        lambda: reverse_step(y_0, x_0, t, schedule),
    ):
        with pytest.raises(SettingError, match=f"Step {t} does not exist"):
            of_step()


def test_marginals_of_a_batch_are_those_of_its_pictures_each_at_its_step():
    x_0, y_0 = torch.rand(2, 3, 2, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise, steps = normal(1, 3, 2, 4, 5), torch.tensor([4, 1, 3])
    for schedule in (PRESETS["resshift-s4"], PRESETS["deltadiff"]):
        expected = [
            forward_marginal(x_0[number], y_0[number], t, schedule, noise[number])
            for number, t in enumerate(steps.tolist())
        ]
        found = forward_marginals(x_0, y_0, steps, schedule, noise)
        torch.testing.assert_close(found, torch.stack(expected), atol=1e-12, rtol=0)


def test_marginals_need_noise_where_kappa_does():
    x_0, y_0 = pictures()
    steps = torch.tensor([2, 3])
    assert forward_marginals(x_0, y_0, steps, PRESETS["deltadiff"]).shape == x_0.shape
    with pytest.raises(SettingError, match="needs noise"):
        forward_marginals(x_0, y_0, steps, PRESETS["resshift-s4"])


def test_values_per_picture_have_the_type_of_what_they_are_for():
    values = per_picture([0.5, 1.5, 2.5], torch.tensor([2, 0]), torch.zeros(2, 3, 4, 4, dtype=torch.float64))
    assert values.shape == (2, 1, 1, 1)
    assert values.dtype == torch.float64
    assert values.flatten().tolist() == [2.5, 0.5]
