"""The sampling loop: what it shows, what it draws, and that it repeats itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from deltasr.diffusion.process import reverse_step
from deltasr.diffusion.sampling import sample
from deltasr.diffusion.schedule import PRESETS, geometric_schedule
from deltasr.errors import SettingError

DELTADIFF, RESSHIFT = PRESETS["deltadiff"], PRESETS["resshift-s4"]


def lr(shape: tuple[int, ...] = (2, 3, 4, 5)) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def predict(x_t: Tensor, t: int) -> Tensor:
    """A stand-in for a network that depends on the state and the step."""
    return torch.tanh(1.5 * x_t - 0.1 * t)


def test_the_callback_sees_every_step_in_order():
    seen: list[tuple[int, Tensor, Tensor]] = []
    y_0 = lr()
    result = sample(predict, y_0, DELTADIFF, callback=lambda *step: seen.append(step))
    assert [t for t, _, _ in seen] == [4, 3, 2, 1]
    assert torch.equal(seen[0][1], y_0)
    for (t, x_t, prediction), (_, x_next, _) in pairwise(seen):
        assert torch.equal(prediction, predict(x_t, t))
        assert torch.equal(x_next, reverse_step(x_t, prediction, t, DELTADIFF))
    assert torch.equal(result, seen[-1][2])


def test_one_step_returns_the_prediction():
    y_0 = lr()
    schedule = geometric_schedule(steps=1, p=0.3, kappa=0.0, eta_1=0.01, eta_T=0.99)
    assert torch.equal(sample(predict, y_0, schedule), predict(y_0, 1))


def test_without_kappa_no_random_number_is_drawn(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> Tensor:
        raise AssertionError("a random number was drawn")

    y_0 = lr()
    generator = torch.Generator().manual_seed(5)
    kept = generator.get_state()
    for name in ("randn", "rand", "randn_like", "rand_like", "normal", "randint"):
        monkeypatch.setattr(torch, name, refuse)
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(sample(predict, y_0, DELTADIFF, generator=generator))
        assert torch.equal(torch.get_rng_state(), before)
    assert results[0].numpy().tobytes() == results[1].numpy().tobytes()
    assert torch.equal(generator.get_state(), kept)


def test_with_kappa_a_generator_is_asked_for():
    with pytest.raises(SettingError, match=r"torch\.Generator"):
        sample(predict, lr(), RESSHIFT)


def test_with_kappa_the_generator_alone_decides():
    def run(seed: int, global_seed: int) -> Tensor:
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        result = sample(predict, lr(), RESSHIFT, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(torch.get_rng_state(), before)
        return result

    assert torch.equal(run(1, 0), run(1, 9))
    assert not torch.equal(run(1, 0), run(2, 0))


def test_with_kappa_the_start_and_every_step_but_the_last_are_noisy():
    y_0 = torch.zeros(1, 3, 64, 64, dtype=torch.float64)
    states: list[Tensor] = []
    draws = sample(
        lambda x_t, t: torch.zeros_like(x_t),
        y_0,
        RESSHIFT,
        generator=torch.Generator().manual_seed(0),
        callback=lambda t, x_t, prediction: states.append(x_t),
    )
    assert torch.equal(draws, torch.zeros_like(y_0))
    for t, x_t in zip((4, 3, 2, 1), states, strict=True):
        assert x_t.dtype == torch.float64
        assert float(x_t.std()) == pytest.approx(RESSHIFT.relative_noise(t), rel=0.05)


def test_exact_predictions_end_in_the_data_s_distribution():
    """The network is a draw from p(x_0 | x_t), known in closed form where x_0 is Gaussian."""
    count, mean, spread = 100_000, 0.3, 0.2
    y_0 = torch.zeros(count, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)

    def draw_x_0(x_t: Tensor, t: int) -> Tensor:
        eta, noise = RESSHIFT.eta[t], RESSHIFT.relative_noise(t) ** 2
        precision = 1 / spread**2 + (1 - eta) ** 2 / noise
        centre = (mean / spread**2 + (1 - eta) * x_t / noise) / precision
        return centre + torch.randn(count, generator=generator, dtype=torch.float64) / precision**0.5

    ends = sample(draw_x_0, y_0, RESSHIFT, generator=generator)
    assert float(ends.mean()) == pytest.approx(mean, abs=0.005)
    assert float(ends.std()) == pytest.approx(spread, rel=0.02)
