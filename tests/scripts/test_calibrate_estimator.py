"""The samples that the estimator is fitted to, and the fitted arrays."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.degradation.estimate import _Regression


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three pictures that are large enough for LR pictures with features."""
    for seed in range(3):
        coarse = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((160, 160), Image.Resampling.BICUBIC).save(tmp_path / f"{seed}.png")
    return tmp_path


@pytest.fixture
def samples(pictures: Path) -> list:
    """One sample of each last digit of its number."""
    calibrate_estimator = importlib.import_module("calibrate_estimator")
    files = sorted(pictures.rglob("*.png"))
    return [calibrate_estimator.sample(number, pictures=files) for number in range(10)]


def test_samples_depend_on_their_number_alone(samples: list, pictures: Path):
    calibrate_estimator = importlib.import_module("calibrate_estimator")
    again = calibrate_estimator.sample(3, pictures=sorted(pictures.rglob("*.png")))
    assert (again.kind, again.strength) == (samples[3].kind, samples[3].strength)
    assert np.array_equal(again.observation.features, samples[3].observation.features)
    assert (samples[0].kind, samples[5].kind) == ("noisy", "texture")
    assert all(0 <= one.strength <= 1 for one in samples)


def test_a_fit_has_the_arrays_that_the_estimate_reads(samples: list, monkeypatch: pytest.MonkeyPatch):
    calibrate_estimator = importlib.import_module("calibrate_estimator")
    monkeypatch.setattr(calibrate_estimator, "_STEPS", 3)
    arrays = calibrate_estimator.fit(samples)
    regression = _Regression(**{name: np.array(values) for name, values in arrays.items()})
    features = next(one.observation.features for one in samples if one.observation.features is not None)
    assert all(0 < value < 1 for value in regression.of(features))


def test_the_summary_is_of_held_out_samples_alone(samples: list):
    calibrate_estimator = importlib.import_module("calibrate_estimator")
    held_out = sum(one.held_out for one in samples)
    lines = calibrate_estimator.summary(samples).splitlines()
    assert sum(int(line.split(": ")[1].split()[0]) for line in lines) == held_out
