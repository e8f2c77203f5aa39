"""Pillow images into pictures."""

from __future__ import annotations

import io
import math
import struct
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltasr.errors import PictureError, reason
from deltasr.imaging import exif as exif_block
from deltasr.imaging import jpeg, libvips, tiff
from deltasr.imaging.assemble import assemble
from deltasr.imaging.colour import CMYK_NOTE, cmyk_to_srgb
from deltasr.imaging.picture import Metadata, Picture

if TYPE_CHECKING:
    from PIL import Image

_XMP_KEYWORD = "XML:com.adobe.xmp"
_PLAIN_MODES = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "YCbCr": "RGB"}


def picture_from_pillow(image: Image.Image) -> Picture:
    """A picture from a Pillow image, with its profile, EXIF, XMP, text and resolution, upright.

    Raises:
        PictureError: the image cannot be decoded, or is of a mode without 8 or 16 bit grey or colour.
    """
    try:
        tiff_exif = _tiff_exif(image)
        image.load()
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        raise PictureError(f"The Pillow image cannot be read: {reason(error)}.") from error
    notes: list[str] = []
    icc = _block(image, ("icc_profile",), "ICC profile", notes)
    exif = _block(image, ("exif",), "EXIF data", notes) or tiff_exif
    xmp = _block(image, ("xmp", _XMP_KEYWORD), "XMP packet", notes)
    if image.mode == "CMYK":
        samples, icc = _cmyk_samples(image, icc)
        notes.append(CMYK_NOTE)
    else:
        samples = _samples(image)
    text = getattr(image, "text", {}) if image.format == "PNG" else {}
    metadata = Metadata(
        icc=icc,
        exif=exif,
        xmp=xmp,
        text={str(key): str(value) for key, value in text.items() if key != _XMP_KEYWORD},
        resolution=_resolution(image.info.get("dpi")),
    )
    return replace(assemble(samples, metadata, notes=notes), compression=jpeg.compression_of(image))


def _block(image: Image.Image, keys: tuple[str, ...], what: str, notes: list[str]) -> bytes | None:
    """The bytes that an image's `info` holds under the first of `keys`; it may hold values of any type."""
    found: Any = next((image.info[key] for key in keys if image.info.get(key) is not None), None)
    if found is None or isinstance(found, bytes):
        return found or None
    if isinstance(found, str):
        return found.encode("utf-8", "surrogateescape")
    with suppress(Exception):  # anything may come out of a type that is not known
        return bytes(found.tobytes())
    notes.append(f"Its {what}, a {type(found).__name__} instead of bytes, could not be used and were left out.")
    return None


def _tiff_exif(image: Image.Image) -> bytes | None:
    """The EXIF block of an opened TIFF file, whose directory is Pillow's own and can be read only before `load`.

    It has no orientation: on loading, Pillow turns TIFF pictures itself.
    """
    if image.format != "TIFF":
        return None
    try:
        return tiff.read_exif(io.BytesIO(exif_block.block(image.getexif().tobytes())))
    except (ValueError, struct.error):
        return None


def _samples(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("P", "PA", "L", "RGB") and "transparency" in image.info:
        try:
            image = image.convert("LA" if image.mode == "L" else "RGBA")
        except (TypeError, ValueError) as error:
            raise PictureError(f"The transparency of the Pillow image cannot be used: {reason(error)}.") from error
    image = image.convert(_PLAIN_MODES.get(image.mode, image.mode))
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise PictureError(f"A Pillow image of mode {image.mode} is not supported; convert it to RGB or I;16 first.")
    return np.array(image)


def _cmyk_samples(image: Image.Image, profile: bytes | None) -> tuple[np.ndarray, bytes]:
    """The image in sRGB, (H, W, 3), and sRGB's ICC profile."""
    pyvips = libvips.load()
    inks = pyvips.Image.new_from_array(np.asarray(image)).copy(interpretation="cmyk")
    if profile:
        inks.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    converted = cmyk_to_srgb(inks)
    return converted.numpy(), bytes(converted.get("icc-profile-data"))


def _resolution(dpi: object) -> tuple[float, float] | None:
    """Dots per millimetre from what an image's `info` holds: two numbers, or one for both; None for anything else."""
    pair = dpi if isinstance(dpi, tuple | list) else (dpi, dpi)
    try:
        across, down = (float(value) / 25.4 for value in pair)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < math.inf and 0 < down < math.inf else None
