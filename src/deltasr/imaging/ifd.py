"""Image file directories: the tag lists of TIFF 6.0 (section 2), which EXIF blocks are made of too."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

POINTERS = {0x8769: "Exif", 0x8825: "GPS", 0xA005: "Interoperability"}
"""Tags whose value is the place of a further directory."""

_UNIT_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
_UNITS_EACH = {5: 2, 10: 2}
_LARGEST_VALUE = 1 << 24
_LARGEST_PLACE = 1 << 48
_LONG = 4


@dataclass(frozen=True)
class Tag:
    """One tag: its value, little-endian; where its `entry` starts and its value `end`s in the file."""

    kind: int
    count: int
    data: bytes
    entry: int = 0
    end: int = 0

    @property
    def number(self) -> int:
        """The value of a SHORT or LONG tag."""
        return int.from_bytes(self.data, "little")


@dataclass(frozen=True)
class Directory:
    """Tags and further directories by tag number.

    `following` is the place of the next directory of the chain, 0 for none, and `link` is where the file
    holds that place; `end` is where the directory, its values and its children end.
    """

    tags: dict[int, Tag] = field(default_factory=dict)
    children: dict[int, Directory] = field(default_factory=dict)
    following: int = 0
    link: int = 0
    end: int = 0


@dataclass(frozen=True)
class Layout:
    """Byte order (`<` or `>`) of a file, and whether it has BigTIFF's 8-byte places."""

    order: str
    big: bool

    @property
    def place(self) -> str:
        """The `struct` format of a place in the file."""
        return self.order + ("Q" if self.big else "I")


def read(stream: BinaryIO) -> tuple[Layout, Directory]:
    """The layout and the first directory of an EXIF block or TIFF file that starts at `stream`'s position 0.

    Values of unknown type, over 16 MiB, or beyond the end of the data are left out, and so are children that
    cannot be read.

    Raises:
        ValueError: the first directory is damaged.
    """
    stream.seek(0)
    head = stream.read(16)
    layouts = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
    if head[:4] not in layouts:
        raise ValueError("no byte-order mark")
    layout = Layout(*layouts[head[:4]])
    try:
        (place,) = struct.unpack_from(layout.place, head, 8 if layout.big else 4)
        return layout, _read_directory(stream, layout, place, depth=0)
    except struct.error as error:
        raise ValueError("a directory ends early") from error


def _read_directory(stream: BinaryIO, layout: Layout, place: int, *, depth: int) -> Directory:
    counter = layout.order + ("Q" if layout.big else "H")
    entry_format = layout.order + ("HHQ8s" if layout.big else "HHI4s")
    entry_size = struct.calcsize(entry_format)
    (entries,) = struct.unpack(counter, _bytes_at(stream, place, struct.calcsize(counter)))
    if entries > 4096:
        raise ValueError("a directory has too many entries")
    first = stream.tell()
    table = stream.read(entries * entry_size)
    link = stream.tell()
    (following,) = struct.unpack(layout.place, stream.read(struct.calcsize(layout.place)))
    tags: dict[int, Tag] = {}
    children: dict[int, Directory] = {}
    for index, (number, kind, count, inline) in enumerate(struct.iter_unpack(entry_format, table)):
        size = count * _UNIT_SIZES.get(kind, 0) * _UNITS_EACH.get(kind, 1)
        if not 0 < size <= _LARGEST_VALUE:
            continue
        data, end = inline[:size], first + index * entry_size
        if size > len(inline):
            (value_place,) = struct.unpack(layout.place, inline)
            data, end = _bytes_at(stream, value_place, size), value_place + size
        if len(data) < size:
            continue
        tag = Tag(kind, count, _little_endian(data, kind, layout.order), first + index * entry_size, end)
        if number in POINTERS and depth < 2:
            with suppress(struct.error, ValueError):
                children[number] = _read_directory(stream, layout, tag.number, depth=depth + 1)
        else:
            tags[number] = tag
    ends = [tag.end for tag in tags.values()] + [child.end for child in children.values()]
    end = max(link + struct.calcsize(layout.place), *ends, 0)
    return Directory(tags, children, following, link, end)


def _bytes_at(stream: BinaryIO, place: int, size: int) -> bytes:
    if place > _LARGEST_PLACE:
        return b""
    stream.seek(place)
    return stream.read(size)


def _little_endian(data: bytes, kind: int, order: str) -> bytes:
    size = _UNIT_SIZES[kind]
    if order == "<" or size == 1:
        return data
    return b"".join(data[start : start + size][::-1] for start in range(0, len(data), size))


def build(directory: Directory, start: int) -> bytes:
    """The bytes of `directory` and its children, little-endian, not BigTIFF, for the even place `start`."""
    entries: dict[int, Tag] = dict(directory.tags)
    size = 2 + 12 * (len(entries) + len(directory.children)) + 4
    values = b""
    for number, child in directory.children.items():
        place = start + size + len(values)
        entries[number] = Tag(_LONG, 1, struct.pack("<I", place))
        values += _even(build(child, place))
    table = struct.pack("<H", len(entries))
    for number, tag in sorted(entries.items()):
        field_ = tag.data.ljust(4, b"\0")
        if len(tag.data) > 4:
            field_ = struct.pack("<I", start + size + len(values))
            values += _even(tag.data)
        table += struct.pack("<HHI", number, tag.kind, tag.count) + field_
    return table + struct.pack("<I", 0) + values


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
