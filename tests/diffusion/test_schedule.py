"""The published sequences to twelve digits, from formulas written out here; and what a schedule refuses."""

from __future__ import annotations

import math

import pytest
import torch

from deltasr.diffusion.process import posterior
from deltasr.diffusion.schedule import PRESETS, Schedule, geometric_schedule, resshift_paper
from deltasr.errors import SettingError

# name: (T, p, kappa, sqrt(eta_1), sqrt(eta_T)), from the papers and ResShift's released configurations
PUBLISHED = {
    "resshift-paper": (15, 0.3, 2.0, 0.02, math.sqrt(0.999)),
    "resshift-s15": (15, 0.3, 2.0, 0.02, 0.99),
    "resshift-s4": (4, 0.3, 2.0, 0.1, 0.99),
    "deltadiff": (4, 0.3, 0.0, 0.1, math.sqrt(0.99)),
}

SHORT = {"steps": 3, "p": 1.0, "kappa": 0.5, "eta_1": 0.2, "eta_T": 0.9}


def sqrt_eta(t: int, steps: int, p: float, first: float, last: float) -> float:
    """`sqrt(eta_t)` as a power of the ratio of its ends: the form in which the sequence is geometric."""
    return first * (last / first) ** (((t - 1) / (steps - 1)) ** p)


def test_every_published_schedule_is_a_preset():
    assert set(PRESETS) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_reproduce_the_published_sequences(name: str):
    steps, p, kappa, first, last = PUBLISHED[name]
    schedule = PRESETS[name]
    assert schedule.steps == steps
    assert schedule.kappa == kappa
    assert schedule.eta[0] == 0.0
    for t in range(1, steps + 1):
        assert schedule.eta[t] == pytest.approx(sqrt_eta(t, steps, p, first, last) ** 2, abs=1e-12, rel=0)


@pytest.mark.parametrize("name", PRESETS)
def test_increments_are_positive_and_sum_to_the_last_value(name: str):
    schedule = PRESETS[name]
    alphas = [schedule.alpha(t) for t in range(1, schedule.steps + 1)]
    assert min(alphas) > 0
    assert math.fsum(alphas) == pytest.approx(schedule.eta[-1], abs=1e-15)


def test_deltadiffs_equation_as_printed_gives_the_roots():
    """Its eq. 7 has no square root; what it gives literally is in docs/method.md."""
    assert [round(math.sqrt(eta), 3) for eta in PRESETS["deltadiff"].eta[1:]] == [0.1, 0.522, 0.765, 0.995]
    assert [round(eta, 4) for eta in PRESETS["deltadiff"].eta[1:]] == [0.01, 0.2725, 0.5849, 0.99]


def test_the_paper_bounds_eta_1_for_weak_noise():
    assert resshift_paper(kappa=0.5).eta[1] == 0.001
    assert resshift_paper(kappa=0.0).eta[1] == 0.001
    assert resshift_paper(kappa=4.0).eta[1] == pytest.approx(1e-4, abs=1e-18)
    with pytest.raises(SettingError, match="kappa"):
        resshift_paper(kappa=-1.0)


def test_relative_noise_is_kappa_times_the_root_of_eta():
    schedule = PRESETS["resshift-s15"]
    assert schedule.relative_noise(1) == pytest.approx(0.04, abs=1e-15)
    assert schedule.relative_noise(15) == pytest.approx(1.98, abs=1e-15)


def test_one_step_has_the_last_value():
    assert geometric_schedule(steps=1, p=0.3, kappa=0.0, eta_1=0.01, eta_T=0.99).eta == (0.0, 0.99)


def test_two_steps_have_the_two_ends():
    assert geometric_schedule(steps=2, p=0.3, kappa=0.0, eta_1=0.01, eta_T=1.0).eta == (0.0, 0.01, 1.0)


def test_smaller_p_rises_earlier():
    early, late = (geometric_schedule(steps=8, p=p, kappa=0.0, eta_1=0.01, eta_T=0.99).eta for p in (0.3, 1.0))
    assert all(a > b for a, b in zip(early[2:-1], late[2:-1], strict=True))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 0}, "at least one step"),
        ({"p": 0.0}, "p, the growth exponent"),
        ({"p": math.nan}, "p, the growth exponent"),
        ({"p": math.inf}, "p, the growth exponent"),
        ({"eta_1": 0.0}, "0 < eta_1 < eta_T <= 1"),
        ({"eta_1": 0.99}, "0 < eta_1 < eta_T <= 1"),
        ({"eta_T": 1.01}, "0 < eta_1 < eta_T <= 1"),
        ({"eta_T": math.nan}, "0 < eta_1 < eta_T <= 1"),
        ({"kappa": -0.1}, "kappa"),
        ({"kappa": math.inf}, "kappa"),
        ({"kappa": math.nan}, "kappa"),
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, float], named: str):
    good = {"steps": 4, "p": 0.3, "kappa": 0.0, "eta_1": 0.01, "eta_T": 0.99}
    with pytest.raises(SettingError, match=named):
        geometric_schedule(**(good | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("eta", "named"),
    [
        ((0.0,), "at least one step"),
        ((0.1, 0.5), "eta_0 = 0"),
        ((0.0, 0.5, 0.5), "increase"),
        ((0.0, 0.5, 0.4), "increase"),
        ((0.0, math.nan), "increase"),
        ((0.0, 1.5), "1 or below"),
    ],
)
def test_sequences_that_shift_nothing_or_backwards_are_refused(eta: tuple[float, ...], named: str):
    with pytest.raises(SettingError, match=named):
        Schedule(eta)


@pytest.mark.parametrize("t", [-1, 0, 5])
def test_steps_that_do_not_exist_are_named(t: int):
    for of_step in (PRESETS["deltadiff"].alpha, PRESETS["deltadiff"].relative_noise):
        with pytest.raises(SettingError, match=f"Step {t} does not exist; .* 1 to 4"):
            of_step(t)


@pytest.mark.parametrize("schedule", [PRESETS["resshift-s15"], geometric_schedule(**SHORT)])
def test_weights_of_the_bound_are_those_of_a_difference_between_two_posteriors(schedule: Schedule):
    """The divergence of two normal distributions of one variance: the squared distance of their means by twice it."""
    for t in range(2, schedule.steps + 1):
        zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        (mean, variance), (other, _) = (posterior(one, x_0, t, schedule) for x_0 in (zero, one))
        assert schedule.weight(t) == pytest.approx(float((mean - other) ** 2) / (2 * variance), rel=1e-9)
    assert schedule.weight(1) == schedule.weight(2)


def test_a_single_step_has_the_weight_one_and_without_noise_there_is_none():
    assert Schedule((0.0, 0.9), kappa=2.0).weight(1) == 1
    with pytest.raises(SettingError, match="divide by kappa"):
        PRESETS["deltadiff"].weight(2)
    for t in (0, 5):
        with pytest.raises(SettingError, match=f"Step {t} does not exist"):
            PRESETS["resshift-s4"].weight(t)
