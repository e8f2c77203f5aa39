"""Files that state more pixels than may be decoded, or than fit into memory."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from deltasr.errors import PictureError, SettingError
from deltasr.imaging import DEFAULT_MAX_PIXELS, limits, read_picture

PILLOW_NAMES = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".bmp": "BMP", ".gif": "GIF"}
ALL = pytest.mark.parametrize("suffix", PILLOW_NAMES)


def encoded(suffix: str, array: np.ndarray, **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, PILLOW_NAMES[suffix], **options)
    return content.getvalue()


def huge_jpeg(*, progressive: bool) -> bytes:
    """A JPEG of 65,500 x 65,500 pixels by its frame header (ITU-T T.81, B.2.2)."""
    content = bytearray(encoded(".jpg", np.zeros((16, 16, 3), np.uint8), progressive=progressive))
    place = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    struct.pack_into(">HH", content, place + 5, 65_500, 65_500)
    return bytes(content)


def huge_png(side: int = 100_000) -> bytes:
    content = bytearray(encoded(".png", np.zeros((16, 16, 3), np.uint8)))
    struct.pack_into(">II", content, 16, side, side)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    return bytes(content)


def huge_bmp() -> bytes:
    content = bytearray(encoded(".bmp", np.zeros((16, 16, 3), np.uint8)))
    struct.pack_into("<ii", content, 18, 65_000, 65_000)
    return bytes(content)


@pytest.mark.parametrize("content", [huge_jpeg(progressive=False), huge_jpeg(progressive=True), huge_png(), huge_bmp()])
def test_small_files_that_state_huge_sizes_are_refused(tmp_path, content):
    (tmp_path / "bomb").write_bytes(content)
    with pytest.raises(PictureError, match=r"bomb states a size of .* over the limit of 1,073,741,824; .*--max-pixels"):
        read_picture(tmp_path / "bomb")


@ALL
def test_the_limit_is_the_most_pixels_that_are_read(tmp_path, samples, suffix):
    content = encoded(suffix, samples.rgb8)
    assert read_picture(content, max_pixels=600).pixels.shape == (20, 30, 3)
    with pytest.raises(PictureError, match="30 x 20 pixels, 600 in all, which is over the limit of 599; "):
        read_picture(content, max_pixels=599)


@ALL
def test_sizes_are_compared_with_the_free_memory(samples, suffix, monkeypatch):
    content = encoded(suffix, samples.rgb8)
    monkeypatch.setattr(limits, "free_bytes", lambda: 3600 - 1)
    with pytest.raises(PictureError, match=r"takes .* GB of memory to decode, and 3.6e-06 GB are free; close"):
        read_picture(content)
    monkeypatch.setattr(limits, "free_bytes", lambda: 3600 * 3)
    assert read_picture(content).pixels.shape == (20, 30, 3)


def test_decoders_that_hold_the_whole_picture_need_more(samples, monkeypatch):
    plain, progressive = (encoded(".jpg", samples.rgb8, progressive=value) for value in (False, True))
    monkeypatch.setattr(limits, "free_bytes", lambda: 600 * 3 * 3)
    assert read_picture(plain).width == 30
    with pytest.raises(PictureError, match="are free"):
        read_picture(progressive)


def test_the_default_lets_every_camera_through():
    assert 16 * 9504 * 6336 < DEFAULT_MAX_PIXELS < 65_500**2


@pytest.mark.parametrize("limit", [0, -1, 1.5, "9", None, True])
def test_other_limits_are_refused(samples, limit):
    with pytest.raises(SettingError, match="whole number above 0"):
        read_picture(encoded(".png", samples.rgb8), max_pixels=limit)
