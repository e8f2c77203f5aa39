"""Resizing against Pillow and against what each method means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.degradation.resizing import METHODS, resize
from deltasr.errors import SettingError
from deltasr.resampling.tensors import imresize

SIZES = [(5, 9), (6, 4), (23, 31), (40, 50), (17, 60)]


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(2, 3, 23, 31, generator=torch.Generator().manual_seed(3))


def by_pillow(picture: torch.Tensor, size: tuple[int, int], resample: Image.Resampling) -> np.ndarray:
    planes = picture.reshape(-1, *picture.shape[-2:]).numpy()
    resized = [np.asarray(Image.fromarray(plane).resize((size[1], size[0]), resample)) for plane in planes]
    return np.stack(resized).reshape(*picture.shape[:2], *size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("method", "resample"), [("lanczos", Image.Resampling.LANCZOS), ("bilinear", Image.Resampling.BILINEAR)]
)
def test_as_pillow_does_it_in_floating_point(picture, size, method, resample):
    result = resize(picture, size=size, method=method).numpy()
    np.testing.assert_allclose(result, by_pillow(picture, size, resample), atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_bicubic_is_imresize(picture, size):
    assert torch.equal(resize(picture, size=size, method="bicubic"), imresize(picture, size=size))
    plain = imresize(picture, size=size, antialias=False)
    assert torch.equal(resize(picture, size=size, method="bicubic-aliased"), plain)


def test_area_is_the_mean_of_blocks():
    picture = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(4))
    means = picture.reshape(1, 3, 3, 4, 5, 4).mean(dim=(3, 5))
    torch.testing.assert_close(resize(picture, size=(3, 5), method="area"), means)


def test_bilinear_without_antialiasing_takes_the_middle_of_each_block():
    picture = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(4))
    blocks = picture.reshape(1, 3, 3, 4, 5, 4)
    middles = blocks[:, :, :, 1:3, :, 1:3].mean(dim=(3, 5))
    torch.testing.assert_close(resize(picture, size=(3, 5), method="bilinear-aliased"), middles)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (23, 31), (64, 33)])
def test_flat_pictures_stay_flat_at_any_size(method, size):
    flat = torch.full((1, 3, 23, 31), 0.37, dtype=torch.float64)
    torch.testing.assert_close(resize(flat, size=size, method=method), torch.full((1, 3, *size), 0.37).double())


@pytest.mark.parametrize("method", METHODS)
def test_ramps_keep_their_place(method):
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).expand(1, 3, 64, 64)
    result = resize(ramp, size=(16, 16), method=method)
    expected = (torch.arange(16, dtype=torch.float64) * 4 + 1.5) / 63
    torch.testing.assert_close(result[0, 0, 8, 3:-3], expected[3:-3], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("aliased", "method"), [("bicubic-aliased", "bicubic"), ("bilinear-aliased", "bilinear"), (None, "lanczos")]
)
def test_antialiasing_removes_what_a_smaller_grid_cannot_hold(aliased, method):
    stripes = (torch.arange(60) % 3 == 0).float().expand(1, 3, 60, 60)
    assert resize(stripes, size=(15, 15), method=method)[..., 3:-3, 3:-3].std() < 0.04
    if aliased:
        assert resize(stripes, size=(15, 15), method=aliased)[..., 3:-3, 3:-3].std() > 0.2


def test_what_cannot_be_done(picture):
    with pytest.raises(SettingError, match="0x5"):
        resize(picture, size=(0, 5), method="area")
    with pytest.raises(SettingError, match="nearest"):
        resize(picture, size=(5, 5), method="nearest")


@pytest.mark.parametrize("size", SIZES)
def test_bilinear_without_antialiasing_is_pytorchs_but_for_rounding(picture, size):
    expected = torch.nn.functional.interpolate(picture, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize(picture, size=size, method="bilinear-aliased"), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("size", SIZES)
def test_bicubic_pytorch_is_pytorchs_but_for_rounding(picture, size):
    expected = torch.nn.functional.interpolate(picture, size, mode="bicubic", align_corners=False)
    torch.testing.assert_close(resize(picture, size=size, method="bicubic-pytorch"), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_area_opencv_is_the_mean_of_what_each_sample_covers(picture, size):
    """Pixels are cut into as many equal parts as the result has samples; each sample covers whole ones of those."""
    parts = picture.double().repeat_interleave(size[0], dim=-2).repeat_interleave(size[1], dim=-1)
    means = parts.reshape(2, 3, size[0], 23, size[1], 31).mean(dim=(3, 5))
    torch.testing.assert_close(resize(picture.double(), size=size, method="area-opencv"), means)


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_no_bit(method):
    large = torch.rand(1, 3, 321, 481, generator=torch.Generator().manual_seed(6))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append([resize(large, size=size, method=method) for size in ((417, 625), (100, 150))])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for more in results[1:] for one, other in zip(results[0], more, strict=True))
