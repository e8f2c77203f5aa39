"""The published parameters of Real-ESRGAN's degradation, by what is drawn; sources are named in `presets`."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from deltasr.degradation import degrade, degrade_with_history
from deltasr.degradation.draws import generator_for
from deltasr.degradation.kinds import KINDS
from deltasr.degradation.presets import REALESRGAN_X4PLUS, RESSHIFT_CODE, RESSHIFT_TEST_CODE
from deltasr.degradation.random_blur import SHAPES, Kernel
from deltasr.degradation.random_noise import Noise
from deltasr.degradation.realesrgan import Order, Parameters, RealESRGAN, degrade_with
from deltasr.degradation.resizing import resize
from deltasr.degradation.sharpening import sharpened

DRAWS = 3000
PRESETS = {
    "resshift-code": RESSHIFT_CODE,
    "resshift-test-code": RESSHIFT_TEST_CODE,
    "realesrgan-x4plus": REALESRGAN_X4PLUS,
}


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Parameters]]:
    return {
        name: [preset.draw(generator) for generator in [generator_for(0, name)] for _ in range(DRAWS)]
        for name, preset in PRESETS.items()
    }


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def orders(parameters: list[Parameters], place: str) -> list[Order]:
    return [order for order in (getattr(each, place) for each in parameters) if order is not None]


def kernels(parameters: list[Parameters], place: str) -> list[Kernel]:
    return [order.kernel for order in orders(parameters, place) if order.kernel is not None]


def test_the_names_stand_for_these_settings():
    assert all(KINDS[name].degradation is preset for name, preset in PRESETS.items())


@pytest.mark.parametrize(
    ("name", "first", "second", "final"),
    [
        ("resshift-code", (3, 19), (3, 13), (3, 13)),
        ("resshift-test-code", (3, 11), None, (3, 5)),
        ("realesrgan-x4plus", (7, 21), (7, 21), (7, 21)),
    ],
)
def test_kernel_sides(drawn, name, first, second, final):
    parameters = drawn[name]
    sides = {
        "first": [kernel.side for kernel in kernels(parameters, "first")],
        "second": [kernel.side for kernel in kernels(parameters, "second")],
        "final": [each.sinc.side for each in parameters if each.sinc is not None],
    }
    for place, bounds in (("first", first), ("second", second), ("final", final)):
        counts = Counter(sides[place])
        assert sorted(counts) == ([] if bounds is None else list(range(bounds[0], bounds[1] + 1, 2)))
        if counts:
            assert max(counts.values()) < 1.4 * min(counts.values())


@pytest.mark.parametrize(
    ("name", "second", "sinc", "sharp"),
    [
        ("resshift-code", 0.5, 0.8, False),
        ("resshift-test-code", 0.0, 0.2, False),
        ("realesrgan-x4plus", 1.0, 0.8, True),
    ],
)
def test_branches(drawn, name, second, sinc, sharp):
    parameters = drawn[name]
    assert len(orders(parameters, "second")) / DRAWS == pytest.approx(second, abs=0.03)
    assert share([each.sinc is not None for each in parameters]) == pytest.approx(sinc, abs=0.03)
    assert share([each.sinc_before_jpeg for each in parameters]) == pytest.approx(0.5, abs=0.03)
    assert {each.sharpened for each in parameters} == {sharp}
    if second:
        blurred = [order.kernel is not None for order in orders(parameters, "second")]
        assert share(blurred) == pytest.approx(0.8, abs=0.04)
    assert all(each.first.kernel is not None for each in parameters)
    cutoffs = [each.sinc.cutoff for each in parameters if each.sinc is not None]
    assert math.pi / 3 <= min(cutoffs) < math.pi / 3 + 0.05
    assert math.pi - 0.05 < max(cutoffs) <= math.pi


@pytest.mark.parametrize(
    ("name", "place", "shapes", "sigma"),
    [
        ("resshift-code", "first", (0.45, 0.25, 0.12, 0.03, 0.12, 0.03), 3.0),
        ("resshift-code", "second", (0.45, 0.25, 0.12, 0.03, 0.12, 0.03), 1.5),
        ("resshift-test-code", "first", (0.6, 0.4, 0, 0, 0, 0), 0.8),
        ("realesrgan-x4plus", "first", (0.45, 0.25, 0.12, 0.03, 0.12, 0.03), 3.0),
        ("realesrgan-x4plus", "second", (0.45, 0.25, 0.12, 0.03, 0.12, 0.03), 1.5),
    ],
)
def test_kernels(drawn, name, place, shapes, sigma):
    every = kernels(drawn[name], place)
    counts = Counter(kernel.shape for kernel in every)
    assert counts["sinc"] / len(every) == pytest.approx(0.1, abs=0.03)
    others = [kernel for kernel in every if kernel.shape != "sinc"]
    for shape, probability in zip(SHAPES, shapes, strict=True):
        assert counts[shape] / len(others) == pytest.approx(probability, abs=0.04)
    assert 0.2 <= min(kernel.sigma[0] for kernel in others) < 0.25
    assert 0.97 * sigma < max(kernel.sigma[0] for kernel in others) <= sigma
    plateaus = [kernel.beta for kernel in every if kernel.shape.startswith("plateau")]
    if shapes[4]:
        assert share([beta == 1.0 for beta in plateaus]) == pytest.approx(0.5, abs=0.12)
        assert max(plateaus) <= 2.0
        assert 1.35 < sum(beta for beta in plateaus if beta > 1) / sum(beta > 1 for beta in plateaus) < 1.65


def test_other_settings_never_draw_a_plateau_of_exactly_1():
    generator = generator_for(0, "plateaus")
    parameters = [RealESRGAN().draw(generator) for _ in range(DRAWS)]
    assert all(kernel.beta != 1.0 for kernel in kernels(parameters, "first") if kernel.shape.startswith("plateau"))


@pytest.mark.parametrize(
    ("name", "place", "up", "down", "low", "high", "gaussian", "poisson"),
    [
        ("resshift-code", "first", 0.2, 0.7, 0.15, 1.5, 30, 3.0),
        ("resshift-code", "second", 0.3, 0.4, 0.3, 1.2, 25, 2.5),
        ("resshift-test-code", "first", 0.2, 0.7, 0.5, 1.5, 15, 0.3),
        ("realesrgan-x4plus", "first", 0.2, 0.7, 0.15, 1.5, 30, 3.0),
        ("realesrgan-x4plus", "second", 0.3, 0.4, 0.3, 1.2, 25, 2.5),
    ],
)
def test_resizes_and_noises(drawn, name, place, up, down, low, high, gaussian, poisson):
    every = orders(drawn[name], place)
    factors = [order.factor for order in every]
    assert share([factor > 1 for factor in factors]) == pytest.approx(up, abs=0.04)
    assert share([factor < 1 for factor in factors]) == pytest.approx(down, abs=0.04)
    assert low <= min(factors) < low + 0.03
    assert high >= max(factors) > high - 0.03
    counts = Counter(order.method for order in every)
    assert sorted(counts) == ["area", "bicubic-pytorch", "bilinear-aliased"]
    assert min(counts.values()) / len(every) == pytest.approx(1 / 3, abs=0.04)
    assert share([order.noise.grey for order in every]) == pytest.approx(0.4, abs=0.04)
    assert share([order.noise.kind == "gaussian" for order in every]) == pytest.approx(0.5, abs=0.04)
    for kind, least, largest in (("gaussian", 1.0, gaussian), ("poisson", 0.05, poisson)):
        strengths = [order.noise.strength for order in every if order.noise.kind == kind]
        assert least <= min(strengths) < least + 0.02 * largest
        assert 0.97 * largest < max(strengths) <= largest


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("resshift-code", (30, 95), (30, 95)),
        ("resshift-test-code", (70, 95), (80, 100)),
        ("realesrgan-x4plus", (30, 95), (30, 95)),
    ],
)
def test_qualities(drawn, name, first, last):
    for bounds, drawn_ones in (
        (first, [each.quality for each in drawn[name]]),
        (last, [each.final_quality for each in drawn[name]]),
    ):
        assert (min(drawn_ones), max(drawn_ones)) == bounds
        assert sum(drawn_ones) / DRAWS == pytest.approx(sum(bounds) / 2, abs=1.5)


@pytest.mark.parametrize("name", PRESETS)
def test_results_are_rounded_to_8_bits(name):
    hr = torch.rand(4, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    levels = degrade(hr, kind=name, seed=2) * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


def test_steps_come_in_their_order():
    hr = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    for seed in range(30):
        sharp, *rest = [step.name for step in degrade_with_history(hr, kind="realesrgan-x4plus", seed=seed)[1][0]]
        assert sharp == "sharpen"
        assert rest[:4] == ["blur", "resize", "noise", "jpeg"]
        assert rest[4:6] == ["blur", "resize"] or rest[4:6] == ["resize", "noise"]
        assert rest[-1] == "jpeg" or rest[-3:] == ["jpeg", "resize", "blur"] or rest[-2:] == ["jpeg", "resize"]
        test_set = [step.name for step in degrade_with_history(hr, kind="resshift-test-code", seed=seed)[1][0]]
        assert test_set[:4] == ["blur", "resize", "noise", "jpeg"]
        assert sorted(test_set[4:]) in (["jpeg", "resize"], ["blur", "jpeg", "resize"])


def test_overshoots_of_a_resize_meet_the_noise_unclamped():
    """A dark line between white ones, enlarged: bicubic overshoots white, and noise on top of that is clamped."""
    hr = torch.ones(1, 3, 32, 32)
    hr[..., 16] = 0
    noise = Noise(kind="gaussian", strength=20.0, grey=False)
    plain = Parameters(
        first=Order(kernel=None, factor=1.5, method="bicubic-pytorch", noise=noise),
        quality=100,
        second=None,
        final_method="area",
        sinc=None,
        final_quality=100,
        sinc_before_jpeg=True,
    )
    assert resize(hr, size=(48, 48), method="bicubic-pytorch").max() > 1.05
    clamped, overshooting = (
        degrade_with(
            Parameters(**{**vars(plain), "clamped_before_noise": flag}), hr, scale=1, generator=generator_for(0, 0)
        )
        for flag in (True, False)
    )
    assert overshooting.mean() > clamped.mean()
    assert overshooting.max() <= 1
    assert not RESSHIFT_CODE.draw(generator_for(0, 0)).clamped_before_noise


def test_sharpening_leaves_flat_and_smooth_parts_alone():
    smooth = torch.linspace(0.3, 0.6, 96).expand(1, 3, 96, 96)
    torch.testing.assert_close(sharpened(smooth)[..., 30:-30], smooth[..., 30:-30])
    flat = torch.full((1, 3, 60, 61), 0.4)
    torch.testing.assert_close(sharpened(flat), flat)


def test_sharpening_raises_edges_by_half_of_their_difference_from_the_blurred_picture():
    edge = torch.full((1, 3, 128, 128), 0.3)
    edge[..., 64:] = 0.7
    result = sharpened(edge)
    assert result[..., 63].max() < 0.3 - 0.05
    assert result[..., 64].min() > 0.7 + 0.05
    assert result[..., 64].max() < 0.7 + 0.5 * 0.2
    torch.testing.assert_close(result[..., :20], edge[..., :20])
