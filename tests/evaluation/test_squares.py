"""Square pictures of a size: which part of a picture they show, and that released ones are the same."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from deltasr.errors import PictureError, SettingError
from deltasr.evaluation.squares import WAYS, Square
from deltasr.imaging import Picture, read_picture, read_rgb8


def ramp(height: int, width: int, *, dtype: str = "uint8", channels: int = 3) -> Picture:
    """Its columns tell their place in the first channel, its rows in the last."""
    largest = np.iinfo(dtype).max
    pixels = np.zeros((height, width, channels), dtype=dtype)
    pixels[..., 0] = np.linspace(0, largest, width).astype(dtype)
    pixels[..., -1] = np.linspace(0, largest, height).astype(dtype)[:, None]
    return Picture(pixels=pixels)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("height", "width"), [(40, 90), (77, 33), (32, 32)])
def test_every_way_gives_the_side(way, height, width):
    square = Square(side=32, way=way).of(ramp(height, width))
    assert square.pixels.shape == (32, 32, 3)
    assert square.pixels.dtype == np.uint8


def test_a_crop_is_the_middle():
    picture = ramp(41, 90)
    assert np.array_equal(Square(side=32, way="crop").of(picture).pixels, picture.pixels[4:36, 29:61])


def test_a_fit_is_the_middle_of_means_over_blocks():
    picture = Picture(pixels=np.random.default_rng(0).integers(0, 256, (64, 100, 3), dtype=np.uint8))
    fitted = Square(side=16, way="fit").of(picture).pixels
    means = picture.pixels.reshape(16, 4, 25, 4, 3).mean(axis=(1, 3))
    assert np.abs(fitted - means[:, 4:20]).max() <= 0.5 + 1e-9


def test_squeezing_shows_all_of_a_picture():
    picture = ramp(60, 200)
    squeezed = Square(side=32).of(picture).pixels.astype(int)
    assert squeezed[:, 0, 0].max() < 10
    assert squeezed[:, -1, 0].min() > 245
    assert squeezed[0, :, 2].max() < 10
    assert squeezed[-1, :, 2].min() > 245


@pytest.mark.parametrize(
    ("released", "whole"), [("05", "003"), ("06", "011"), ("07", "002"), ("12", "004"), ("13", "008"), ("14", "006")]
)
def test_deltadiffs_released_set_was_squeezed(released: str, whole: str, shared: Path):
    sets = shared / "data" / "eval"
    squeezed = Square(side=256).of(read_picture(sets / "Set14" / "HR" / f"img_{whole}.png")).pixels
    published = read_rgb8(sets / "DeltaDiffSet14" / "HR" / f"{released}.png")
    assert np.abs(squeezed.astype(int) - published).max() <= 1
    assert (squeezed != published).mean() < 0.05, "OpenCV rounds its weights"


def test_depth_is_kept_and_transparency_is_not():
    picture = ramp(40, 40, dtype="uint16", channels=1)
    alpha = np.full((40, 40), 65535, dtype=np.uint16)
    square = Square(side=32, way="crop").of(Picture(pixels=picture.pixels, alpha=alpha))
    assert square.pixels.dtype == np.uint16
    assert square.pixels.shape == (32, 32, 3)
    assert square.alpha is None


@pytest.mark.parametrize("way", ["crop", "fit"])
def test_a_picture_that_is_too_small_is_told(way):
    with pytest.raises(PictureError, match=re.escape("It has 90x20 pixels, and a square of 32 cannot be cut from it")):
        Square(side=32, way=way).of(ramp(20, 90))


def test_a_side_out_of_range_is_told():
    with pytest.raises(SettingError, match="A square of 0 pixels is not possible"):
        Square(side=0)
