"""What a JPEG file says about how it was compressed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from deltasr.evaluation.degraded import degrade_picture
from deltasr.imaging import picture_from, read_picture, write_picture

LUMA_50 = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]  # fmt: skip
"""Table K.1 of ITU-T T.81, which libjpeg takes at quality 50."""


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_files_and_opened_files_say_table_and_subsampling(tmp_path, subsampling):
    path = tmp_path / "a.jpg"
    picture().save(path, quality=50, subsampling=subsampling)
    for read in (read_picture(path), picture_from(Image.open(path))):
        assert read.compression is not None
        assert list(read.compression.luma_table) == LUMA_50
        assert read.compression.subsampling == subsampling


def test_grey_files_have_a_table_and_no_subsampling(tmp_path):
    picture().convert("L").save(tmp_path / "a.jpg", quality=90)
    compression = read_picture(tmp_path / "a.jpg").compression
    assert compression is not None
    assert compression.luma_table[:3] == (3, 2, 2)
    assert compression.subsampling is None


def test_other_files_arrays_and_results_have_none(tmp_path):
    path = tmp_path / "a.jpg"
    picture().save(path)
    jpeg = read_picture(path)
    write_picture(jpeg, tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").compression is None
    assert picture_from(jpeg.pixels).compression is None
    assert picture_from(Image.open(path).resize((9, 9))).compression is None
    assert degrade_picture(jpeg, name="a", kind="bicubic", scale=2, seed=0).picture.compression is None


def test_a_progressive_file_that_is_turned_keeps_its_table(tmp_path):
    image = picture()
    image.getexif()[0x0112] = 6
    image.save(tmp_path / "a.jpg", quality=50, progressive=True, exif=image.getexif())
    read = read_picture(tmp_path / "a.jpg")
    assert (read.height, read.width) == (30, 20)
    assert read.compression == replace(read.compression, luma_table=tuple(LUMA_50))
