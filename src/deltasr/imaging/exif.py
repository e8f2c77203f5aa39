"""EXIF and XMP: kept byte for byte, except where they would be wrong for pixels that were turned or enlarged."""

from __future__ import annotations

import io
import re
import struct

from deltasr.imaging import ifd

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_WIDTHS = {0x0100, 0xA002}
_HEIGHTS = {0x0101, 0xA003}
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))\s*[2-8]")
_XMP_SIZES = (
    re.compile(rb"((?:tiff:ImageWidth|exif:PixelXDimension)(?:\s*=\s*[\"']|>))\d+"),
    re.compile(rb"((?:tiff:ImageLength|exif:PixelYDimension)(?:\s*=\s*[\"']|>))\d+"),
)


def block(exif: bytes) -> bytes:
    """`exif` without the `Exif` prefix that JPEG, and some writers of other formats, put before the block."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    return exif


def _read(exif: bytes) -> tuple[ifd.Layout, ifd.Directory]:
    layout, directory = ifd.read(io.BytesIO(exif))
    if layout.big:
        raise ValueError("they have the layout of BigTIFF")
    return layout, directory


def orientation(exif: bytes) -> int:
    """The orientation, 1 to 8; 1 where the block does not state a valid one.

    Raises:
        ValueError: the block is damaged.
    """
    _, directory = _read(exif)
    tag = directory.tags.get(_ORIENTATION)
    return tag.number if tag and tag.kind in (_SHORT, _LONG) and 1 <= tag.number <= 8 else 1


def upright(exif: bytes) -> bytes:
    """The block with orientation 1 and without its thumbnail, which shows the picture as it was.

    Raises:
        ValueError: the block is damaged.
    """
    layout, directory = _read(exif)
    result = bytearray(exif)
    if tag := directory.tags.get(_ORIENTATION):
        struct.pack_into(layout.order + "HIHH", result, tag.entry + 2, _SHORT, 1, 1, 0)
    if directory.following:
        struct.pack_into(layout.place, result, directory.link, 0)
        del result[directory.end :]
    return bytes(result)


def sized(exif: bytes, width: int, height: int) -> bytes:
    """The block with its statements of the picture's size, where it has them, set to `width` and `height`.

    Raises:
        ValueError: the block is damaged.
    """
    layout, directory = _read(exif)
    result = bytearray(exif)
    inner = directory.children.get(0x8769, ifd.Directory())
    for number, tag in [*directory.tags.items(), *inner.tags.items()]:
        if number in _WIDTHS | _HEIGHTS:
            size = width if number in _WIDTHS else height
            struct.pack_into(layout.order + "HII", result, tag.entry + 2, _LONG, 1, size)
    return bytes(result)


def xmp_upright(xmp: bytes) -> bytes:
    """The packet with orientation 1 where it states another one."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def xmp_sized(xmp: bytes, width: int, height: int) -> bytes:
    """The packet with its statements of the picture's size, if it has any, set to `width` and `height`."""
    for pattern, size in zip(_XMP_SIZES, (width, height), strict=True):
        xmp = pattern.sub(rb"\g<1>%d" % size, xmp)
    return xmp
