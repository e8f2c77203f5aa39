"""Picture files into arrays."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from deltasr.errors import PictureError
from deltasr.imaging import jpeg, libvips, png, tiff
from deltasr.imaging.alpha import fill_transparent
from deltasr.imaging.assemble import assemble
from deltasr.imaging.colour import CMYK_NOTE, as_8_bits, cmyk_to_srgb
from deltasr.imaging.formats import format_of_content
from deltasr.imaging.picture import Metadata, Picture
from deltasr.imaging.pillow import picture_from_pillow

_BLOBS = ("icc-profile-data", "exif-data", "xmp-data")
_FIELDS = (*_BLOBS, "resolution-unit", "n-pages", "orientation")
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


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF or BMP file; the content decides which it is, not the suffix.

    Palettes and samples of 1 to 4 bits are expanded to 8 bits; 16 bits, grey and alpha stay. CMYK becomes
    sRGB by way of its ICC profile, and the picture then carries sRGB's. The pixels are turned upright by the
    EXIF orientation, which is reset, and the EXIF thumbnail is dropped. Of an animation or a file of several
    pages the first one is read. `Picture.notes` has a sentence for each conversion that loses something.

    The number of pixels has no limit but memory, and a small file can unfold to many: check what strangers
    send.

    Raises:
        PictureError: the file is missing, unreadable, of another format, cut short or damaged, or of a kind
            that is not supported (floating point, 32 bits, more than four channels).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except IsADirectoryError as error:
        raise PictureError(f"{path} is a folder, not a picture file.") from error
    except FileNotFoundError as error:
        raise PictureError(f"{path} does not exist.") from error
    except MemoryError as error:
        raise PictureError(f"{path} states a size that does not fit in memory.") from error
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_rgb8(path: str | os.PathLike[str]) -> np.ndarray:
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


def _read(file: BinaryIO, path: Path) -> Picture:
    head = file.read(16)
    if not head:
        raise PictureError(f"{path} is empty.")
    kind = format_of_content(head)
    if kind is None:
        raise PictureError(f"{path} is not a PNG, JPEG, WebP, TIFF or BMP picture.")
    file.seek(0)
    return _read_by_pillow(file, path) if kind == "bmp" else _read_by_vips(file, path, kind)


def _read_by_vips(file: BinaryIO, path: Path, kind: str) -> Picture:
    pyvips = libvips.load()
    try:
        load = getattr(pyvips.Image, f"{kind}load_source")
        source = pyvips.Source.new_from_descriptor(file.fileno())
        image = load(source, access="sequential", fail_on="error")
        image, notes = _as_grey_or_rgb(image, path)
        fields = {key: image.get(key) for key in _FIELDS if image.get_typeof(key)}
        samples = image.numpy().reshape(image.height, image.width, image.bands)
    except pyvips.Error as error:
        raise PictureError(f"{path} is cut short or damaged ({_diagnosis(error)}).") from error
    icc, exif, xmp = (bytes(fields[key]) if key in fields else None for key in _BLOBS)
    text: dict[str, str] = {}
    resolution = (image.xres, image.yres) if "resolution-unit" in fields else None
    orientation, frames = None, fields.get("n-pages", 1)
    if kind == "png":
        text, resolution, frames = png.read_chunks(file)
    elif kind == "tiff":
        exif, orientation = _tiff_exif(file), fields.get("orientation")
    if frames > 1:
        notes.append(f"Only the first of its {frames} frames or pages was read.")
    metadata = Metadata(icc=icc, exif=exif, xmp=xmp, text=text, resolution=resolution)
    picture = assemble(samples, metadata, orientation=orientation, notes=notes)
    return replace(picture, compression=jpeg.read_compression(file)) if kind == "jpeg" else picture


def _as_grey_or_rgb(image: Any, path: Path) -> tuple[Any, list[str]]:
    """A libvips image as 8 or 16 bit grey or RGB, with or without alpha, and the notes on its conversion."""
    if image.format not in ("uchar", "ushort"):
        samples = _UNSUPPORTED_SAMPLES.get(image.format, image.format)
        raise PictureError(f"{path} has {samples} samples, which are not supported; convert it to 8 or 16 bits first.")
    if image.interpretation == "cmyk" and image.bands in (4, 5):
        colour = cmyk_to_srgb(image[:4])
        return (colour.bandjoin(image[4]) if image.bands == 5 else colour), [CMYK_NOTE]
    if image.bands > 4 or image.interpretation not in _GREY_AND_RGB:
        raise PictureError(
            f"{path} has {image.bands} channels of colour space {image.interpretation}, which are not "
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


def _read_by_pillow(file: BinaryIO, path: Path) -> Picture:
    from PIL import BmpImagePlugin

    try:
        return picture_from_pillow(BmpImagePlugin.BmpImageFile(file))
    except (PictureError, OSError, SyntaxError, ValueError, OverflowError) as error:
        raise PictureError(f"{path} is cut short or damaged ({str(error).rstrip('.')}).") from error
