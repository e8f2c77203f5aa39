from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from deltasr.errors import PictureError, SettingError
from deltasr.imaging import WRITABLE_FORMATS, Metadata, Picture, encode, encode_picture, read_picture, write_picture

NAMES = [f"a{suffix}" for suffix in WRITABLE_FORMATS.values()]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_rgb_is_written_exactly(tmp_path, samples, suffix):
    notes = write_picture(Picture(pixels=samples.rgb8), tmp_path / f"a{suffix}")
    assert notes == []
    image = Image.open(tmp_path / f"a{suffix}")
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), samples.rgb8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg"])
def test_grey_stays_grey(tmp_path, samples, suffix):
    write_picture(Picture(pixels=samples.grey8), tmp_path / f"a{suffix}", quality=None)
    image = Image.open(tmp_path / f"a{suffix}")
    assert image.mode == "L"
    assert np.abs(np.asarray(image, int) - samples.grey8[..., 0]).max() <= (20 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_written_exactly(tmp_path, samples, suffix):
    write_picture(Picture(pixels=samples.rgb8, alpha=samples.alpha8), tmp_path / f"c{suffix}")
    write_picture(Picture(pixels=samples.grey8, alpha=samples.alpha8), tmp_path / f"g{suffix}")
    colour, grey = Image.open(tmp_path / f"c{suffix}"), Image.open(tmp_path / f"g{suffix}")
    assert (colour.mode, grey.mode) == ("RGBA", "LA")
    assert np.array_equal(np.asarray(colour), np.dstack((samples.rgb8, samples.alpha8)))
    assert np.array_equal(np.asarray(grey), np.dstack((samples.grey8, samples.alpha8)))


def test_webp_is_lossless_at_100_and_close_at_95(tmp_path, samples):
    picture = Picture(pixels=samples.rgb8, alpha=samples.alpha8)
    write_picture(picture, tmp_path / "a.webp", quality=100)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.webp")), np.dstack((samples.rgb8, samples.alpha8)))
    write_picture(picture, tmp_path / "b.webp")
    lossy = np.asarray(Image.open(tmp_path / "b.webp"))
    assert np.array_equal(lossy[..., 3], samples.alpha8)
    assert (tmp_path / "b.webp").stat().st_size < (tmp_path / "a.webp").stat().st_size
    write_picture(Picture(pixels=samples.grey8), tmp_path / "g.webp", quality=100)
    grey = np.asarray(Image.open(tmp_path / "g.webp"))
    assert np.array_equal(grey, np.repeat(samples.grey8, 3, axis=2))


def test_16_bit_tiff_is_exact_for_tifffile(tmp_path, samples):
    write_picture(Picture(pixels=samples.rgb16), tmp_path / "rgb.tif")
    write_picture(Picture(pixels=samples.rgb16, alpha=samples.alpha16), tmp_path / "rgba.tif")
    write_picture(Picture(pixels=samples.grey16), tmp_path / "grey.tif")
    write_picture(Picture(pixels=samples.grey16, alpha=samples.alpha16), tmp_path / "la.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "rgb.tif"), samples.rgb16)
    assert np.array_equal(tifffile.imread(tmp_path / "rgba.tif"), np.dstack((samples.rgb16, samples.alpha16)))
    assert np.array_equal(tifffile.imread(tmp_path / "grey.tif"), samples.grey16[..., 0])
    assert np.array_equal(tifffile.imread(tmp_path / "la.tif"), np.dstack((samples.grey16, samples.alpha16)))


def test_16_bit_png_is_exact(tmp_path, samples):
    write_picture(Picture(pixels=samples.grey16), tmp_path / "grey.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "grey.png")), samples.grey16[..., 0])
    picture = Picture(pixels=samples.rgb16, alpha=samples.alpha16)
    write_picture(picture, tmp_path / "rgba.png")
    assert np.array_equal(unfiltered_png(tmp_path / "rgba.png", 4), np.dstack((samples.rgb16, samples.alpha16)))
    again = read_picture(tmp_path / "rgba.png")
    assert np.array_equal(again.pixels, samples.rgb16)
    assert np.array_equal(again.alpha, samples.alpha16)


def unfiltered_png(path: Path, channels: int) -> np.ndarray:
    """A 16-bit PNG decoded by the rules of its specification (section 9), since Pillow cuts it to 8 bits."""
    import zlib

    content = path.read_bytes()
    width, height, depth = *np.frombuffer(content[16:24], ">u4"), content[24]
    assert depth == 16
    data, position = b"", 8
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        if content[position + 4 : position + 8] == b"IDAT":
            data += content[position + 8 : position + 8 + size]
        position += size + 12
    step = 2 * channels
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + step * width).astype(int)
    result = np.zeros((height + 1, step * (width + 1)), int)
    for y, line in enumerate(lines, start=1):
        for x in range(step, step * (width + 1)):
            left, up, corner = result[y, x - step], result[y - 1, x], result[y - 1, x - step]
            paeth = min((left, up, corner), key=lambda v: abs(left + up - corner - v))
            predicted = (0, left, up, (left + up) // 2, paeth)[line[0]]
            result[y, x] = (line[1 + x - step] + predicted) % 256
    pixels = result[1:, step:].astype(np.uint8).reshape(height, width, channels, 2)
    return np.ascontiguousarray(pixels).view(">u2")[..., 0].astype(np.uint16)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
def test_16_bits_are_rounded_where_8_is_all(tmp_path, samples, suffix):
    notes = write_picture(Picture(pixels=samples.rgb16), tmp_path / f"a{suffix}", quality=100)
    assert any("16 bits were rounded" in note for note in notes)
    difference = np.asarray(Image.open(tmp_path / f"a{suffix}"), int) - np.rint(samples.rgb16 / 257)
    assert np.abs(difference).max() <= (4 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_those_of_the_file(tmp_path, samples, icc, name):
    metadata = Metadata(icc=icc, resolution=(10, 10))
    picture = Picture(pixels=samples.rgb8, alpha=samples.alpha8, metadata=metadata)
    lost = write_picture(picture, tmp_path / name, quality=90)
    expected = (tmp_path / name).read_bytes()
    assert encode_picture(picture, name[1:], quality=90) == expected
    file = io.BytesIO(b"before")
    file.seek(6)
    assert write_picture(picture, file, format=name[1:], quality=90) == lost
    assert file.getvalue() == b"before" + expected
    assert encode_picture(picture, name[1:], strip=True) != expected


def test_output_that_takes_no_more_is_told(samples):
    class Full(io.BytesIO):
        name = "<stdout>"

        def flush(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(PictureError, match="<stdout> cannot be written: No space left on device"):
        write_picture(Picture(pixels=samples.rgb8), Full(), format="webp")
    with pytest.raises(SettingError, match="no suffix to name a format"):
        write_picture(Picture(pixels=samples.rgb8), io.BytesIO())
    with pytest.raises(SettingError, match="quality"):
        encode_picture(Picture(pixels=samples.rgb8), "jpg", quality=0)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparency_is_laid_on_white(tmp_path, suffix):
    pixels = np.full((16, 16, 3), (200, 0, 0), np.uint8)
    alpha = np.zeros((16, 16), np.uint8)
    alpha[8:] = 255
    notes = write_picture(Picture(pixels=pixels, alpha=alpha), tmp_path / f"a{suffix}")
    assert any("laid on white" in note for note in notes)
    result = np.asarray(Image.open(tmp_path / f"a{suffix}").convert("RGB"), int)
    assert np.abs(result[0, 0] - 255).max() <= 3
    assert np.abs(result[15, 15] - (200, 0, 0)).max() <= 6
    opaque = np.full((16, 16), 255, np.uint8)
    assert write_picture(Picture(pixels=pixels, alpha=opaque), tmp_path / f"b{suffix}") == []


def test_jpeg_keeps_chroma_and_follows_quality(tmp_path, samples):
    sizes = []
    for quality in (30, None, 100):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.jpg", quality=quality)
        sizes.append((tmp_path / "a.jpg").stat().st_size)
        assert all(layer[1:3] == (1, 1) for layer in Image.open(tmp_path / "a.jpg").layer)
    assert sizes == sorted(sizes)


def test_quality_without_effect_is_told(tmp_path, samples):
    notes = write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.png", quality=50)
    assert notes == ["PNG is lossless: the quality setting has no effect."]


def test_format_overrules_the_suffix(tmp_path, samples):
    for name, expected in (("png", "PNG"), ("JPG", "JPEG"), (".tiff", "TIFF"), ("webp", "WEBP"), ("bmp", "BMP")):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.xyz", format=name)
        assert Image.open(tmp_path / "a.xyz").format == expected


@pytest.mark.parametrize("settings", [{"format": "gif"}, {"quality": 0}, {"quality": 101}])
def test_settings_out_of_range(tmp_path, samples, settings):
    with pytest.raises(SettingError):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.png", **settings)
    with pytest.raises(SettingError, match="suffix"):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_too_large_for_the_format(tmp_path):
    picture = Picture(pixels=np.zeros((1, 17_000, 3), np.uint8))
    with pytest.raises(PictureError, match="WebP holds at most 16383 pixels a side"):
        write_picture(picture, tmp_path / "a.webp")
    write_picture(picture, tmp_path / "a.png")


@pytest.mark.parametrize("name", NAMES)
def test_same_picture_same_bytes(tmp_path, samples, name):
    picture = Picture(pixels=samples.rgb8, alpha=samples.alpha8)
    write_picture(picture, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    write_picture(picture, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


def test_arrays_that_are_views(tmp_path, samples):
    flipped = samples.rgb8[::-1, ::2]
    for name in ("a.png", "a.tif", "a.bmp"):
        write_picture(Picture(pixels=flipped, alpha=None), tmp_path / name)
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), flipped)


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_midway_leaves_nothing(tmp_path, samples, name, monkeypatch):
    (tmp_path / name).write_bytes(b"the old file")

    def fails(picture, file, quality):
        file.write(b"half a pic")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(encode.ENCODERS, {".jpg": "jpeg", ".tif": "tiff"}.get(name[1:], name[2:]), fails)
    with pytest.raises(PictureError, match="cannot be written: No space left on device"):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"the old file"


def test_an_interrupt_leaves_nothing(tmp_path, samples, monkeypatch):
    def interrupted(picture, file, quality):
        raise KeyboardInterrupt

    monkeypatch.setitem(encode.ENCODERS, "png", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_told_in_a_sentence(tmp_path, name, capfd):
    resource = pytest.importorskip("resource", reason="needs a limit on file sizes")
    import signal

    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(PictureError) as caught:
            write_picture(Picture(pixels=noise), tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert f"{name} cannot be written: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", NAMES)
def test_an_output_that_is_full_is_told(tmp_path, name, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(PictureError, match="cannot be written: No space left on device"):
        write_picture(Picture(pixels=noise), tmp_path / name)
    assert (tmp_path / name).is_symlink()
    assert capfd.readouterr() == ("", "")


def test_missing_and_wrong_folders(tmp_path, samples):
    picture = Picture(pixels=samples.rgb8)
    with pytest.raises(PictureError, match=r"the folder .* does not exist"):
        write_picture(picture, tmp_path / "missing" / "a.png")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(PictureError, match="it is a folder"):
        write_picture(picture, tmp_path / "a.png")


def test_unwritable_folder(tmp_path, samples, monkeypatch):
    def denied(self, mode="r", **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root may write everywhere, so that chmod alone proves nothing
    with pytest.raises(PictureError, match=r"a\.png cannot be written: Permission denied"):
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.png")


@pytest.mark.skipif(os.name == "nt", reason="file modes are POSIX's")
def test_the_mode_follows_the_umask(tmp_path, samples):
    before = os.umask(0o027)
    try:
        write_picture(Picture(pixels=samples.rgb8), tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_single_pixel(tmp_path, name, channels):
    pixels = np.full((1, 1, channels), 137, np.uint8)
    write_picture(Picture(pixels=pixels), tmp_path / name)
    assert np.abs(read_picture(tmp_path / name).pixels.astype(int) - 137).max() <= 2
