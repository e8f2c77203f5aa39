"""Classical interpolation is what Pillow, `imresize` and torch do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deltasr.errors import ModelError
from deltasr.models.interpolation import METHODS, Interpolation
from deltasr.resampling.tensors import imresize


def picture(*shape: int) -> Tensor:
    """(N, 3, h, w) in 8-bit levels from 0 to 1."""
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)) / 255


@pytest.mark.parametrize(
    ("method", "resample"), [("bicubic-pillow", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)]
)
def test_pillow_s_methods_are_pillow_s(method: str, resample: Image.Resampling):
    lr = picture(2, 3, 9, 7)
    sr = Interpolation(method=method, scale=4)(lr)
    for one, found in zip(lr, sr, strict=True):
        levels = Image.fromarray((one * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
        expected = np.asarray(levels.resize((28, 36), resample))
        np.testing.assert_array_equal((found * 255).round().permute(1, 2, 0).numpy(), expected)


def test_bicubic_is_imresize():
    lr = picture(2, 3, 9, 7)
    assert torch.equal(Interpolation(method="bicubic", scale=3)(lr), imresize(lr, scale=3).clamp(0, 1))


def test_bilinear_weighs_neighbours_by_distance():
    lr = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    row = Interpolation(method="bilinear", scale=4)(lr)[0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0]))


def test_nearest_repeats():
    lr = picture(1, 3, 3, 2)
    expected = lr.repeat_interleave(4, dim=-1).repeat_interleave(4, dim=-2)
    assert torch.equal(Interpolation(method="nearest")(lr), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [2, 4])
def test_sizes_ranges_and_determinism(method: str, scale: int):
    model = Interpolation(method=method, scale=scale)
    for size in ((1, 1), (5, 2)):
        lr = (picture(2, 3, *size) > 0.5).float()
        before = torch.get_rng_state()
        sr = model(lr)
        assert sr.shape == (2, 3, scale * size[0], scale * size[1])
        assert sr.dtype == torch.float32
        assert 0 <= float(sr.min()) <= float(sr.max()) <= 1
        assert torch.equal(sr, model(lr))
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", METHODS)
def test_the_receptive_field_is_a_bound(method: str):
    model = Interpolation(method=method, scale=4)
    reach = model.receptive_field
    assert reach is not None
    lr = picture(1, 3, 17, 17)
    changed = lr.clone()
    changed[..., 8, 8] = 1 - changed[..., 8, 8].round()
    places = (model(lr) != model(changed)).any(dim=(0, 1)).nonzero()
    lr_distances = (torch.div(places, 4, rounding_mode="floor") - 8).abs()
    assert int(lr_distances.max()) <= reach
    assert int(lr_distances.max()) >= reach - 1


@pytest.mark.parametrize("method", METHODS)
def test_it_describes_itself(method: str):
    model = Interpolation(method=method, scale=3)
    assert (model.name, model.scale, model.consistent) == (method, 3, False)
    assert model.description.startswith("x3 ")


def test_unknown_methods_are_named():
    with pytest.raises(ModelError, match=r"no interpolation called 'sinc'; choose one of nearest, .*lanczos\."):
        Interpolation(method="sinc")
