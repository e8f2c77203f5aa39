"""JPEG is Pillow's, byte for byte."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.degradation.jpeg import jpeg
from deltasr.errors import SettingError


def smooth(count: int = 2, height: int = 37, width: int = 50) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    picture = torch.stack([x, y, (6 * x * y).sin().abs()])
    return torch.stack([picture * (place + 1) / count for place in range(count)])


@pytest.mark.parametrize("quality", [1, 30, 95])
def test_pixels_are_those_of_a_file_that_pillow_writes(quality):
    images = smooth()
    result = (jpeg(images, quality=quality) * 255).round().to(torch.uint8)
    for image, compressed in zip(images, result, strict=True):
        file = io.BytesIO()
        pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        expected = np.asarray(Image.open(io.BytesIO(file.getvalue())))
        assert np.array_equal(compressed.permute(1, 2, 0).numpy(), expected)


def test_results_are_levels_in_range_of_the_same_type():
    images = smooth().double() * 3 - 1
    result = jpeg(images, quality=20)
    assert result.dtype == torch.float64
    assert result.shape == images.shape
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-9)
    assert result.min() >= 0
    assert result.max() <= 1


def test_lower_quality_means_more_error():
    images = smooth()
    errors = [(jpeg(images, quality=quality) - images).square().mean() for quality in (95, 60, 30, 5)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("quality", [0, 101])
def test_qualities_out_of_range(quality):
    with pytest.raises(SettingError, match=str(quality)):
        jpeg(smooth(), quality=quality)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("offset", [(0, 0), (3, 14), (16, 1)])
def test_a_picture_is_cut_from_a_larger_one_whose_blocks_lie_elsewhere(subsampling, offset):
    top, left = offset
    whole = (smooth(1, 64, 80) * 255).round() / 255
    part = jpeg(whole[..., top:, left:], quality=40, subsampling=subsampling, offset=offset)
    file = io.BytesIO()
    pixels = (whole[0] * 255).byte().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=40, subsampling=subsampling)
    larger = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None].float() / 255
    assert torch.equal(part[..., 16:48, 16:48], larger[..., top + 16 : top + 48, left + 16 : left + 48])


def test_colour_at_half_the_resolution_is_another_picture():
    images = smooth()
    assert not torch.equal(jpeg(images, quality=90), jpeg(images, quality=90, subsampling="4:4:4"))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3)])
def test_pictures_smaller_than_a_block(size):
    assert jpeg(smooth(1, *size), quality=50, offset=(15, 6)).shape == (1, 3, *size)
