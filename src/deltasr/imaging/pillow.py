"""Pillow images into pictures."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from deltasr.errors import PictureError
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
    info = image.info
    try:
        exif = info.get("exif") or _tiff_exif(image)
        image.load()
    except OSError as error:
        raise PictureError(f"The Pillow image cannot be read: {error}.") from error
    icc, notes = info.get("icc_profile"), []
    if image.mode == "CMYK":
        samples, icc = _cmyk_samples(image)
        notes = [CMYK_NOTE]
    else:
        samples = _samples(image)
    text = getattr(image, "text", {}) if image.format == "PNG" else {}
    xmp = info.get("xmp") or info.get(_XMP_KEYWORD)
    metadata = Metadata(
        icc=icc,
        exif=exif,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        text={str(key): str(value) for key, value in text.items() if key != _XMP_KEYWORD},
        resolution=_resolution(info.get("dpi")),
    )
    return replace(assemble(samples, metadata, notes=notes), compression=jpeg.compression_of(image))


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
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    image = image.convert(_PLAIN_MODES.get(image.mode, image.mode))
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise PictureError(f"A Pillow image of mode {image.mode} is not supported; convert it to RGB or I;16 first.")
    return np.array(image)


def _cmyk_samples(image: Image.Image) -> tuple[np.ndarray, bytes]:
    """The image in sRGB, (H, W, 3), and sRGB's ICC profile."""
    pyvips = libvips.load()
    inks = pyvips.Image.new_from_array(np.asarray(image)).copy(interpretation="cmyk")
    if profile := image.info.get("icc_profile"):
        inks.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    converted = cmyk_to_srgb(inks)
    return converted.numpy(), bytes(converted.get("icc-profile-data"))


def _resolution(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    if not dpi or min(dpi) <= 0:
        return None
    return float(dpi[0]) / 25.4, float(dpi[1]) / 25.4
