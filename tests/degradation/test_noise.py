"""Noise by its statistics, and the distribution of random noise."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from deltasr.degradation.bsrgan import draw_covariance
from deltasr.degradation.draws import generator_for
from deltasr.degradation.noise import correlated_noise, gaussian_noise, poisson_noise
from deltasr.degradation.random_noise import Noise, NoiseSettings, draw_noise
from deltasr.errors import SettingError


def flat(value: float) -> torch.Tensor:
    return torch.full((1, 3, 128, 128), value)


@pytest.mark.parametrize("sigma", [1.0, 12.0, 30.0])
def test_gaussian_noise_has_its_sigma_in_8_bit_levels(sigma):
    noise = gaussian_noise(flat(0.5), sigma=sigma, generator=generator_for(0, 0)) - 0.5
    assert noise.std().item() * 255 == pytest.approx(sigma, rel=0.02)
    assert abs(noise.mean().item()) * 255 < 0.03 * sigma
    channels = torch.corrcoef(noise[0].flatten(1))
    assert (channels - torch.eye(3)).abs().max() < 0.03


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("value", [0.2, 0.8])
def test_the_variance_of_poisson_noise_grows_with_the_light(scale, value):
    noise = poisson_noise(flat(value), scale=scale, generator=generator_for(0, 1)) - value
    assert noise.var().item() == pytest.approx(scale**2 * value / 255, rel=0.03)
    assert abs(noise.mean().item()) < 0.03 * scale * math.sqrt(value / 255)


def test_black_has_no_shot_noise():
    assert torch.equal(poisson_noise(flat(0.0), scale=3.0, generator=generator_for(0, 2)), flat(0.0))


def test_poisson_noise_is_photon_counts():
    counts = poisson_noise(flat(3 / 255), scale=1.0, generator=generator_for(0, 3)) * 255
    torch.testing.assert_close(counts, counts.round(), rtol=0, atol=1e-3)
    for count in range(8):
        expected = math.exp(-3) * 3**count / math.factorial(count)
        assert (counts.round() == count).float().mean().item() == pytest.approx(expected, abs=0.006)


def test_a_value_that_differs_by_rounding_changes_no_other_count():
    picture = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    other = picture.clone()
    other[0, 0, 0, 0] += 1 / 255
    first, second = (poisson_noise(x, scale=1.0, generator=generator_for(0, 9)) for x in (picture, other))
    changed = first != second
    assert changed.sum() == 1
    assert (first - second).abs().max() < 4 / 255


@pytest.mark.parametrize("add", [lambda x, g: gaussian_noise(x, sigma=9.0, grey=True, generator=g),
                                 lambda x, g: poisson_noise(x, scale=2.0, grey=True, generator=g)])  # fmt: skip
def test_grey_noise_is_the_same_in_all_channels(add):
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    noise = add(picture, generator_for(0, 4)) - picture
    torch.testing.assert_close(noise[:, :1].expand_as(noise), noise, atol=1e-6, rtol=0)
    assert noise.std() > 0.01


def test_grey_poisson_noise_follows_the_luma():
    picture = torch.tensor([0.9, 0.1, 0.4])[None, :, None, None].expand(1, 3, 128, 128)
    noise = poisson_noise(picture, scale=1.0, grey=True, generator=generator_for(0, 5)) - picture
    luma = 0.299 * 0.9 + 0.587 * 0.1 + 0.114 * 0.4
    assert noise[:, 0].var().item() == pytest.approx(luma / 255, rel=0.05)


def test_correlated_noise_has_its_covariance():
    covariance = torch.tensor([[100.0, 60.0, -20.0], [60.0, 90.0, 10.0], [-20.0, 10.0, 50.0]])
    noise = correlated_noise(flat(0.5), covariance=covariance, generator=generator_for(0, 6)) - 0.5
    torch.testing.assert_close(torch.cov(noise[0].flatten(1) * 255), covariance, rtol=0, atol=3.0)


def test_random_covariances_are_those_of_noise_up_to_sigma():
    generator = generator_for(0, 7)
    for _ in range(50):
        covariance = draw_covariance(10.0, generator)
        torch.testing.assert_close(covariance, covariance.T)
        variances = torch.linalg.eigvalsh(covariance)
        assert variances.min() >= -1e-9
        assert variances.max() <= 100.0 + 1e-9
    assert covariance[0, 1].abs() > 1e-3


def test_random_noise_comes_as_often_as_it_should():
    generator = generator_for(1, "noise")
    drawn = [draw_noise(NoiseSettings(), generator) for _ in range(4000)]
    counts = Counter(noise.kind for noise in drawn)
    assert counts["gaussian"] / 4000 == pytest.approx(0.5, abs=0.03)
    for kind, low, high in (("gaussian", 1.0, 30.0), ("poisson", 0.05, 3.0)):
        strengths = [noise.strength for noise in drawn if noise.kind == kind]
        greys = [noise.grey for noise in drawn if noise.kind == kind]
        assert low <= min(strengths) < low + 0.05 * high
        assert high >= max(strengths) > 0.95 * high
        assert sum(greys) / len(greys) == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_added_noise_stays_in_range(kind):
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)).round()
    noisy = Noise(kind=kind, strength=30.0, grey=False).added_to(picture, generator_for(0, 8))
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    assert not torch.equal(noisy, picture)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gaussian_probability": -0.1}, "gaussian_probability"),
        ({"gaussian_sigma": (1.0, 300.0)}, "gaussian_sigma"),
        ({"poisson_scale": (-1.0, 1.0)}, "poisson_scale"),
        ({"grey_probability": 2.0}, "grey_probability"),
    ],
)
def test_settings_out_of_range_are_named(changes, named):
    with pytest.raises(SettingError, match=named):
        NoiseSettings(**changes)
