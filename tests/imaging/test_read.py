from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from deltasr.errors import PictureError
from deltasr.imaging import read_picture, read_rgb8

SUFFIXES = [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif"]


def saved(folder: Path, name: str, array: np.ndarray, **options: object) -> Path:
    path = folder / name
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_lossless_rgb_is_read_exactly(tmp_path, samples, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    picture = read_picture(saved(tmp_path, f"a{suffix}", samples.rgb8, **options))
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert (picture.height, picture.width, picture.bits, picture.alpha) == (20, 30, 8, None)
    assert picture.notes == ()


def test_jpeg_is_decoded_as_pillow_decodes_it(tmp_path, samples):
    path = saved(tmp_path, "a.jpg", samples.rgb8, quality=95, subsampling=0)
    difference = read_picture(path).pixels.astype(int) - np.asarray(Image.open(path)).astype(int)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_grey_stays_one_channel(tmp_path, samples, suffix):
    path = saved(tmp_path, f"a{suffix}", samples.grey8[..., 0], **({"quality": 100} if suffix == ".jpg" else {}))
    picture = read_picture(path)
    assert picture.pixels.shape == (20, 30, 1)
    assert np.abs(picture.pixels.astype(int) - samples.grey8).max() <= (4 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_with_alpha(tmp_path, samples, suffix):
    path = saved(tmp_path, f"a{suffix}", np.dstack((samples.grey8, samples.alpha8)))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, samples.grey8)
    assert np.array_equal(picture.alpha, samples.alpha8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_colour_with_alpha(tmp_path, samples, suffix):
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    path = saved(tmp_path, f"a{suffix}", np.dstack((samples.rgb8, samples.alpha8)), **options)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert np.array_equal(picture.alpha, samples.alpha8)


def test_16_bit_tiff_written_by_tifffile_is_exact(tmp_path, samples):
    tifffile.imwrite(tmp_path / "rgb.tif", samples.rgb16, photometric="rgb")
    tifffile.imwrite(tmp_path / "grey.tif", samples.grey16[..., 0], photometric="minisblack", byteorder=">")
    rgba = np.dstack((samples.rgb16, samples.alpha16))
    tifffile.imwrite(tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(read_picture(tmp_path / "rgb.tif").pixels, samples.rgb16)
    assert np.array_equal(read_picture(tmp_path / "grey.tif").pixels, samples.grey16)
    picture = read_picture(tmp_path / "rgba.tif")
    assert np.array_equal(picture.pixels, samples.rgb16)
    assert np.array_equal(picture.alpha, samples.alpha16)


def test_16_bit_grey_png_written_by_pillow_is_exact(tmp_path, samples):
    assert np.array_equal(read_picture(saved(tmp_path, "a.png", samples.grey16[..., 0])).pixels, samples.grey16)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_palette_is_expanded(tmp_path, samples, suffix):
    image = Image.fromarray(samples.rgb8).quantize(16)
    image.save(tmp_path / f"a{suffix}")
    assert np.array_equal(read_picture(tmp_path / f"a{suffix}").pixels, np.asarray(image.convert("RGB")))


def test_palette_with_transparency(tmp_path, samples):
    image = Image.fromarray(samples.rgb8).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes([0, 128] + [255] * 14))
    picture = read_picture(tmp_path / "a.png")
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))
    assert np.array_equal(picture.pixels, expected[..., :3])
    assert np.array_equal(picture.alpha, expected[..., 3])
    assert {0, 128, 255} == set(np.unique(picture.alpha))


def test_transparent_colour_of_rgb_png(tmp_path, samples):
    key = tuple(int(v) for v in samples.rgb8[3, 4])
    picture = read_picture(saved(tmp_path, "a.png", samples.rgb8, transparency=key))
    assert picture.alpha[3, 4] == 0
    assert picture.alpha[0, 0] == 255


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_one_bit_is_black_and_white(tmp_path, samples, suffix):
    bits = samples.grey8[..., 0] > 100
    picture = read_picture(saved(tmp_path, f"a{suffix}", bits))
    assert np.array_equal(picture.pixels[..., 0], bits * np.uint8(255))


def test_inverted_and_premultiplied_tiff(tmp_path, samples):
    grey = samples.grey8[..., 0]
    tifffile.imwrite(tmp_path / "white.tif", grey, photometric="miniswhite")
    assert np.array_equal(read_picture(tmp_path / "white.tif").pixels[..., 0], 255 - grey)
    half = np.full((20, 30), 128, np.uint8)
    rgba = np.dstack((samples.rgb8 // 2, half))
    tifffile.imwrite(tmp_path / "assoc.tif", rgba, photometric="rgb", extrasamples=["assocalpha"])
    picture = read_picture(tmp_path / "assoc.tif")
    assert np.array_equal(picture.alpha, half)
    assert np.abs(picture.pixels.astype(int) - samples.rgb8).max() <= 2


def cmyk(samples) -> Image.Image:
    return Image.fromarray(np.dstack((samples.rgb8, samples.grey8)), "CMYK")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_srgb_with_a_note(tmp_path, suffix):
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:4, :, 1:3] = 255
    path = tmp_path / f"a{suffix}"
    Image.fromarray(inks, "CMYK").save(path, **({"quality": 100} if suffix == ".jpg" else {}))
    picture = read_picture(path)
    assert any("CMYK" in note for note in picture.notes)
    red, white = picture.pixels[0, 0].astype(int), picture.pixels[7, 7].astype(int)
    assert red[0] > 180
    assert red[1:].max() < 80
    assert white.min() > 250
    assert picture.metadata.icc[16:20] == b"RGB "


def test_cmyk_uses_the_embedded_profile(tmp_path, samples):
    profile = pyvips.Image.black(1, 1, bands=4).copy(interpretation="cmyk")
    profile = bytes(profile.icc_import(input_profile="cmyk", embedded=False).get("icc-profile-data"))
    cmyk(samples).save(tmp_path / "a.jpg", icc_profile=profile, quality=100)
    cmyk(samples).save(tmp_path / "b.jpg", quality=100)
    cmyk(samples).save(tmp_path / "c.jpg", quality=100, icc_profile=b"no profile" * 20)
    with_profile = read_picture(tmp_path / "a.jpg").pixels
    assert np.array_equal(with_profile, read_picture(tmp_path / "b.jpg").pixels)
    assert np.array_equal(with_profile, read_picture(tmp_path / "c.jpg").pixels)


def test_16_bit_cmyk_keeps_its_depth(tmp_path, samples):
    inks = np.dstack((samples.rgb16, samples.grey16))
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    assert read_picture(tmp_path / "a.tif").bits == 16


def test_cmyk_with_alpha(tmp_path, samples):
    inks = np.dstack((samples.rgb8, samples.grey8, samples.alpha8))
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", extrasamples=["unassalpha"])
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixels.shape == (20, 30, 3)
    assert np.array_equal(picture.alpha, samples.alpha8)


def test_gif_is_read_with_its_transparency(tmp_path, samples):
    image = Image.fromarray(samples.rgb8).quantize(16)
    image.save(tmp_path / "a.gif")
    expected = np.asarray(Image.open(tmp_path / "a.gif").convert("RGB"))
    assert np.array_equal(read_picture(tmp_path / "a.gif").pixels, expected)
    image.save(tmp_path / "b.gif", transparency=3)
    picture = read_picture(tmp_path / "b.gif")
    assert np.array_equal(picture.alpha, np.asarray(Image.open(tmp_path / "b.gif").convert("RGBA"))[..., 3])
    assert {0, 255} == set(np.unique(picture.alpha))


def test_first_frame_of_an_animated_gif(tmp_path, samples):
    first, second = (Image.fromarray(array).quantize(16) for array in (samples.rgb8, 255 - samples.rgb8))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    picture = read_picture(tmp_path / "a.gif")
    assert np.array_equal(picture.pixels, np.asarray(Image.open(tmp_path / "a.gif").convert("RGB")))
    assert picture.notes == ("Only the first of its 2 frames or pages was read.",)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_first_frame_of_several(tmp_path, samples, suffix):
    first, second = Image.fromarray(samples.rgb8), Image.fromarray(255 - samples.rgb8)
    options = {"lossless": True} if suffix == ".webp" else {}
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second], **options)
    picture = read_picture(tmp_path / f"a{suffix}")
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert picture.notes == ("Only the first of its 2 frames or pages was read.",)


