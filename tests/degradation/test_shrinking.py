"""The resizers that people use: how often each, exactly as Pillow has them, and how far out of place."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.degradation import downscale
from deltasr.degradation.draws import generator_for
from deltasr.degradation.shrinking import FILTERS, Shrinking
from deltasr.errors import SettingError


def picture(height: int = 40, width: int = 48) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))


def only(filter_: str, **settings: float) -> Shrinking:
    return Shrinking(filter_probabilities=tuple(float(name == filter_) for name in FILTERS), **settings)


def shrunk(shrinking: Shrinking, hr: torch.Tensor, seed: int = 0, history: list | None = None) -> torch.Tensor:
    return shrinking(hr, scale=4, generator=generator_for(seed, 0), history=history)


def test_half_are_our_bicubic_exactly():
    hr = picture()
    same = 0
    for seed in range(300):
        history = []
        lr = shrunk(Shrinking(), hr, seed, history)
        if torch.equal(lr, downscale(hr, 4)):
            same += 1
            assert [str(operation) for operation in history] == ["resize filter=bicubic size=12x10"]
    assert 120 < same < 180


def test_all_ways_occur():
    seen: Counter[str] = Counter()
    for seed in range(300):
        history = []
        lr = shrunk(Shrinking(), picture(), seed, history)
        assert lr.shape == (1, 3, 10, 12)
        assert str(history[-1].values["size"]) == "12x10"
        seen.update(str(operation.values["filter"]) for operation in history)
        seen["two steps"] += len(history) == 2
        seen["shifted"] += "shift_down" in history[0].values
    assert seen.keys() == {*FILTERS, "two steps", "shifted"}
    assert min(seen.values()) > 5


@pytest.mark.parametrize("filter_", FILTERS[1:])
def test_filters_are_pillows(filter_):
    hr = (picture() * 255).round() / 255
    lr = shrunk(only(filter_, two_steps_probability=0, shift_probability=0), hr)
    image = Image.fromarray((hr[0] * 255).byte().permute(1, 2, 0).numpy())
    resample = Image.Resampling[filter_.removeprefix("pillow-").upper()]
    theirs = np.asarray(image.resize((12, 10), resample)).astype(float)
    assert np.abs(lr[0].permute(1, 2, 0).numpy() * 255 - theirs).max() < 1.1


def test_shifts_move_the_grid_by_what_the_history_says():
    ramp = torch.linspace(0.1, 0.9, 160).expand(1, 3, 160, 160)
    step = float(ramp[0, 0, 0, 1] - ramp[0, 0, 0, 0])
    settings = only("pillow-bilinear", two_steps_probability=0, shift_probability=1)
    shifts = []
    for seed in range(20):
        history = []
        lr = shrunk(settings, ramp, seed, history)
        shift = history[0].values["shift_right"]
        moved = (lr - ramp.unfold(-1, 4, 4).mean(-1)[..., ::4, :])[..., 2:-2]
        assert moved.mean() == pytest.approx(shift * step, abs=1e-5)
        shifts.append(shift)
    assert max(shifts) > 0.3
    assert min(shifts) < -0.3
    assert max(map(abs, shifts)) <= 0.5


def test_other_types_come_back_as_they_came():
    lr = shrunk(only("pillow-lanczos"), picture().double())
    assert lr.dtype == torch.float64
    assert 0 <= lr.min() <= lr.max() <= 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"filter_probabilities": (0.5, 0.5)}, "filter_probabilities"),
        ({"two_steps_probability": 1.5}, "two_steps_probability"),
        ({"shift_probability": -1}, "shift_probability"),
        ({"largest_shift": 2.0}, "largest_shift"),
    ],
)
def test_settings_out_of_range(settings, named):
    with pytest.raises(SettingError, match=named):
        Shrinking(**settings)
