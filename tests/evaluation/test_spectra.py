"""Ratios of power spectra: 1 for equals within the stated spread, and a pattern where it is."""

from __future__ import annotations

import numpy as np
import pytest

from deltasr.errors import PictureError
from deltasr.evaluation import spectra
from deltasr.evaluation.spectra import Floats


def noise(count: int, *, seed: int, shape: tuple[int, int] = (256, 320)) -> list[Floats]:
    """Pictures whose power is the same at all frequencies."""
    return list(np.random.default_rng(seed).normal(128, 20, (count, *shape)))


def spectra_of(pictures: list[Floats]) -> list[Floats]:
    return [spectra.power_spectrum(picture) for picture in pictures]


def waves(vertical: float, horizontal: float, shape: tuple[int, int] = (256, 320)) -> Floats:
    y, x = np.indices(shape)
    return np.cos(2 * np.pi * (vertical * y + horizontal * x))


def test_white_noise_over_white_noise_is_1_within_the_stated_spread():
    results, truths = (spectra_of(noise(30, seed=seed)) for seed in (1, 2))
    ratios = spectra.ratio(results, truths)[spectra.away_from_zero()]
    assert ratios.mean() == pytest.approx(1, abs=0.005)
    assert ratios.std() < 0.03
    single = np.zeros((spectra.TILE, spectra.TILE), dtype=bool)
    inside, places = 0, [(v, h) for v in range(2, 30, 3) for h in range(2, 64, 3)]
    for place in places:
        single[:] = False
        single[place] = True
        peak = spectra.largest(results, truths, single)
        assert peak.spread is not None
        inside += abs(peak.ratio - 1) < 2 * peak.spread
    assert 0.88 < inside / len(places) <= 1
    assert spectra.largest(results, truths, spectra.away_from_zero()).ratio < 1.15


def test_equals_have_ratio_1_everywhere():
    same = spectra_of(noise(2, seed=1))
    assert np.array_equal(spectra.ratio(same, same), np.ones((64, 64)))
    peak = spectra.largest(same, same, spectra.away_from_zero())
    assert (peak.ratio, peak.spread) == (1, 0)


@pytest.mark.parametrize("frequency", [(0.15, 0.21), (0.30, -0.11), (0.0, 0.25), (0.25, 0.0), (0.5, 0.25)])
def test_a_pattern_is_found_at_its_frequency(frequency: tuple[float, float]):
    truths = noise(4, seed=1)
    results = [truth + 6 * waves(*frequency) for truth in truths]
    peak = spectra.largest(spectra_of(results), spectra_of(truths), spectra.away_from_zero())
    assert peak.ratio > 2
    apart = [(np.array(peak.frequency) - sign * np.array(frequency) + 0.5) % 1 - 0.5 for sign in (-1, 1)]
    assert min(np.abs(one).max() for one in apart) < 1.5 / spectra.TILE  # opposite frequencies are one


def test_only_multiples_of_the_lr_grid_are_looked_at():
    among = spectra.repeating(4)
    vertical, horizontal = spectra.frequencies()[:, among]
    found = set(zip(vertical.tolist(), horizontal.tolist(), strict=True))
    quarters = (-0.5, -0.25, 0.0, 0.25)
    assert found == {(v, h) for v in quarters for h in quarters} - {(0.0, 0.0)}
    truths = noise(4, seed=1)
    elsewhere, there = ([truth + 6 * waves(0.0, at) for truth in truths] for at in (0.19, 0.25))
    of_truths = spectra_of(truths)
    assert spectra.largest(spectra_of(elsewhere), of_truths, among).ratio == pytest.approx(1, abs=0.1)
    assert spectra.largest(spectra_of(there), of_truths, among).ratio > 2


def test_power_is_even_for_white_noise_and_blind_to_brightness():
    (picture,) = noise(1, seed=3, shape=(1024, 1024))
    power = spectra.power_spectrum(picture)[spectra.away_from_zero()]
    window = np.hanning(65)[:-1]
    assert power.mean() == pytest.approx(20**2 * (window**2).sum() ** 2, rel=0.02)
    assert np.allclose(spectra.power_spectrum(picture + 50), spectra.power_spectrum(picture))


def test_one_picture_has_no_spread_and_a_small_one_no_spectrum():
    one = spectra_of(noise(1, seed=1))
    assert spectra.largest(one, one, spectra.away_from_zero()).spread is None
    with pytest.raises(PictureError, match="63x80 pixels has no tile of 64x64"):
        spectra.power_spectrum(np.zeros((80, 63)))
