"""BSRGAN's degradation: the shuffled steps, their probabilities, and the camera noise."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from deltasr.degradation.bsrgan import BSRGAN, STEPS
from deltasr.degradation.camera import Sensor, camera_noise, draw_sensor
from deltasr.degradation.draws import generator_for
from deltasr.degradation.resizing import resize
from deltasr.errors import SettingError

DRAWS = 3000


@pytest.fixture(scope="module")
def orders() -> list[list[str]]:
    generator = generator_for(0, "orders")
    return [BSRGAN().draw_steps(generator) for _ in range(DRAWS)]


def test_steps_are_there_as_often_as_they_should(orders):
    counts = Counter(step for order in orders for step in order)
    for step in STEPS:
        expected = {"jpeg": 0.75, "camera noise": 0.25}.get(step, 1.0)
        assert counts[step] / DRAWS == pytest.approx(expected, abs=0.03)
    assert all(len(set(order)) == len(order) for order in orders)


def test_steps_come_in_any_order(orders):
    firsts = Counter(order[0] for order in orders if len(order) == len(STEPS))
    complete = sum(firsts.values())
    assert all(firsts[step] / complete == pytest.approx(1 / 6, abs=0.06) for step in STEPS)
    early = sum(order.index("shrink") < order.index("isotropic blur") for order in orders)
    assert early / DRAWS == pytest.approx(0.5, abs=0.03)


def test_narrower_blurs_for_a_smaller_factor():
    assert BSRGAN.for_scale(4) == BSRGAN()
    assert BSRGAN.for_scale(2).isotropic_sigma == (0.1, 2.4)
    assert BSRGAN.for_scale(2).anisotropic_variance == (0.5, 6.0)


@pytest.mark.parametrize("seed", range(12))
def test_any_order_ends_at_the_exact_size_and_in_range(seed):
    picture = torch.rand(1, 3, 36, 52, generator=torch.Generator().manual_seed(1))
    result = BSRGAN(camera_probability=0.5)(picture, scale=4, generator=generator_for(seed, 0))
    assert result.shape == (1, 3, 9, 13)
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-3)
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"sides": (7, 22)},
        {"isotropic_sigma": (0.0, 2.0)},
        {"anisotropic_variance": (8.0, 0.5)},
        {"noise_sigma": (1.0, 256.0)},
        {"noise_probabilities": (0.2, 0.4, 0.5)},
        {"jpeg_probability": 2.0},
        {"jpeg_quality": (30, 101)},
        {"camera_probability": -1.0},
        {"halving_probability": 1.01},
    ],
)
def test_settings_out_of_range_are_named(changes):
    with pytest.raises(SettingError, match=next(iter(changes))):
        BSRGAN(**changes)


def smooth() -> torch.Tensor:
    return resize(torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(2)), size=(64, 65), method="bilinear")


def test_a_noiseless_sensor_returns_what_the_mosaic_can_hold():
    result = camera_noise(smooth(), sensor=Sensor(shot=0.0, read=0.0, gains=(2.0, 1.7)), generator=generator_for(0, 0))
    assert (result - smooth()).abs().mean() < 0.005


def test_a_flat_grey_survives_development_whole():
    flat = torch.full((1, 3, 17, 23), 0.4)
    sensor = Sensor(shot=0.0, read=0.0, gains=(2.2, 1.6))
    torch.testing.assert_close(camera_noise(flat, sensor=sensor, generator=generator_for(0, 0)), flat)


def test_sensor_noise_is_stronger_with_shot_noise_and_correlated_between_neighbours():
    flat = torch.full((1, 3, 96, 96), 0.5)
    weak, strong = (
        camera_noise(flat, sensor=Sensor(shot=shot, read=1e-6, gains=(2.0, 1.7)), generator=generator_for(0, 0)) - flat
        for shot in (1e-4, 1e-2)
    )
    assert strong.std() > 5 * weak.std()
    assert (weak[..., 1:] * weak[..., :-1]).mean() > 0.2 * weak.var()


def test_sensors_lie_in_the_ranges_of_their_model():
    generator = generator_for(0, "sensors")
    sensors = [draw_sensor(generator) for _ in range(1000)]
    shots = torch.tensor([sensor.shot for sensor in sensors]).log()
    reads = torch.tensor([sensor.read for sensor in sensors]).log()
    assert shots.min().exp() >= 1e-4
    assert shots.max().exp() <= 0.012
    remainder = reads - (2.18 * shots + 1.20)
    assert remainder.mean().abs() < 0.03
    assert remainder.std().item() == pytest.approx(0.26, abs=0.02)
    assert all(1.9 <= sensor.gains[0] <= 2.4 and 1.5 <= sensor.gains[1] <= 1.9 for sensor in sensors)
