"""TIFF's tags beside the pixels: EXIF's, which are in the file's own directory and which libvips ignores."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import replace
from typing import BinaryIO

from deltasr.imaging import ifd

_DESCRIPTIVE = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298} | set(
    range(0x9C9B, 0x9CA0)
)
"""Description, make, model, software, date, artist, computer, ratings, copyright, and what Windows adds."""

_EXIF_POINTERS = {0x8769, 0x8825}
_RESOLUTION_UNIT = 0x0128
_NO_UNIT = ifd.Tag(3, 1, struct.pack("<H", 1))
_CLASSIC_LITTLE_ENDIAN = b"II*\0"


def read_exif(file: BinaryIO) -> bytes | None:
    """An EXIF block of the tags about the picture in a TIFF file's first directory; None if there are none.

    Raises:
        ValueError: the directory is damaged.
    """
    _, directory = ifd.read(file)
    tags = {number: tag for number, tag in directory.tags.items() if number in _DESCRIPTIVE}
    children = {number: child for number, child in directory.children.items() if number in _EXIF_POINTERS}
    if not tags and not children:
        return None
    return _CLASSIC_LITTLE_ENDIAN + struct.pack("<I", 8) + ifd.build(ifd.Directory(tags, children), 8)


def add_tags(file: BinaryIO, exif: bytes | None, *, resolution_known: bool) -> bool:
    """Put the tags of an EXIF block into a finished TIFF file, at its end; the pixels stay where they are.

    Without a known resolution the file's statement of one is reduced to an aspect ratio.

    Returns:
        False where the file is a BigTIFF (over 4 GB) or big-endian; it is left as it is.

    Raises:
        ValueError: the block is damaged.
    """
    layout, directory = ifd.read(file)
    if layout.big or layout.order != "<":
        return False
    block = ifd.read(io.BytesIO(exif))[1] if exif else ifd.Directory()
    tags = {number: tag for number, tag in block.tags.items() if number in _DESCRIPTIVE} | directory.tags
    if not resolution_known:
        tags[_RESOLUTION_UNIT] = _NO_UNIT
    children = {number: child for number, child in block.children.items() if number in _EXIF_POINTERS}
    file.seek(0, os.SEEK_END)
    start = file.tell() + file.tell() % 2
    file.write(b"\0" * (start - file.tell()))
    file.write(ifd.build(replace(directory, tags=tags, children=children), start))
    file.seek(4)
    file.write(struct.pack("<I", start))
    return True
