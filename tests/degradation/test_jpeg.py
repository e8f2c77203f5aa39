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