@pytest.mark.parametrize("kind", ["float32", "uint32", "int16"])
def test_other_sample_types_are_refused_in_a_sentence(tmp_path, samples, kind):
    tifffile.imwrite(tmp_path / "a.tif", samples.rgb8.astype(kind), photometric="rgb")
    with pytest.raises(PictureError, match=r"a\.tif has .* samples, which are not supported; convert it to 8"):
        read_picture(tmp_path / "a.tif")


def test_six_channels_are_refused(tmp_path, samples):
    tifffile.imwrite(tmp_path / "a.tif", np.dstack((samples.rgb8,) * 2), photometric="minisblack", planarconfig=1)
    with pytest.raises(PictureError, match="6 channels"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path, samples, suffix, share, capfd):
    path = saved(tmp_path, f"a{suffix}", np.tile(samples.rgb8, (8, 8, 1)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert "cut short or damaged" in message
    assert capfd.readouterr() == ("", "")


def test_flipped_bits_in_a_png_are_refused(tmp_path, samples):
    path = saved(tmp_path, "a.png", samples.rgb8)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(path)


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"BM", b"RIFF\0\0\0\0WEBP"])
def test_a_signature_alone_is_refused(tmp_path, head):
    (tmp_path / "a.png").write_bytes(head + b"and then nothing of the kind" * 3)
    with pytest.raises(PictureError, match=r"a\.png is cut short or damaged \("):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_random_damage_ends_in_a_picture_or_a_sentence(tmp_path, samples, suffix):
    content = saved(tmp_path, f"a{suffix}", samples.rgb8).read_bytes()
    random = np.random.default_rng(5)
    for _ in range(200):
        damaged = bytearray(content)
        for place in random.integers(0, min(len(content), 400), 4):
            damaged[place] = random.integers(0, 256)
        (tmp_path / "b").write_bytes(damaged)
        with suppress(PictureError):
            read_picture(tmp_path / "b")


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("not a picture at all")
    (tmp_path / "empty.png").touch()
    with pytest.raises(PictureError, match=r"text\.png is not a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC picture"):
        read_picture(tmp_path / "text.png")
    with pytest.raises(PictureError, match=r"empty\.png is empty"):
        read_picture(tmp_path / "empty.png")
    with pytest.raises(PictureError, match=r"missing\.png does not exist"):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_content_decides_not_the_suffix(tmp_path, samples, suffix):
    path = saved(tmp_path, f"a{suffix}", samples.rgb8)
    other = path.rename(tmp_path / ("a.png" if suffix != ".png" else "a.jpg"))
    assert read_picture(other).pixels.shape == (20, 30, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("given_as", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes_and_file_objects_like_the_file(tmp_path, samples, suffix, given_as):
    path = saved(tmp_path, f"a{suffix}", samples.rgb8, dpi=(300, 300))
    expected, picture = read_picture(path), read_picture(given_as(path.read_bytes()))
    assert np.array_equal(picture.pixels, expected.pixels)
    assert picture.metadata == expected.metadata
    with path.open("rb") as file:
        assert np.array_equal(read_picture(file).pixels, expected.pixels)


def test_file_objects_are_read_from_where_they_stand(tmp_path, samples):
    file = io.BytesIO(b"before" + saved(tmp_path, "a.png", samples.rgb8).read_bytes())
    file.seek(6)
    assert np.array_equal(read_picture(file).pixels, samples.rgb8)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_read(tmp_path, samples):
    content = saved(tmp_path, "a.tif", samples.rgb8).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        pool.submit((tmp_path / "pipe").write_bytes, content)
        assert np.array_equal(read_picture(tmp_path / "pipe").pixels, samples.rgb8)


def test_messages_name_the_file_or_the_given_bytes(tmp_path, samples):
    content = saved(tmp_path, "a.png", samples.rgb8).read_bytes()[:-30]
    with pytest.raises(PictureError, match=r"^The picture in the given bytes is cut short or damaged"):
        read_picture(content)
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"b\.png is cut short"), (tmp_path / "b.png").open("rb") as file:
        read_picture(file)
    for empty in (b"", io.BytesIO()):
        with pytest.raises(PictureError, match="given bytes is empty"):
            read_picture(empty)


def test_file_objects_that_give_no_bytes(tmp_path, samples):
    path = saved(tmp_path, "a.png", samples.rgb8)
    with pytest.raises(PictureError, match="binary mode"):
        read_picture(io.StringIO("text"))
    with path.open("rb") as closed:
        pass
    with pytest.raises(PictureError, match="closed file"):
        read_picture(closed)
    with pytest.raises(PictureError, match="not open for reading"), (tmp_path / "b.png").open("wb") as file:
        read_picture(file)
    with pytest.raises(PictureError, match="A float is not a picture"):
        read_picture(1.5)


@pytest.mark.parametrize("path", ["a\0b.png", Path("a\0b.png")])
def test_a_null_byte_in_a_path(path):
    with pytest.raises(PictureError, match=r"'a\\x00b.png' cannot be read: it has a null byte in it"):
        read_picture(path)


def test_names_that_libvips_would_take_apart(tmp_path, samples):
    for name in ("a[page=3].png", "ü 日本.png", "%d.png"):
        assert np.array_equal(read_picture(saved(tmp_path, name, samples.rgb8)).pixels, samples.rgb8)


def test_read_rgb8(tmp_path, samples):
    tifffile.imwrite(tmp_path / "deep.tif", samples.rgb16, photometric="rgb")
    assert np.array_equal(read_rgb8(tmp_path / "deep.tif"), np.rint(samples.rgb16 / 257).astype(np.uint8))
    grey = read_rgb8(saved(tmp_path, "grey.png", samples.grey8[..., 0]))
    assert np.array_equal(grey, np.repeat(samples.grey8, 3, axis=2))
    rgba = np.full((4, 4, 4), 255, np.uint8)
    rgba[0, 0] = 0
    clear = read_rgb8(saved(tmp_path, "clear.png", rgba))
    assert clear.shape == (4, 4, 3)
    assert clear.dtype == np.uint8
    assert (clear == 255).all()


def test_real_pictures_like_pillow(shared):
    paths = sorted((shared / "data" / "eval" / "Set14" / "HR").glob("*.png"))
    assert paths
    for path in paths[:5]:
        assert np.array_equal(read_rgb8(path), np.asarray(Image.open(path).convert("RGB")))
