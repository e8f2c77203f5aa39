"""Files that were cut, flipped or pieced together end in a picture or in one sentence, whatever they hold."""

from __future__ import annotations

import io
import re
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image

from deltasr.errors import PictureError
from deltasr.imaging import Picture, read_picture

EACH = 40


def encoded(name: str, image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, name, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def whole(samples, xmp, icc) -> dict[str, bytes]:
    """A good file of each format, with all the metadata that it takes."""
    colour = Image.fromarray(np.tile(samples.rgb8, (3, 3, 1)))
    clear = Image.fromarray(np.dstack((samples.rgb8, samples.alpha8)))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    several = {"save_all": True, "append_images": [Image.fromarray(255 - samples.rgb8)]}
    deep = pyvips.Image.new_from_array(samples.rgb16).copy(interpretation="rgb16")
    return {
        "png": encoded("PNG", clear, exif=exif, icc_profile=icc),
        "interlaced png": deep.pngsave_buffer(interlace=True),
        "palette png": encoded("PNG", colour.quantize(16)),
        "jpeg": encoded("JPEG", colour, exif=exif, icc_profile=icc, xmp=xmp),
        "progressive jpeg": encoded("JPEG", colour, progressive=True, subsampling=2),
        "cmyk jpeg": encoded("JPEG", colour.convert("CMYK")),
        "webp": encoded("WEBP", clear, exif=exif, icc_profile=icc, xmp=xmp),
        "lossless webp": encoded("WEBP", clear, lossless=True),
        "animated webp": encoded("WEBP", Image.fromarray(samples.rgb8), **several),
        "tiff": encoded("TIFF", colour, tiffinfo={0x010F: "Maker"}, icc_profile=icc),
        "deflate tiff": deep.tiffsave_buffer(compression="deflate", tile=True, tile_width=16, tile_height=16),
        "jpeg tiff": encoded("TIFF", colour, compression="jpeg"),
        "bmp": encoded("BMP", colour),
        "palette bmp": encoded("BMP", colour.quantize(16)),
        "gif": encoded("GIF", colour.quantize(16)),
        "animated gif": encoded("GIF", Image.fromarray(samples.rgb8).quantize(16), **several),
        "avif": deep.heifsave_buffer(compression="av1", bitdepth=10),
    }


def mutated(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """`content` with one kind of damage, often in its first bytes, where the headers are."""
    damaged = bytearray(content)
    reach = int(random.choice([32, 128, len(content)]))

    def place() -> int:
        return int(random.integers(0, min(reach, len(damaged))))

    match random.integers(0, 7):
        case 0:
            del damaged[place() :]
        case 1:
            for _ in range(random.integers(1, 9)):
                damaged[place()] ^= 1 << int(random.integers(0, 8))
        case 2:
            for _ in range(random.integers(1, 5)):
                damaged[place()] = int(random.choice([0, 1, 127, 128, 255]))
        case 3:
            start, size = place(), int(random.choice([2, 4]))
            damaged[start : start + size] = random.choice([b"\xff", b"\x7f", b"\0"]) * size
        case 4:
            damaged = damaged[: place()] + bytearray(other[int(random.integers(0, len(other))) :])
        case 5:
            start, size = place(), int(random.integers(1, 64))
            del damaged[start : start + size]
        case _:
            start = place()
            damaged[start:start] = damaged[start : start + int(random.integers(1, 64))]
    return bytes(damaged)


def test_the_good_files_are_good(whole):
    for name, content in whole.items():
        assert isinstance(read_picture(content), Picture), name


@pytest.mark.filterwarnings("error")
def test_damage_ends_in_a_picture_or_a_sentence(whole, capfd):
    names = list(whole)
    sentences = []
    for name in names:
        random = np.random.default_rng(zlib.crc32(name.encode()))
        for _ in range(EACH):
            content = mutated(whole[name], whole[names[random.integers(0, len(names))]], random)
            try:
                assert read_picture(content, max_pixels=1 << 22).pixels.size > 0
            except PictureError as error:
                sentences.append(str(error))
    assert len(sentences) > EACH * len(names) // 4
    assert [text for text in sentences if not re.fullmatch(r"The picture in the given bytes .*\.", text)] == []
    assert capfd.readouterr() == ("", "")
