"""What files say about their pixels, through a read and a write, checked with Pillow and tifffile."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from deltasr.errors import PictureError
from deltasr.imaging import Metadata, Picture, ifd, picture_from, png, read_picture, write_picture
from deltasr.imaging import exif as exif_block

FORMATS = [".png", ".jpg", ".webp", ".tif"]
DPI = (300, 150)


@pytest.fixture
def make(tmp_path, samples, icc, xmp, exif):
    """Writes the same picture with the same metadata in each format, by Pillow."""

    def write(suffix: str):
        path = tmp_path / f"source{suffix}"
        image = Image.fromarray(samples.rgb8)
        if suffix == ".png":
            text = PngImagePlugin.PngInfo()
            text.add_itxt("XML:com.adobe.xmp", xmp.decode())
            image.save(path, exif=exif, icc_profile=icc, dpi=DPI, pnginfo=text)
        elif suffix == ".tif":
            tiffinfo = dict(exif) | {700: xmp, 0x8769: dict(exif.get_ifd(0x8769)), 0x8825: exif.get_ifd(0x8825)}
            image.save(path, tiffinfo=tiffinfo, icc_profile=icc, dpi=DPI)
        else:
            image.save(path, exif=exif, icc_profile=icc, xmp=xmp, **({"dpi": DPI} if suffix == ".jpg" else {}))
        return path

    return write


def pillow_exif(path):
    exif = Image.open(path).getexif()
    return dict(exif), dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825))


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_profile_exif_and_xmp_from_any_format_to_any(tmp_path, make, icc, xmp, source, target):
    picture = read_picture(make(source))
    assert picture.notes == ()
    large = Picture(pixels=picture.pixels.repeat(2, 0).repeat(2, 1), metadata=picture.metadata)
    path = tmp_path / f"target{target}"
    assert write_picture(large, path) == []
    image = Image.open(path)
    assert image.info["icc_profile"] == icc
    assert (image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()) == xmp
    outer, inner, place = pillow_exif(path)
    assert outer.get(0x0112, 1) == 1
    assert (outer[0x010F], outer[0x0132], outer[0x8298]) == ("Maker", "2020:01:02 03:04:05", "Anna")
    assert (inner[0xA002], inner[0xA003]) == (40, 60)
    assert inner[0x927C] == b"MAKERNOTE\0\1\2\3"
    assert inner[0x9286] == b"ASCII\0\0\0a comment"
    assert float(inner[0x829A]) == 1 / 250
    assert place[1] == "N"
    assert [float(v) for v in place[2]] == [51.0, 30.0, 12.5]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_resolution_turns_with_the_picture_and_is_carried_over(tmp_path, make, suffix):
    picture = read_picture(make(suffix))
    assert picture.metadata.resolution == pytest.approx((150 / 25.4, 300 / 25.4), rel=1e-3)
    for target in (".png", ".jpg", ".tif", ".bmp"):
        write_picture(picture, tmp_path / f"b{target}")
        assert Image.open(tmp_path / f"b{target}").info["dpi"] == pytest.approx((150, 300), rel=1e-3)


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_resolution_is_invented(tmp_path, samples, suffix):
    Image.fromarray(samples.rgb8).save(tmp_path / f"a{suffix}")
    picture = read_picture(tmp_path / f"a{suffix}")
    assert picture.metadata == Metadata()
    write_picture(picture, tmp_path / f"b{suffix}")
    image = Image.open(tmp_path / f"b{suffix}")
    assert image.info.get("dpi") in (None, (1, 1))
    assert not image.getexif() or suffix == ".tif"
    assert read_picture(tmp_path / f"b{suffix}").metadata == Metadata()
    if suffix == ".tif":
        assert tifffile.TiffFile(tmp_path / "b.tif").pages[0].tags["ResolutionUnit"].value == 1


@pytest.mark.parametrize("suffix", [*FORMATS, ".bmp"])
def test_strip_leaves_nothing(tmp_path, make, suffix):
    picture = read_picture(make(".png"))
    assert write_picture(picture, tmp_path / f"b{suffix}", strip=True) == []
    assert read_picture(tmp_path / f"b{suffix}").metadata == Metadata(
        resolution=read_picture(tmp_path / f"b{suffix}").metadata.resolution if suffix == ".bmp" else None
    )


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_orientation_is_applied_and_reset(tmp_path, samples, suffix, orientation):
    image = Image.fromarray(samples.rgb8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {
        ".png": {"exif": exif},
        ".jpg": {"exif": exif, "quality": 100, "subsampling": 0},
        ".webp": {"exif": exif, "lossless": True},
        ".tif": {"tiffinfo": {0x0112: orientation}},
    }
    image.save(tmp_path / f"a{suffix}", **options[suffix])
    picture = read_picture(tmp_path / f"a{suffix}")
    turn = TURNS[orientation]
    upright = np.asarray(image if turn is None else image.transpose(turn), int)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels - upright).max() <= (6 if suffix == ".jpg" else 0)
    write_picture(picture, tmp_path / f"b{suffix}", quality=100)
    assert Image.open(tmp_path / f"b{suffix}").getexif().get(0x0112, 1) == 1
    assert np.abs(read_picture(tmp_path / f"b{suffix}").pixels - upright).max() <= (8 if suffix == ".jpg" else 0)


def test_alpha_turns_with_the_pixels(tmp_path, samples):
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.dstack((samples.rgb8, samples.alpha8))
    Image.fromarray(rgba).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png").alpha, np.rot90(samples.alpha8, -1))


def test_orientation_and_sizes_in_xmp(tmp_path, samples):
    packet = b'<a tiff:Orientation="6" exif:PixelXDimension="30" x="30"><tiff:ImageLength>20</tiff:ImageLength></a>'
    Image.fromarray(samples.rgb8).save(tmp_path / "a.jpg", xmp=packet)
    picture = read_picture(tmp_path / "a.jpg")
    assert b'tiff:Orientation="1"' in picture.metadata.xmp
    large = Picture(pixels=np.zeros((80, 120, 3), np.uint8), metadata=picture.metadata)
    write_picture(large, tmp_path / "b.webp")
    expected = b'<a tiff:Orientation="1" exif:PixelXDimension="120" x="30"><tiff:ImageLength>80</tiff:ImageLength></a>'
    assert Image.open(tmp_path / "b.webp").info["xmp"] == expected


def test_png_text_of_every_kind(tmp_path, samples):
    text = PngImagePlugin.PngInfo()
    text.add_text("Titel für", "Wörter in Latin-1")
    text.add_text("Long", "z" * 5000, zip=True)
    text.add_itxt("Author", "日本語", "ja", "著者")
    text.add_itxt("Packed", "ж" * 5000, zip=True)
    Image.fromarray(samples.rgb8).save(tmp_path / "a.png", pnginfo=text)
    expected = {"Titel für": "Wörter in Latin-1", "Long": "z" * 5000, "Author": "日本語", "Packed": "ж" * 5000}
    picture = read_picture(tmp_path / "a.png")
    assert picture.metadata.text == expected
    write_picture(picture, tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").text == expected


def test_text_behind_the_pixels_and_keywords_given_twice(tmp_path, samples):
    text = PngImagePlugin.PngInfo()
    text.add(b"tEXt", b"Comment\0first")
    text.add(b"tEXt", b"Comment\0second", after_idat=True)
    text.add(b"zTXt", b"Broken\0\0not deflate")
    Image.fromarray(samples.rgb8).save(tmp_path / "a.png", pnginfo=text)
    assert read_picture(tmp_path / "a.png").metadata.text == {"Comment": "first\nsecond"}


def test_compressed_texts_do_not_unfold_without_end(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(png, "_LONGEST_TEXT", 1000)
    text = PngImagePlugin.PngInfo()
    for key in ("First", "Second", "Third"):
        text.add_text(key, key[0] * 600, zip=True)
    Image.fromarray(samples.rgb8).save(tmp_path / "a.png", pnginfo=text)
    assert read_picture(tmp_path / "a.png").metadata.text == {"First": "F" * 600}


def test_what_a_format_cannot_hold_is_told(tmp_path, samples, icc, xmp, exif):
    metadata = Metadata(icc=icc, xmp=xmp, exif=exif_block.block(exif.tobytes()), text={"Title": "x"})
    picture = Picture(pixels=samples.rgb8, metadata=metadata)
    assert write_picture(picture, tmp_path / "a.jpg") == ["JPEG cannot hold the text of Title."]
    assert write_picture(picture, tmp_path / "a.bmp") == [
        "BMP cannot hold the ICC profile.",
        "BMP cannot hold the EXIF data.",
        "BMP cannot hold the XMP packet.",
        "BMP cannot hold the text of Title.",
    ]
    large = Metadata(xmp=b"x" * 70_000, exif=metadata.exif + b"\0" * 70_000, text={"日本": "x"})
    picture = Picture(pixels=samples.rgb8, metadata=large)
    assert len(write_picture(picture, tmp_path / "b.jpg")) == 3
    assert write_picture(picture, tmp_path / "b.png") == ["PNG cannot hold the text of 日本."]
    assert read_picture(tmp_path / "b.png").metadata.xmp == large.xmp


def test_profiles_of_other_colour_spaces_are_left_out(tmp_path, samples, icc):
    grey_profile = icc[:16] + b"GRAY" + icc[20:]
    colour = Picture(pixels=samples.rgb8, metadata=Metadata(icc=grey_profile))
    grey = Picture(pixels=samples.grey8, metadata=Metadata(icc=grey_profile))
    for picture, name in ((colour, "a.png"), (grey, "a.webp")):
        assert "ICC profile" in write_picture(picture, tmp_path / name)[0]
        assert "icc_profile" not in Image.open(tmp_path / name).info
    assert write_picture(grey, tmp_path / "b.png") == []
    assert Image.open(tmp_path / "b.png").info["icc_profile"] == grey_profile


def test_a_long_profile_is_split_over_jpeg_segments(tmp_path, samples, icc):
    long = icc + bytes(np.random.default_rng(0).integers(0, 256, 200_000, np.uint8))
    write_picture(Picture(pixels=samples.rgb8, metadata=Metadata(icc=long)), tmp_path / "a.jpg")
    assert Image.open(tmp_path / "a.jpg").info["icc_profile"] == long
    assert read_picture(tmp_path / "a.jpg").metadata.icc == long


def with_thumbnail(order: str) -> bytes:
    """An EXIF block with orientation 8 and a second directory that holds a thumbnail, by hand."""
    first = struct.pack(order + "HHHIHH", 1, 0x0112, 3, 1, 8, 0) + struct.pack(order + "I", 26)
    second = struct.pack(order + "HHHII", 2, 0x0201, 4, 1, 56) + struct.pack(order + "HHII", 0x0202, 4, 1, 9)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + first + second + struct.pack(order + "I", 0) + b"THUMBNAIL"


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_is_dropped(order):
    block = with_thumbnail(order)
    assert exif_block.orientation(block) == 8
    upright = exif_block.upright(block)
    assert exif_block.orientation(upright) == 1
    assert b"THUMBNAIL" not in upright
    exif = Image.Exif()
    exif.load(upright)
    assert dict(exif) == {0x0112: 1}
    assert exif.get_ifd(1) == {}


def test_damaged_exif_is_left_out_with_a_note(tmp_path, samples):
    Image.fromarray(samples.rgb8).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\0\0")
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.metadata.exif is None
    assert "EXIF data are damaged" in picture.notes[0]
    broken = Picture(pixels=samples.rgb8, metadata=Metadata(exif=b"nonsense"))
    assert "damaged" in write_picture(broken, tmp_path / "b.png")[0]


def test_wide_pictures_do_not_overflow_the_size_tags(exif):
    sized = exif_block.sized(exif_block.block(exif.tobytes()), 70_000, 80_000)
    again = Image.Exif()
    again.load(sized)
    assert (again.get_ifd(0x8769)[0xA002], again.get_ifd(0x8769)[0xA003]) == (70_000, 80_000)


def test_places_beyond_any_file_are_damage():
    with pytest.raises(ValueError, match="ends early"):
        ifd.read(io.BytesIO(b"II+\0\x08\0\0\0" + b"\xff" * 8))
    with pytest.raises(ValueError, match="BigTIFF"):
        exif_block.upright(b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + b"\0" * 16)


def test_random_damage_to_exif_never_escapes(exif):
    random = np.random.default_rng(3)
    block = exif_block.block(exif.tobytes())
    for _ in range(5000):
        damaged = bytearray(block[: random.integers(1, len(block) + 1)])
        for place in random.integers(0, len(damaged), 3):
            damaged[place] = random.integers(0, 256)
        try:
            exif_block.orientation(bytes(damaged))
            exif_block.sized(exif_block.upright(bytes(damaged)), 100, 100)
        except ValueError:
            continue


def test_bigtiff_directories_are_read(tmp_path, samples):
    tifffile.imwrite(tmp_path / "a.tif", samples.rgb8, photometric="rgb", bigtiff=True, software="Someone's")
    _, directory = ifd.read(io.BytesIO((tmp_path / "a.tif").read_bytes()))
    assert directory.tags[0x0131].data == b"Someone's\0"
    exif = Image.Exif()
    exif.load(read_picture(tmp_path / "a.tif").metadata.exif)
    assert exif[0x0131] == "Someone's"


def exif_tags(block: bytes) -> tuple[object, ...]:
    exif = Image.Exif()
    exif.load(block)
    directories = exif, exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    return tuple({tag: value for tag, value in d.items() if tag not in ifd.POINTERS} for d in directories)


def test_pictures_from_pillow_keep_their_metadata(make, icc, xmp):
    for suffix in FORMATS:
        path = make(suffix)
        picture = picture_from(Image.open(path))
        from_file = read_picture(path)
        assert picture.metadata.icc == icc
        assert exif_block.orientation(picture.metadata.exif) == 1
        if suffix == ".tif":  # Pillow turns it on loading, and takes the orientation out of XMP
            assert exif_tags(picture.metadata.exif) == exif_tags(from_file.metadata.exif)
        else:
            assert picture.metadata.exif == from_file.metadata.exif
            assert picture.metadata.xmp == xmp
            assert np.abs(picture.pixels.astype(int) - from_file.pixels).max() <= 2


def test_turned_tiff_from_pillow(make):
    path = make(".tif")
    assert picture_from(Image.open(path)).pixels.shape == read_picture(path).pixels.shape == (30, 20, 3)


def test_profile_is_understood_by_a_colour_engine(tmp_path, make):
    write_picture(read_picture(make(".png")), tmp_path / "a.png")
    profile = Image.open(tmp_path / "a.png").info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))


def test_pictures_of_wrong_shape_are_refused(samples):
    with pytest.raises(PictureError, match="no picture"):
        Picture(pixels=samples.rgb8[..., :2])
    with pytest.raises(PictureError, match="uint8 or uint16"):
        Picture(pixels=samples.rgb8.astype(np.float32))
    with pytest.raises(PictureError, match="Alpha of shape"):
        Picture(pixels=samples.rgb8, alpha=samples.alpha16)
