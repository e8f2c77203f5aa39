"""AVIF by libvips, and HEIC by pillow-heif where it is installed."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import pyvips
from PIL import Image, features

from deltasr.errors import PictureError
from deltasr.imaging import exif as exif_block
from deltasr.imaging import picture_from, read_picture

HEIC_HEAD = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf"
TEN_BITS = (np.arange(32 * 48 * 3).reshape(32, 48, 3) % 1024).astype(np.uint16)


def avif(image: Image.Image, **options: object) -> bytes:
    if not features.check("avif"):
        pytest.skip("needs a Pillow that encodes AVIF")
    content = io.BytesIO()
    image.save(content, "AVIF", **options)
    return content.getvalue()


def heic(image: Image.Image, *more: Image.Image, **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif (extra heic)")
    if "HEIF" not in pillow_heif.libheif_info() or not pillow_heif.libheif_info()["HEIF"]:
        pytest.skip("needs a pillow-heif that encodes HEIC")
    file = pillow_heif.from_pillow(image)
    for other in more:
        file.add_from_pillow(other)
    content = io.BytesIO()
    file.save(content, quality=-1, chroma=444, **options)
    return content.getvalue()


ENCODERS = pytest.mark.parametrize("encode", [avif, heic])


@pytest.fixture(scope="module")
def quarters() -> Image.Image:
    """Red, green, blue and white quarters of 48 x 32 pixels."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24, 0] = pixels[:16, 24:, 1] = pixels[16:, :24, 2] = 255
    pixels[16:, 24:] = 255
    return Image.fromarray(pixels)


@ENCODERS
def test_colour_and_alpha(quarters, encode):
    picture = read_picture(encode(quarters))
    assert np.abs(picture.pixels.astype(int) - np.asarray(quarters)).max() <= 24
    assert (picture.alpha, picture.notes, picture.bits) == (None, (), 8)
    quarters = quarters.copy()
    quarters.putalpha(Image.fromarray(np.repeat([[0, 128, 255]], 32, 0).repeat(16, 1).astype(np.uint8)))
    picture = read_picture(encode(quarters))
    assert np.abs(picture.alpha.astype(int) - np.asarray(quarters)[..., 3]).max() <= 6


@ENCODERS
def test_profile_and_exif(quarters, encode, icc):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    image = quarters.copy()
    image.info.update(icc_profile=icc, exif=exif.tobytes())
    options = {"icc_profile": icc, "exif": exif.tobytes()} if encode is avif else {}
    picture = read_picture(encode(image, **options))
    assert picture.metadata.icc == icc
    found = Image.Exif()
    found.load(picture.metadata.exif)
    assert found[0x010F] == "Maker"


def test_an_avif_that_is_turned_is_turned_once(quarters):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(avif(quarters, exif=exif))
    upright = np.asarray(quarters.transpose(Image.Transpose.ROTATE_270), int)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels - upright).max() <= 24


def test_the_orientation_in_the_exif_data_of_a_heic_is_not_applied_again(quarters):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif (extra heic)")
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    heif = pillow_heif.from_pillow(quarters)
    heif.info["exif"] = exif.tobytes()
    heif.save(content, quality=-1, chroma=444)
    picture = read_picture(content.getvalue())
    assert picture.metadata.exif is None or exif_block.orientation(picture.metadata.exif) == 1
    opened = pillow_heif.open_heif(io.BytesIO(content.getvalue()))
    assert np.array_equal(picture.pixels, np.asarray(opened))


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_covers_the_range(bits):
    samples = (TEN_BITS << 6) if bits == 10 else (TEN_BITS << 6 | 0x30)
    image = pyvips.Image.new_from_array(samples).copy(interpretation="rgb16")
    content = image.heifsave_buffer(compression="av1", lossless=True, bitdepth=bits)
    expected = pyvips.Image.heifload_buffer(content).numpy().astype(int) >> (16 - bits)
    picture = read_picture(content)
    assert picture.bits == 16
    assert np.abs(picture.pixels - expected * (65535 / (2**bits - 1))).max() <= 1
    assert picture.pixels.max() == 65535


def test_deep_heic_covers_the_range():
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif (extra heic)")
    samples = (TEN_BITS.astype(np.uint32) * 65535 // 1023).astype(np.uint16)
    content = io.BytesIO()
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(48, 32), data=samples.tobytes())
    deep.save(content, quality=-1, chroma=444)
    picture = read_picture(content.getvalue())
    assert picture.bits == 16
    assert picture.pixels.max() == 65535
    assert np.abs(picture.pixels.astype(int) - samples).mean() < 100


def test_several_pictures_are_told(quarters):
    content = heic(quarters, Image.new("RGB", (48, 32)))
    assert read_picture(content).notes == ("Only the main one of its 2 pictures was read.",)


def test_an_animation_is_told(quarters):
    content = avif(quarters, save_all=True, append_images=[Image.new("RGB", (48, 32))])
    picture = read_picture(content)
    assert picture.notes == ("Only the first of its frames was read.",)
    assert np.abs(picture.pixels.astype(int) - np.asarray(quarters)).max() <= 24


@ENCODERS
def test_damage_is_told(quarters, encode):
    content = encode(quarters)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(PictureError, match="is cut short or damaged"):
            read_picture(content[: int(len(content) * share)])


@ENCODERS
def test_the_limit_holds(quarters, encode):
    with pytest.raises(PictureError, match="48 x 32 pixels, 1,536 in all"):
        read_picture(encode(quarters), max_pixels=1535)


def test_without_pillow_heif_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(HEIC_HEAD + bytes(100))
    with pytest.raises(PictureError, match=r"a\.heic is a HEIC picture, which needs .* pip install -e '\.\[heic\]'"):
        picture_from(tmp_path / "a.heic")
