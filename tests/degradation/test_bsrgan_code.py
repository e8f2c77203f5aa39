"""BSRGAN's published program: its steps, their order, and what is drawn for each."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from deltasr.degradation import degrade_with_history
from deltasr.degradation.blur import blur
from deltasr.degradation.bsrgan_code import STEPS, BSRGANCode, draw_covariance, shifted_kernel
from deltasr.degradation.draws import generator_for
from deltasr.degradation.history import History
from deltasr.errors import SettingError

DRAWS = 3000
PICTURES = 500


def histories(scale: int) -> list[History]:
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(3))
    return [degrade_with_history(picture, kind="bsrgan-code", scale=scale, seed=seed)[1][0] for seed in range(PICTURES)]


@pytest.fixture(scope="module")
def told() -> dict[int, list[History]]:
    return {scale: histories(scale) for scale in (2, 4)}


def values(every: list[History], name: str) -> list[dict]:
    return [dict(operation.values) for history in every for operation in history if operation.name == name]


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_seven_steps_in_any_order_but_for_the_two_that_shrink():
    generator = generator_for(0, "orders")
    orders = [BSRGANCode().draw_steps(generator) for _ in range(DRAWS)]
    counts = Counter(step for order in orders for step in order)
    for step in STEPS:
        assert counts[step] / DRAWS == pytest.approx({"jpeg": 0.9, "camera noise": 0.25}.get(step, 1.0), abs=0.03)
    assert all(order.index("shrink") < order.index("final size") for order in orders)
    firsts = Counter(order[0] for order in orders if len(order) == len(STEPS))
    expected = dict.fromkeys(STEPS, 1 / 7) | {"shrink": 2 / 7, "final size": 0.0}
    for step, probability in expected.items():
        assert firsts[step] / sum(firsts.values()) == pytest.approx(probability, abs=0.07)


@pytest.mark.parametrize(("scale", "sigma", "variance"), [(2, 2.4, 6.0), (4, 2.8, 8.0)])
def test_two_blurs_isotropic_or_not(told, scale, sigma, variance):
    every = [history for history in told[scale] if scale == 2 or str(history[0].values.get("size")) != "12x12"]
    blurs = [each for each in values(every, "blur") if "shift" not in each]
    assert len(blurs) == 2 * len(every)
    assert share([each["shape"] == "iso" for each in blurs]) == pytest.approx(0.5, abs=0.06)
    both = [
        {each.values["shape"] for each in history if each.name == "blur" and "shift" not in each.values}
        for history in every
    ]
    assert share([len(shapes) == 2 for shapes in both]) == pytest.approx(0.5, abs=0.08)
    assert sorted(Counter(each["side"] for each in blurs)) == list(range(7, 26, 2))
    isotropic = [each["sigma"] for each in blurs if each["shape"] == "iso"]
    assert min(isotropic) < 0.05 * sigma
    assert 0.95 * sigma < max(isotropic) <= sigma
    assert sum(isotropic) / len(isotropic) == pytest.approx(sigma / 2, abs=0.06 * sigma)
    for key in ("sigma", "sigma_across"):
        variances = [each[key] ** 2 for each in blurs if each["shape"] == "aniso"]
        assert min(variances) < 0.05 * variance
        assert 0.95 * variance < max(variances) <= variance
        assert sum(variances) / len(variances) == pytest.approx(variance / 2, abs=0.06 * variance)
    angles = [each["angle"] for each in blurs if each["shape"] == "aniso"]
    assert min(angles) >= 0
    assert 0.95 * math.pi < max(angles) <= math.pi


def test_halving_comes_first_at_x4_alone(told):
    first = [history[0] for history in told[4]]
    halved = [each.values["filter"] for each in first if each.values.get("size") == "12x12" and len(each.values) == 2]
    assert len(halved) / PICTURES == pytest.approx(0.25, abs=0.05)
    counts = Counter(halved)
    assert counts["bicubic"] / len(halved) == pytest.approx(0.5, abs=0.12)
    for method in ("bilinear-aliased", "bicubic-pytorch", "area-opencv"):
        assert counts[method] / len(halved) == pytest.approx(1 / 6, abs=0.1)
    assert not [each for each in values(told[2], "resize") if each["filter"] == "bicubic"]


def test_shrinking_in_two_steps(told):
    for scale in (2, 4):
        resizes = values(told[scale], "resize")
        anywhere = [each for each in resizes if "factor" in each]
        skipped = [each for each in resizes if each["filter"] == "nearest"]
        assert len(anywhere) / (len(anywhere) + len(skipped)) == pytest.approx(0.75, abs=0.06)
        divisors = [1 / each["factor"] for each in anywhere]
        assert 1 <= min(divisors) < 1.1
        assert 0.95 * 2 * scale < max(divisors) <= 2 * scale
        filters = Counter(each["filter"] for each in anywhere)
        assert sorted(filters) == ["area-opencv", "bicubic-pytorch", "bilinear-aliased"]
        assert min(filters.values()) / len(anywhere) == pytest.approx(1 / 3, abs=0.07)
        shifted = [each for each in values(told[scale], "blur") if "shift" in each]
        assert len(shifted) == len(skipped)
        assert {each["side"] for each in shifted} == {25}
        sigmas = [each["sigma"] for each in shifted]
        assert 0.1 <= min(sigmas) < 0.25
        assert 0.9 * 0.6 * scale < max(sigmas) <= 0.6 * scale
        assert {each["shift"] for each in shifted} <= {0.5, (scale - 1) / 2}
        for history in told[scale]:
            sizes = [each.values["size"] for each in history if each.name == "resize"]
            assert sizes[-1] == f"{24 // scale}x{24 // scale}"


def test_noises(told):
    noises = values(told[2] + told[4], "noise")
    gaussian = [each for each in noises if each["kind"] == "gaussian"]
    assert len(gaussian) == 2 * PICTURES
    assert len(noises) - len(gaussian) == pytest.approx(0.25 * 2 * PICTURES, abs=0.05 * 2 * PICTURES)
    kinds = Counter(each["channels"] for each in gaussian)
    for kind, probability in (("correlated", 0.2), ("independent", 0.4), ("equal", 0.4)):
        assert kinds[kind] / len(gaussian) == pytest.approx(probability, abs=0.05)
    levels = Counter(each["sigma"] for each in gaussian if each["channels"] != "correlated")
    assert sorted(levels) == list(range(2, 26))
    assert all(isinstance(level, int) for level in levels)


def test_the_covariance_does_not_depend_on_the_drawn_level():
    generator = generator_for(0, "covariances")
    drawn = torch.stack([draw_covariance(generator) for _ in range(1000)])
    assert (drawn >= 0).all()
    torch.testing.assert_close(drawn, drawn.mT)
    traces = drawn.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert traces.mean().item() == pytest.approx(1.5 * 25**2, rel=0.05)
    assert torch.linalg.eigvalsh(drawn).min() > -1e-9


def test_qualities(told):
    every = told[2] + told[4]
    assert all(history[-1].name == "jpeg" for history in every)
    qualities = [each["quality"] for each in values(every, "jpeg")]
    assert len(qualities) / len(every) == pytest.approx(1.9, abs=0.04)
    assert (min(qualities), max(qualities)) == (30, 95)
    assert sum(qualities) / len(qualities) == pytest.approx(62.5, abs=2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale_th_pixel_after_the_shifted_blur_lies_in_the_middle_of_its_block(scale):
    ramp = torch.arange(60, dtype=torch.float64).expand(1, 3, 60, 60) / 60
    shift = (scale - 1) / 2
    for picture in (ramp, ramp.mT):
        taken = blur(picture, shifted_kernel(25, 0.8, shift))[..., ::scale, ::scale]
        middles = picture.reshape(1, 3, 60 // scale, scale, 60 // scale, scale).mean(dim=(3, 5))
        inner = (..., slice(5, -5), slice(5, -5))
        torch.testing.assert_close(taken[inner], middles[inner])


@pytest.mark.parametrize(
    "name", ["jpeg_probability", "camera_probability", "halving_probability", "resize_probability"]
)
def test_probabilities_out_of_range_are_named(name):
    with pytest.raises(SettingError, match=name):
        BSRGANCode(**{name: 1.5})
