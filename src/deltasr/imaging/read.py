"""Picture files into arrays."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from deltasr.errors import PictureError, reason
from deltasr.imaging import heif, jpeg, libvips, png, tiff
from deltasr.imaging.alpha import fill_transparent
from deltasr.imaging.assemble import assemble
from deltasr.imaging.colour import CMYK_NOTE, as_8_bits, cmyk_to_srgb
from deltasr.imaging.formats import HEAD_SIZE, READABLE_TITLES, format_of_content
from deltasr.imaging.limits import DEFAULT_MAX_PIXELS, require_decodable, require_possible
from deltasr.imaging.picture import Metadata, Picture
from deltasr.imaging.pillow import picture_from_pillow

_BLOBS = ("icc-profile-data", "exif-data", "xmp-data")
_FIELDS = (*_BLOBS, "resolution-unit", "n-pages", "orientation", "bits-per-sample")
_LOADERS = {"avif": "heif"}
_GREY_AND_RGB = ("b-w", "grey16", "srgb", "rgb16", "rgb", "multiband")
_UNSUPPORTED_SAMPLES = {
    "char": "signed 8-bit",
    "short": "signed 16-bit",
    "int": "signed 32-bit",
    "uint": "32-bit",
    "float": "floating-point",
    "double": "floating-point",
    "complex": "complex",
    "dpcomplex": "complex",
}
_SAMPLE_BYTES = {"uchar": 1, "char": 1, "ushort": 2, "short": 2}
_LARGEST_SAMPLE = 16
_DECODED_AS_A_WHOLE = ("webp", "tiff", "gif", "avif")
"""Formats whose decoder may hold the whole picture, like that of interlaced PNG and progressive JPEG files."""

_PILLOW_BYTES = 8
"""For a pixel: Pillow's own 4, and its pixels as bytes while they become an array."""

_DAMAGE = (OSError, SyntaxError, ValueError, OverflowError)
"""What Pillow raises for files that are damaged."""

PictureSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""What `read_picture` takes."""


def read_picture(source: PictureSource, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC picture; the content decides which it is, not the suffix.

    Palettes and samples of 1 to 4 bits are expanded to 8 bits; 16 bits, grey and alpha stay. CMYK becomes
    sRGB by way of its ICC profile, and the picture then carries sRGB's. The pixels are turned upright by the
    EXIF orientation, which is reset, and the EXIF thumbnail is dropped. Of an animation or a file of several
    pages the first one is read, of a HEIC file of several pictures the main one. HEIC needs pillow-heif (extra
    `heic`). `Picture.notes` has a sentence for each conversion that loses something.

    Args:
        source: a path; the bytes of a file; or a file object opened for reading bytes, which is read from where it
            stands to its end.
        max_pixels: the most pixels that are decoded. The size that the file states is compared with it, and with the
            memory that is free, before anything is decoded.

    Raises:
        PictureError: the file is missing, unreadable, of another format, cut short or damaged, too large for the
            limit or for the free memory, or of a kind that is not supported (floating point, 32 bits, more than
            four channels).
        SettingError: `max_pixels` is no whole number above 0.
    """
    require_possible(max_pixels)
    name = _name(source)
    try:
        with _opened(source) as file:
            return _read(file, name, max_pixels)
    except IsADirectoryError as error:
        raise PictureError(f"{name} is a folder, not a picture file.") from error
    except FileNotFoundError as error:
        raise PictureError(f"{name} does not exist.") from error
    except MemoryError as error:
        raise PictureError(f"{name} states a size that does not fit in memory.") from error
    except OSError as error:
        raise PictureError(f"{name} cannot be read: {error.strerror or reason(error)}.") from error


def _name(source: PictureSource) -> str:
    """The name of a source in messages."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    named = getattr(source, "name", None)
    return named if isinstance(named, str) else "The picture in the given bytes"


@contextmanager
def _opened(source: PictureSource) -> Iterator[BinaryIO]:
    """The source as a file that can be sought, at its beginning."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        if "\0" in path:
            raise PictureError(f"The path {path!r} cannot be read: it has a null byte in it.")
        with Path(path).open("rb") as file:
            yield file if file.seekable() else io.BytesIO(file.read())
    else:
        yield io.BytesIO(_rest_of(source))


def _rest_of(file: BinaryIO) -> bytes:
    name = _name(file)
    if not hasattr(file, "read"):
        raise PictureError(f"A {type(file).__name__} is not a picture; give a path, bytes or a binary file object.")
    try:
        content = file.read()
    except io.UnsupportedOperation as error:
        raise PictureError(f"{name} cannot be read: its file object is not open for reading.") from error
    except ValueError as error:
        raise PictureError(f"{name} cannot be read: {reason(error)}.") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise PictureError(f"{name} cannot be read: its file object gives no bytes; open it in binary mode ('rb').")
    return bytes(content)


