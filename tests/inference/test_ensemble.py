"""The mean over a picture's eight orientations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from deltasr.errors import SettingError
from deltasr.imaging import Picture
from deltasr.inference.ensemble import ORIENTATIONS, mean_of_orientations
from deltasr.inference.padding import run_padded
from deltasr.inference.upscaler import Upscaler
from deltasr.models.base import Model, SizeRequirements


def test_each_orientation_is_seen_once_and_turned_back():
    picture = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    seen: list[Tensor] = []

    def to_the_right(turned: Tensor) -> Tensor:
        seen.append(turned)
        return turned.roll(1, dims=-1).half()

    result = mean_of_orientations(to_the_right, picture)
    neighbours = [picture.roll(step, dims=axis) for step, axis in product((1, -1), (-1, -2))]
    torch.testing.assert_close(result, torch.stack(neighbours).half().float().mean(dim=0))
    assert len({turned.numpy().tobytes() for turned in seen}) == len(seen) == len(ORIENTATIONS) == 8


def test_results_that_are_the_picture_itself_leave_it_alone():
    picture = torch.rand(1, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    before = picture.clone()
    torch.testing.assert_close(mean_of_orientations(lambda seen: seen, picture), before)
    assert torch.equal(picture, before)


class _Phased(Model):
    """Twice as large, with a pattern that repeats every two LR pixels from the first one on."""

    name, scale, receptive_field = "phased", 2, 0
    size_requirements = SizeRequirements(minimum=2, multiple_of=2)

    def forward(self, lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        pattern = torch.tensor([[0.0, 0.1], [0.2, 0.4]]).repeat(height // 2, width // 2)
        return F.interpolate(0.5 * lr + pattern, scale_factor=2)


@pytest.mark.parametrize("size", [(40, 30), (41, 31), (24, 33)], ids=str)
def test_tiles_agree_on_where_patterns_begin(size: tuple[int, int]):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    whole, tiled = (Upscaler(_Phased(), tile=tile, ensemble=True).upscale(pixels).pixels for tile in (0, 7))
    assert np.array_equal(whole, tiled)
    assert not np.array_equal(whole, Upscaler(_Phased(), tile=0).upscale(pixels).pixels)


def test_an_ensemble_treats_mirror_images_alike(conv_net):
    model = conv_net()
    lr = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    result, mirrored = (run_padded(model, seen, ensemble=True) for seen in (lr, lr.flip(-1)))
    torch.testing.assert_close(mirrored.flip(-1), result)
    assert (run_padded(model, lr.flip(-1)).flip(-1) - run_padded(model, lr)).abs().max() > 0.01


def test_noise_is_not_averaged_out(conv_net):
    model = conv_net()
    model.stochastic = True
    with pytest.raises(SettingError, match="uses noise, which an ensemble would average out"):
        Upscaler(model, ensemble=True)


def test_a_picture_keeps_its_alpha(conv_net):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    picture = Picture(pixels=pixels, alpha=np.random.default_rng(1).integers(0, 256, (12, 9), dtype=np.uint8))
    result = Upscaler(conv_net(), ensemble=True).upscale(picture)
    assert result.alpha is not None
    assert result.alpha.shape == result.pixels.shape[:2] == (24, 18)
