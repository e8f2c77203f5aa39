"""PNG's chunks around the pixels: text, profile, EXIF, resolution (PNG specification, section 11.3)."""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

from deltasr.imaging.picture import Metadata

_SIGNATURE_SIZE = 8
_XMP_KEYWORD = "XML:com.adobe.xmp"
_LONGEST_TEXT = 1 << 26


def read_chunks(file: BinaryIO) -> tuple[dict[str, str], tuple[float, float] | None, int]:
    """The text (XMP excepted), the resolution in dots per millimetre and the number of frames of a PNG file.

    Chunks that are damaged are left out, and so are texts beyond 64 MiB in all; texts of one keyword are joined by line
    breaks.
    """
    text: dict[str, str] = {}
    room = _LONGEST_TEXT
    resolution, frames = None, 1
    file.seek(_SIGNATURE_SIZE)
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"acTL"):
            file.seek(size + 4, os.SEEK_CUR)
            continue
        data = file.read(size)
        file.seek(4, os.SEEK_CUR)
        if kind == b"pHYs" and size == 9:
            across, down, unit = struct.unpack(">IIB", data)
            resolution = (across / 1000, down / 1000) if unit == 1 and across and down else None
        elif kind == b"acTL" and size == 8:
            frames = struct.unpack(">I", data[:4])[0]
        elif parsed := _parse_text(kind, data, room):
            keyword, value = parsed
            room -= len(value)
            text[keyword] = f"{text[keyword]}\n{value}" if keyword in text else value
    text.pop(_XMP_KEYWORD, None)
    return text, resolution, frames


def _parse_text(kind: bytes, data: bytes, room: int) -> tuple[str, str] | None:
    try:
        keyword, rest = data.split(b"\0", 1)
        if kind == b"tEXt":
            return keyword.decode("latin-1"), rest.decode("latin-1")
        if kind == b"zTXt":
            return keyword.decode("latin-1"), _inflate(rest[1:], room).decode("latin-1")
        compressed = rest[0] == 1
        _, _, value = rest[2:].split(b"\0", 2)
        return keyword.decode("latin-1"), (_inflate(value, room) if compressed else value).decode("utf-8")
    except (ValueError, IndexError, zlib.error):
        return None


def _inflate(data: bytes, room: int) -> bytes:
    inflater = zlib.decompressobj()
    result = inflater.decompress(data, max(room, 1))
    if not inflater.eof:
        raise ValueError("compressed text is cut short or too long")
    return result


def with_metadata(head: bytes, metadata: Metadata) -> bytes | None:
    """The start of a PNG stream with `metadata` added, None while `head` does not yet reach the pixels.

    Args:
        head: the stream's first bytes.
        metadata: everything in it is stored. Keywords of text must be 1 to 79 Latin-1 characters.
    """
    end_of_header = _SIGNATURE_SIZE + 25
    position = end_of_header
    kept = b""
    while True:
        if len(head) < position + 8:
            return None
        size, kind = struct.unpack_from(">I4s", head, position)
        if kind == b"IDAT":
            break
        chunk = head[position : position + size + 12]
        position += size + 12
        if kind != b"pHYs":
            kept += chunk
    return head[:end_of_header] + _early_chunks(metadata) + kept + _text_chunks(metadata) + head[position:]


def _early_chunks(metadata: Metadata) -> bytes:
    chunks = b""
    if metadata.icc:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc, 9))
    if metadata.resolution:
        across, down = (min(round(value * 1000), 2**31 - 1) for value in metadata.resolution)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif:
        chunks += _chunk(b"eXIf", metadata.exif)
    return chunks


def _text_chunks(metadata: Metadata) -> bytes:
    chunks = b""
    if metadata.xmp:
        chunks += _chunk(b"iTXt", _XMP_KEYWORD.encode() + b"\0\0\0\0\0" + metadata.xmp)
    for keyword, value in metadata.text.items():
        name = keyword.encode("latin-1") + b"\0"
        try:
            chunks += _chunk(b"tEXt", name + value.encode("latin-1"))
        except UnicodeEncodeError:
            chunks += _chunk(b"iTXt", name + b"\0\0\0\0" + value.encode("utf-8"))
    return chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def storable_keyword(keyword: str) -> bool:
    """Whether PNG can hold text under this keyword: 1 to 79 printable Latin-1 characters, trimmed."""
    printable = all(" " <= c <= "~" or "\xa1" <= c <= "\xff" for c in keyword)
    return printable and 1 <= len(keyword) <= 79 and keyword == keyword.strip()
