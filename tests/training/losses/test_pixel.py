"""Pixel losses."""

from __future__ import annotations

import math

import pytest
import torch

from deltasr.training.losses.pixel import PIXEL_LOSSES, charbonnier, grid_distance, outside_local_range


@pytest.mark.parametrize(
    ("name", "expected"),
    [("l1", 0.3), ("l2", 0.1), ("charbonnier", (math.hypot(0.2, 1e-3) + math.hypot(0.4, 1e-3)) / 2)],
)
def test_values(name: str, expected: float):
    prediction = torch.tensor([0.5, 0.1]).view(1, 1, 1, 2)
    target = torch.tensor([0.3, 0.5]).view(1, 1, 1, 2)
    assert PIXEL_LOSSES[name](prediction, target).item() == pytest.approx(expected, rel=1e-6)


def test_charbonnier_is_smooth_at_zero():
    prediction = torch.zeros(1, 1, 1, 1, requires_grad=True)
    charbonnier(prediction, torch.zeros(1, 1, 1, 1)).backward()
    assert prediction.grad is not None
    assert prediction.grad.item() == 0


def test_what_repeats_with_the_grid_counts_and_what_does_not_hardly():
    """Dots of one size: in the same place of every LR pixel, and in places that chance chooses."""
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(2, 48, 24, 24)
    repeated, scattered = target.clone(), target.clone()
    repeated[:, 5] = 0.16
    place = torch.randint(16, (2, 1, 24, 24), generator=generator)
    scattered[:, :16].scatter_(1, place, 0.16)
    assert grid_distance(target, target).item() == 0
    assert grid_distance(repeated, target).item() == pytest.approx(0.16**2 / 48, rel=1e-5)
    assert grid_distance(repeated, target + 0.16 / 48) < grid_distance(repeated, target)
    assert grid_distance(scattered, target) < 0.1 * grid_distance(repeated, target)


def test_a_pattern_in_a_part_of_the_picture_is_seen_and_small_codes_are_one_window():
    target = torch.zeros(1, 48, 16, 16)
    part = target.clone()
    part[:, 5, :8, :8] = 0.16
    assert grid_distance(part, target).item() == pytest.approx(0.16**2 / 48 / 4, rel=1e-5)
    assert grid_distance(part[..., :6, :6], target[..., :6, :6]).item() == pytest.approx(0.16**2 / 48, rel=1e-5)


def test_what_leaves_the_range_of_the_neighbours_counts_by_its_distance():
    hr = torch.zeros(2, 3, 12, 12)
    hr[..., 6:] = 0.8
    picture = hr.clone()
    picture[0, 0, 4, 1] = 0.3  # a dot on the dark side, far from the edge
    picture[0, 1, 4, 10] = 0.5  # a dark one on the bright side
    picture[1, 2, 4, 5] = 0.7  # near the edge, where HR has both
    dots, none = outside_local_range(picture, hr).tolist()
    assert dots == pytest.approx((0.3 + 0.3) / (3 * 12 * 12), rel=1e-5)
    assert none == 0


@pytest.mark.parametrize("distance", [2, 3])
def test_neighbours_are_two_pixels_away_at_the_most(distance: int):
    hr = torch.zeros(1, 1, 12, 12)
    hr[..., 6, 6] = 1
    moved = hr.roll(distance, dims=-1)
    assert (outside_local_range(moved, hr).item() > 0) == (distance > 2)


def test_smooth_pictures_stay_in_the_range():
    hr = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(hr, 5, stride=1, padding=2, count_include_pad=False)
    assert outside_local_range(smooth, hr).item() == 0
    assert outside_local_range(hr, smooth).item() > 0