def read_rgb8(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB, for training and measuring.

    16 bits are rounded, grey is repeated, alpha is dropped after transparent pixels were given colour. The
    ICC profile is not applied.

    Raises:
        PictureError: as `read_picture`.
    """
    picture = read_picture(path)
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = fill_transparent(pixels, picture.alpha)
    pixels = as_8_bits(pixels)
    return np.repeat(pixels, 3, axis=2) if picture.channels == 1 else pixels


def _read(file: BinaryIO, name: str, max_pixels: int) -> Picture:
    head = file.read(HEAD_SIZE)
    if not head:
        raise PictureError(f"{name} is empty.")
    kind = format_of_content(head)
    if kind is None:
        raise PictureError(f"{name} is not a {READABLE_TITLES} picture.")
    file.seek(0)
    if kind == "bmp":
        return _read_bmp(file, name, max_pixels)
    if kind == "heic":
        return heif.read_heic(file, name, max_pixels)
    return _read_by_vips(file, name, kind, max_pixels)


def _read_by_vips(file: BinaryIO, name: str, kind: str, max_pixels: int) -> Picture:
    pyvips = libvips.load()
    try:
        load = getattr(pyvips.Image, f"{_LOADERS.get(kind, kind)}load_source")
        source = _vips_source(file)
        image = load(source, access="sequential", fail_on="error")
        _require_decodable(image, name, kind, max_pixels)
        image, notes = _as_grey_or_rgb(image, name)
        fields = {key: image.get(key) for key in _FIELDS if image.get_typeof(key)}
        samples = image.numpy().reshape(image.height, image.width, image.bands)
    except pyvips.Error as error:
        raise PictureError(f"{name} is cut short or damaged ({_diagnosis(error)}).") from error
    icc, exif, xmp = (bytes(fields[key]) if key in fields else None for key in _BLOBS)
    text: dict[str, str] = {}
    resolution = (image.xres, image.yres) if "resolution-unit" in fields else None
    orientation, frames = None, fields.get("n-pages", 1)
    if kind == "png":
        text, resolution, frames = png.read_chunks(file)
    elif kind == "tiff":
        exif, orientation = _tiff_exif(file), fields.get("orientation")
    elif kind == "avif":
        samples, orientation = heif.widened(samples, fields["bits-per-sample"]), heif.UPRIGHT
        file.seek(0)
        notes += heif.sequence_notes(file.read(HEAD_SIZE))
    if frames > 1:
        notes.append(f"Only the first of its {frames} frames or pages was read.")
    metadata = Metadata(icc=icc, exif=exif, xmp=xmp, text=text, resolution=resolution)
    picture = assemble(samples, metadata, orientation=orientation, notes=notes)
    return replace(picture, compression=jpeg.read_compression(file)) if kind == "jpeg" else picture


def _vips_source(file: BinaryIO) -> Any:
    pyvips = libvips.load()
    if isinstance(file, io.BytesIO):
        return pyvips.Source.new_from_memory(file.getvalue())
    return pyvips.Source.new_from_descriptor(file.fileno())


def _require_decodable(image: Any, name: str, kind: str, max_pixels: int) -> None:
    """Check an opened libvips image, of which nothing but the header has been read."""
    sample_bytes = _SAMPLE_BYTES.get(image.format, _LARGEST_SAMPLE)
    whole = kind in _DECODED_AS_A_WHOLE or image.get_typeof("interlaced")
    require_decodable(
        name,
        width=image.width,
        height=image.height,
        pixel_bytes=image.bands * sample_bytes,
        max_pixels=max_pixels,
        decoder_bytes=image.bands * max(2, sample_bytes) if whole else 0,
    )


def _as_grey_or_rgb(image: Any, name: str) -> tuple[Any, list[str]]:
    """A libvips image as 8 or 16 bit grey or RGB, with or without alpha, and the notes on its conversion."""
    if image.format not in ("uchar", "ushort"):
        samples = _UNSUPPORTED_SAMPLES.get(image.format, image.format)
        raise PictureError(f"{name} has {samples} samples, which are not supported; convert it to 8 or 16 bits first.")
    if image.interpretation == "cmyk" and image.bands in (4, 5):
        colour = cmyk_to_srgb(image[:4])
        return (colour.bandjoin(image[4]) if image.bands == 5 else colour), [CMYK_NOTE]
    if image.bands > 4 or image.interpretation not in _GREY_AND_RGB:
        raise PictureError(
            f"{name} has {image.bands} channels of colour space {image.interpretation}, which are not "
            "supported; convert it to grey or RGB first."
        )
    return image, []


def _diagnosis(error: Any) -> str:
    """The first line of what libvips reports, without the name of its part that reports it."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return lines[0].split(": ", 1)[-1] if lines else "no reason given"


def _tiff_exif(file: BinaryIO) -> bytes | None:
    try:
        return tiff.read_exif(file)
    except ValueError:
        return None


def _read_bmp(file: BinaryIO, name: str, max_pixels: int) -> Picture:
    from PIL import BmpImagePlugin

    try:
        image = BmpImagePlugin.BmpImageFile(file)
    except _DAMAGE as error:
        raise PictureError(f"{name} is cut short or damaged ({reason(error)}).") from error
    size = {"width": image.width, "height": image.height}
    require_decodable(name, **size, pixel_bytes=3, max_pixels=max_pixels, decoder_bytes=_PILLOW_BYTES)
    try:
        return picture_from_pillow(image)
    except (PictureError, *_DAMAGE) as error:
        raise PictureError(f"{name} is cut short or damaged ({reason(error)}).") from error
