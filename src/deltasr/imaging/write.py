"""Pictures into files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from deltasr import files
from deltasr.errors import PictureError, SettingError, reason
from deltasr.imaging import exif as exif_block
from deltasr.imaging import jpeg, png
from deltasr.imaging.alpha import over_white
from deltasr.imaging.colour import as_8_bits, profile_fits
from deltasr.imaging.encode import ENCODERS
from deltasr.imaging.formats import FORMATS, Format, format_named
from deltasr.imaging.picture import OWN_TEXT, Metadata, Picture

DEFAULT_QUALITY = 95


def write_picture(
    picture: Picture,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    quality: int | None = None,
    strip: bool = False,
) -> list[str]:
    """Write a picture; the file appears under its name only when complete, and replaces one that was there.

    PNG and TIFF (deflate) are lossless and keep 8 and 16 bits. JPEG has no chroma subsampling. What a format
    cannot hold is converted: 16 bits are rounded to 8 in JPEG, WebP and BMP, transparency is laid on white in
    JPEG and BMP, grey becomes RGB in WebP. The same picture and settings give the same bytes.

    Args:
        picture: what to write.
        target: a path, whose suffix names the format unless `format` does, and whose folder must exist; or a file
            object opened for writing bytes, which gets the whole file at once.
        format: one of `WRITABLE_FORMATS`, or a suffix.
        quality: 1 to 100, for JPEG and WebP; 95 unless given; WebP is lossless at 100.
        strip: leave out profile, EXIF, XMP, text and resolution.

    Returns:
        One sentence for each thing that the format could not hold.

    Raises:
        SettingError: the format cannot be written, or the quality is out of range.
        PictureError: the picture is too large for the format, or the file cannot be written.
    """
    if isinstance(target, str | os.PathLike):
        path = Path(target)
        save = _saver(picture, path, _format_of(path, format), quality=quality, strip=strip)
        with files.whole(path, error=PictureError) as file:
            return save(file)
    name = target.name if isinstance(getattr(target, "name", None), str) else "The given file object"
    if format is None:
        raise SettingError(f"{name} has no suffix to name a format; give one of {', '.join(FORMATS)}.")
    whole = io.BytesIO()
    notes = _saver(picture, name, format_named(format), quality=quality, strip=strip)(whole)
    try:
        target.write(whole.getbuffer())
        target.flush()
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be written: {getattr(error, 'strerror', None) or reason(error)}.") from error
    return notes


def encode_picture(picture: Picture, format: str = "png", *, quality: int | None = None, strip: bool = False) -> bytes:
    """The bytes of the file that `write_picture` would write.

    What the format cannot hold is converted as by `write_picture`, which also returns notes on it.

    Raises:
        SettingError: the format cannot be written, or the quality is out of range.
        PictureError: the picture is too large for the format.
    """
    content = io.BytesIO()
    write_picture(picture, content, format=format, quality=quality, strip=strip)
    return content.getvalue()


def _saver(
    picture: Picture, name: str | Path, target: Format, *, quality: int | None, strip: bool
) -> Callable[[BinaryIO], list[str]]:
    """A function that writes the picture into an open file and returns notes on what was lost.

    `name` is the file's, for messages.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise SettingError(f"The quality is {quality}; it goes from 1 to 100.")
    if max(picture.width, picture.height) > target.largest_side:
        raise PictureError(
            f"{name} cannot be written: {target.title} holds at most {target.largest_side} pixels a side, "
            f"and the picture is {picture.width} x {picture.height}; choose PNG or TIFF."
        )
    fitted, notes = _fitted(picture, target, strip=strip)
    if quality is not None and target.name not in ("jpeg", "webp"):
        notes.append(f"{target.title} is lossless: the quality setting has no effect.")
    return lambda file: notes + ENCODERS[target.name](fitted, file, quality or DEFAULT_QUALITY)


def _format_of(path: Path, name: str | None) -> Format:
    if name is not None:
        return format_named(name)
    if not path.suffix:
        raise SettingError(f"{path} has no suffix to name a format; give one of {', '.join(FORMATS)}.")
    return format_named(path.suffix)


def _fitted(picture: Picture, target: Format, *, strip: bool) -> tuple[Picture, list[str]]:
    """The picture as the format can hold it, its metadata set to its size, and what was lost."""
    notes = []
    pixels, alpha = picture.pixels, picture.alpha
    if alpha is not None and not target.alpha:
        if (alpha != np.iinfo(alpha.dtype).max).any():
            notes.append(f"{target.title} has no transparency: the picture was laid on white.")
            pixels = over_white(pixels, alpha)
        alpha = None
    if picture.bits == 16 and not target.sixteen_bits:
        notes.append(f"{target.title} has 8 bits per channel: 16 bits were rounded.")
        pixels, alpha = as_8_bits(pixels), None if alpha is None else as_8_bits(alpha)
    metadata = Metadata()
    if not strip:
        metadata, lost = _fitted_metadata(picture, target)
        notes += lost
    return Picture(pixels=pixels, alpha=alpha, metadata=metadata), notes


def _fitted_metadata(picture: Picture, target: Format) -> tuple[Metadata, list[str]]:
    metadata, lost = picture.metadata, []
    exif, xmp, icc, text = metadata.exif, metadata.xmp, metadata.icc, metadata.text
    if exif:
        try:
            exif = exif_block.sized(exif_block.block(exif), picture.width, picture.height)
        except ValueError as error:
            exif, lost = None, [f"the EXIF data, which are damaged ({error})"]
    if xmp:
        xmp = exif_block.xmp_sized(xmp, picture.width, picture.height)
    if icc and not profile_fits(icc, 3 if target.name == "webp" else picture.channels):
        lost.append("the ICC profile, which is for other channels than the file's")
        icc = None
    if target.name == "jpeg":
        if exif and len(exif) > jpeg.LARGEST_EXIF:
            lost, exif = [*lost, "the EXIF data, which are over 64 kB"], None
        if xmp and len(xmp) > jpeg.LARGEST_XMP:
            lost, xmp = [*lost, "the XMP packet, which is over 64 kB"], None
        if icc and len(icc) > jpeg.LARGEST_ICC:
            lost, icc = [*lost, "the ICC profile, which is over 16 MB"], None
    if target.name == "bmp":
        named = (("the ICC profile", icc), ("the EXIF data", exif), ("the XMP packet", xmp))
        lost += [name for name, value in named if value]
        icc = exif = xmp = None
    homeless = [key for key in text if target.name != "png" or not png.storable_keyword(key)]
    if homeless:
        unstored = [key for key in homeless if not key.startswith(OWN_TEXT)]
        lost += [f"the text of {', '.join(unstored)}"] if unstored else []
        text = {key: value for key, value in text.items() if key not in homeless}
    fitted = replace(metadata, exif=exif, xmp=xmp, icc=icc, text=text)
    return fitted, [f"{target.title} cannot hold {thing}." for thing in lost]
