from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Metadata, Picture, write_picture


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_save_writes_what_write_picture_writes(tmp_path, samples, icc, name):
    picture = Picture(pixels=samples.rgb8, alpha=samples.alpha8, metadata=Metadata(icc=icc, text={"Title": "x"}))
    expected = write_picture(picture, tmp_path / f"expected-{name}", quality=80)
    assert picture.save(tmp_path / name, quality=80) == expected
    assert (tmp_path / name).read_bytes() == (tmp_path / f"expected-{name}").read_bytes()
    picture.save(str(tmp_path / "b"), format="png", strip=True)
    assert "icc_profile" not in Image.open(tmp_path / "b").info
    with pytest.raises(SettingError):
        picture.save(tmp_path / "c.xyz")


@pytest.mark.parametrize("bits", [8, 16])
def test_a_notebook_shows_it(samples, bits):
    picture = Picture(pixels=samples.rgb8 if bits == 8 else samples.rgb16)
    image = Image.open(io.BytesIO(picture._repr_png_()))
    assert (image.format, image.size) == ("PNG", (30, 20))
    if bits == 8:
        assert np.array_equal(np.asarray(image), samples.rgb8)


def test_a_short_repr(samples):
    assert repr(Picture(pixels=samples.rgb16)) == "<Picture: 30 x 20 pixels, RGB, 16 bits>"
    grey = Picture(pixels=samples.grey8, alpha=samples.alpha8, metadata=Metadata(icc=b"x" * 5000))
    assert repr(grey) == "<Picture: 30 x 20 pixels, grey with alpha, 8 bits>"


def test_pixels_that_are_no_array(samples):
    with pytest.raises(PictureError, match="A list is not a NumPy array"):
        Picture(pixels=[[[1, 2, 3]]])
    with pytest.raises(PictureError, match="A list is not a NumPy array"):
        Picture(pixels=samples.rgb8, alpha=[[1]])
