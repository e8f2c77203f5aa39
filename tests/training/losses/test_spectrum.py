"""The loss on power that HR has not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from deltasr.evaluation.metrics import luma
from deltasr.training.losses.spectrum import excess_power


def _noise(seed: int, *, deviation: float = 0.02, count: int = 2, side: int = 160) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + deviation * torch.randn(count, 3, side, side, generator=generator)


def _wave(vertical: float, horizontal: float, *, side: int = 160, amplitude: float = 0.05) -> Tensor:
    """A wave of so many cycles per pixel each way, (side, side)."""
    place = torch.arange(side, dtype=torch.float32)
    return amplitude * torch.cos(2 * math.pi * (vertical * place[:, None] + horizontal * place))


def test_as_much_power_or_less_costs_nothing():
    hr = _noise(0)
    assert excess_power(hr, hr).tolist() == [0, 0]
    assert excess_power(0.5 + 0.5 * (hr - 0.5), hr).tolist() == [0, 0]
    assert excess_power(hr + 0.1, hr).max() < 1e-3


def test_it_is_the_mean_logarithm_of_the_ratio():
    hr, factor = _noise(0), 4.0
    ratio = excess_power(0.5 + factor * (hr - 0.5), hr)
    spread, floor = 0.02**2, 1 / 255**2
    expected = math.log((factor**2 * spread + floor) / (spread + floor))
    assert ratio.tolist() == pytest.approx([expected] * 2, rel=0.02)


@pytest.mark.parametrize("frequency", [(0.25, 0.25), (0.391, -0.172), (0.2, 0.1), (0.0, 0.42), (0.5, 0.5)])
def test_a_pattern_counts_whatever_its_period(frequency: tuple[float, float]):
    hr = _noise(0)
    patterned = hr + _wave(*frequency)
    assert excess_power(patterned, hr).min() > 0.01
    assert excess_power(hr, patterned).max() < 0.1 * excess_power(patterned, hr).min()


def test_only_the_picture_with_the_pattern_counts():
    hr = _noise(0)
    patterned = torch.stack([hr[0], hr[1] + _wave(0.3, 0.2)])
    first, second = excess_power(patterned, hr).tolist()
    assert first == 0
    assert second > 0.01


def test_a_coloured_pattern_counts():
    """One that luma does not see."""
    hr = _noise(0)
    of_red = _wave(0.391, -0.172)
    coloured = hr + torch.stack([of_red, -of_red * 65.481 / 128.553, torch.zeros_like(of_red)])
    assert (luma(coloured) - luma(hr)).abs().max() < 1e-4
    assert excess_power(coloured, hr).min() > 0.01


def test_patterns_below_one_level_hardly_count():
    hr = torch.full((1, 3, 160, 160), 0.5)
    faint, seen = (excess_power(hr + _wave(0.3, 0.2, amplitude=levels / 255), hr).item() for levels in (0.1, 4))
    assert faint < 0.1 * seen


def test_what_is_missing_at_one_frequency_does_not_make_up_for_another():
    hr = _noise(0) + _wave(0.1, 0.1, amplitude=0.2)
    moved = _noise(0) + _wave(0.3, 0.2)
    assert excess_power(moved, hr).min() > 0.01


def test_small_pictures_are_one_tile():
    hr = _noise(0, side=17)
    assert excess_power(hr, hr).tolist() == [0, 0]
    assert excess_power(hr + _wave(0.3, 0.2, side=17), hr).min() > 0.01


def test_gradients_lower_the_pattern():
    hr = _noise(0, count=1)
    amplitude = torch.tensor(1.0, requires_grad=True)
    excess_power(hr + amplitude * _wave(0.391, -0.172), hr).sum().backward()
    assert amplitude.grad is not None
    assert amplitude.grad > 0
