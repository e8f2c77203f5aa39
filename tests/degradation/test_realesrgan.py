"""Real-ESRGAN's degradation: how often each branch is taken, and what each stage does to a picture."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from deltasr.degradation.draws import generator_for
from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.random_blur import BlurSettings, Kernel
from deltasr.degradation.random_noise import Noise
from deltasr.degradation.realesrgan import Order, OrderSettings, Parameters, RealESRGAN, ResizeSettings, degrade_with
from deltasr.degradation.resizing import resize
from deltasr.errors import SettingError

DRAWS = 3000

NO_NOISE = Noise(kind="gaussian", strength=0.0, grey=False)
UNTOUCHED = Order(kernel=None, factor=1.0, method="area", noise=NO_NOISE)
PLAIN = Parameters(
    first=UNTOUCHED,
    quality=100,
    second=None,
    final_method="area",
    sinc=None,
    final_quality=100,
    sinc_before_jpeg=True,
)


@pytest.fixture(scope="module")
def drawn() -> list[Parameters]:
    generator = generator_for(0, "parameters")
    return [RealESRGAN().draw(generator) for _ in range(DRAWS)]


@pytest.fixture
def picture() -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(5))
    return resize(coarse, size=(48, 60), method="bilinear")


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_branches_are_taken_as_often_as_they_should(drawn):
    seconds = [parameters.second for parameters in drawn if parameters.second is not None]
    assert len(seconds) / DRAWS == pytest.approx(0.5, abs=0.03)
    assert all(parameters.first.kernel is not None for parameters in drawn)
    assert share([second.kernel is not None for second in seconds]) == pytest.approx(0.8, abs=0.04)
    assert share([parameters.sinc is not None for parameters in drawn]) == pytest.approx(0.8, abs=0.03)
    assert share([parameters.sinc_before_jpeg for parameters in drawn]) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("place", "up", "down", "low", "high"), [("first", 0.2, 0.7, 0.15, 1.5), ("second", 0.3, 0.4, 0.3, 1.2)]
)
def test_resizes(drawn, place, up, down, low, high):
    orders = [order for order in (getattr(parameters, place) for parameters in drawn) if order is not None]
    factors = [order.factor for order in orders]
    assert share([factor > 1 for factor in factors]) == pytest.approx(up, abs=0.04)
    assert share([factor < 1 for factor in factors]) == pytest.approx(down, abs=0.04)
    assert low <= min(factors) < low + 0.02
    assert high >= max(factors) > high - 0.02
    counts = Counter(order.method for order in orders)
    assert sorted(counts) == ["area", "bicubic-aliased", "bilinear-aliased"]
    assert min(counts.values()) / len(orders) == pytest.approx(1 / 3, abs=0.04)


@pytest.mark.parametrize(
    ("place", "sigma", "gaussian", "poisson", "side"), [("first", 3.0, 30, 3.0, 21), ("second", 1.5, 25, 2.5, 15)]
)
def test_strengths(drawn, place, sigma, gaussian, poisson, side):
    orders = [order for order in (getattr(parameters, place) for parameters in drawn) if order is not None]
    kernels = [order.kernel for order in orders if order.kernel is not None]
    blurs = [kernel.sigma[0] for kernel in kernels if kernel.shape != "sinc"]
    assert 0.2 <= min(blurs) < 0.25
    assert 0.97 * sigma < max(blurs) <= sigma
    assert max(kernel.side for kernel in kernels) == side
    for kind, largest in (("gaussian", gaussian), ("poisson", poisson)):
        strengths = [order.noise.strength for order in orders if order.noise.kind == kind]
        assert 0.97 * largest < max(strengths) <= largest


def test_qualities_and_final_sinc(drawn):
    for qualities in ([p.quality for p in drawn], [p.final_quality for p in drawn]):
        assert (min(qualities), max(qualities)) == (30, 95)
        assert sum(qualities) / DRAWS == pytest.approx(62.5, abs=1.5)
    sincs = [parameters.sinc for parameters in drawn if parameters.sinc is not None]
    assert all(kernel.shape == "sinc" for kernel in sincs)
    assert math.pi / 3 <= min(kernel.cutoff for kernel in sincs) < math.pi / 3 + 0.05


def run(parameters: Parameters, hr: torch.Tensor) -> torch.Tensor:
    return degrade_with(parameters, hr, scale=4, generator=generator_for(0, 0))


def test_without_anything_else_it_is_jpeg_and_a_resize(picture):
    expected = jpeg(resize(jpeg(picture, quality=100), size=(12, 15), method="area"), quality=100)
    assert torch.equal(run(PLAIN, picture), expected)


def test_jpeg_before_or_after_the_sinc_filter(picture):
    filtered = replace(PLAIN, sinc=Kernel(shape="sinc", side=13, cutoff=1.2), final_quality=30)
    last, first = run(filtered, picture), run(replace(filtered, sinc_before_jpeg=False), picture)
    torch.testing.assert_close(last * 255, (last * 255).round(), rtol=0, atol=1e-3)
    assert not torch.allclose(first * 255, (first * 255).round(), rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAIN, first=replace(UNTOUCHED, kernel=Kernel(shape="iso", side=11, sigma=(2.0, 2.0)))),
        replace(PLAIN, first=replace(UNTOUCHED, factor=0.2)),
        replace(PLAIN, first=replace(UNTOUCHED, noise=replace(NO_NOISE, strength=20.0))),
        replace(PLAIN, quality=30),
        replace(PLAIN, second=replace(UNTOUCHED, kernel=Kernel(shape="iso", side=11, sigma=(2.0, 2.0)))),
        replace(PLAIN, second=replace(UNTOUCHED, factor=0.4)),
        replace(PLAIN, second=replace(UNTOUCHED, noise=replace(NO_NOISE, strength=20.0))),
        replace(PLAIN, final_quality=30),
    ],
)
def test_every_stage_does_something(picture, changed):
    assert (run(changed, picture) - run(PLAIN, picture)).abs().max() > 0.02


def test_the_second_resize_is_measured_by_the_final_size(picture):
    once = replace(PLAIN, second=replace(UNTOUCHED, method="bilinear-aliased"))
    expected = jpeg(resize(jpeg(picture, quality=100), size=(12, 15), method="bilinear-aliased"), quality=100)
    assert torch.equal(run(once, picture), expected)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: RealESRGAN(second_order_probability=1.1), "second_order_probability"),
        (lambda: RealESRGAN(jpeg_quality=(0, 95)), "jpeg_quality"),
        (lambda: RealESRGAN(jpeg_quality=(95, 30)), "jpeg_quality"),
        (lambda: RealESRGAN(final_jpeg_quality=(30.5, 95)), "final_jpeg_quality"),
        (lambda: RealESRGAN(final_sinc_probability=-1), "final_sinc_probability"),
        (lambda: RealESRGAN(final_sinc_sides=(6, 21)), "final_sinc_sides"),
        (lambda: RealESRGAN(final_sinc_cutoff=(0.0, 1.0)), "final_sinc_cutoff"),
        (lambda: OrderSettings(blur_probability=7), "blur_probability"),
        (lambda: ResizeSettings(probabilities=(0.5, 0.5, 0.5)), "probabilities"),
        (lambda: ResizeSettings(factor=(1.1, 1.5)), "factor"),
        (lambda: ResizeSettings(factor=(0.0, 1.5)), "factor"),
        (lambda: ResizeSettings(factor=(0.5, 0.9)), "factor"),
    ],
)
def test_settings_out_of_range_are_named(build, named):
    with pytest.raises(SettingError, match=named):
        build()


def test_settings_are_used(picture):
    sharp = RealESRGAN(
        first=OrderSettings(
            blur=BlurSettings(sides=(7, 7), sigma=(0.2, 0.2), sinc_probability=0.0),
            resize=ResizeSettings(probabilities=(0.0, 0.0, 1.0)),
        ),
        second_order_probability=0.0,
        final_sinc_probability=0.0,
    )
    for _ in range(20):
        parameters = sharp.draw(generator_for(3, 1))
        assert parameters.second is None
        assert parameters.sinc is None
        assert parameters.first.factor == 1.0
        assert parameters.first.kernel is not None
        assert parameters.first.kernel.side == 7
