"""JPEG's segments before the pixels: resolution (JFIF), EXIF, XMP, ICC profile (ICC.1, annex B.4), quantisation."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO

from deltasr.imaging.picture import Compression, Metadata

if TYPE_CHECKING:
    from PIL import Image

_LONGEST_SEGMENT = 65_533
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_ICC_PART = _LONGEST_SEGMENT - len(_ICC) - 2

_START_OF_SCAN = 0xDA

LARGEST_EXIF = _LONGEST_SEGMENT - len(_EXIF)
LARGEST_XMP = _LONGEST_SEGMENT - len(_XMP)
LARGEST_ICC = 255 * _ICC_PART


def with_metadata(head: bytes, metadata: Metadata) -> bytes | None:
    """The start of a JPEG stream without application segments, `metadata` added; None if `head` is too short.

    The pieces must not be larger than `LARGEST_EXIF`, `LARGEST_XMP` and `LARGEST_ICC`.
    """
    if len(head) < 2:
        return None
    segments = _segment(0xE0, b"JFIF\0\1\1" + _density(metadata.resolution) + b"\0\0")
    if metadata.exif:
        segments += _segment(0xE1, _EXIF + metadata.exif)
    if metadata.xmp:
        segments += _segment(0xE1, _XMP + metadata.xmp)
    icc = metadata.icc or b""
    parts = [icc[start : start + _ICC_PART] for start in range(0, len(icc), _ICC_PART)]
    for number, part in enumerate(parts, start=1):
        segments += _segment(0xE2, _ICC + bytes((number, len(parts))) + part)
    return head[:2] + segments + head[2:]


def read_compression(file: BinaryIO) -> Compression | None:
    """How a JPEG file holds its pixels, by its header; None where Pillow cannot read that."""
    from PIL import JpegImagePlugin

    file.seek(0)
    try:
        return compression_of(JpegImagePlugin.JpegImageFile(io.BytesIO(_tables_and_frame(file))))
    except (OSError, SyntaxError, ValueError, IndexError, struct.error):
        return None


def _tables_and_frame(file: BinaryIO) -> bytes:
    """A JPEG file's header without application segments, on whose damage Pillow prints warnings (ITU-T T.81, B.1.1)."""
    header = file.read(2)
    while len(marker := file.read(4)) == 4 and marker[0] == 0xFF:
        while marker[1] == 0xFF:  # markers may be preceded by any number of fill bytes
            marker = marker[1:] + file.read(1)
        data = file.read(max(int.from_bytes(marker[2:], "big") - 2, 0))
        if not 0xE0 <= marker[1] <= 0xEF:
            header += marker + data
        if marker[1] == _START_OF_SCAN:
            break
    return header


def compression_of(image: Image.Image) -> Compression | None:
    """How the JPEG file of a Pillow image holds its pixels; None for an image that is no opened JPEG file."""
    from PIL import JpegImagePlugin

    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not image.layer:
        return None
    table = image.quantization.get(image.layer[0][3])
    if table is None or len(table) != 64 or min(table) < 1:
        return None
    subsampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(image))
    return Compression(luma_table=tuple(table), subsampling=subsampling)


def _density(resolution: tuple[float, float] | None) -> bytes:
    if resolution is None:
        return struct.pack(">BHH", 0, 1, 1)
    per_inch = (min(max(round(dots_per_mm * 25.4), 1), 65_535) for dots_per_mm in resolution)
    return struct.pack(">BHH", 1, *per_inch)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
