"""The picture formats: their names and suffixes, how to recognise them, and what they can hold."""

from __future__ import annotations

from dataclasses import dataclass

from deltasr.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class Format:
    """One file format.

    Attributes:
        name: the lower-case name that `--output-format` takes.
        suffixes: file name suffixes, lower case with the dot; the first one is for new files.
        sixteen_bits: whether it holds 16 bits per channel; else 8.
        alpha: whether it holds an alpha channel.
        largest_side: the most pixels a side that it can hold.
    """

    name: str
    suffixes: tuple[str, ...]
    sixteen_bits: bool
    alpha: bool
    largest_side: int

    @property
    def title(self) -> str:
        """The name as people write it."""
        return "WebP" if self.name == "webp" else self.name.upper()


FORMATS = {
    "png": Format(name="png", suffixes=(".png",), sixteen_bits=True, alpha=True, largest_side=2**31 - 1),
    "jpeg": Format(
        name="jpeg",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        sixteen_bits=False,
        alpha=False,
        largest_side=65_500,
    ),
    "webp": Format(name="webp", suffixes=(".webp",), sixteen_bits=False, alpha=True, largest_side=16_383),
    "tiff": Format(name="tiff", suffixes=(".tif", ".tiff"), sixteen_bits=True, alpha=True, largest_side=2**31 - 1),
    "bmp": Format(name="bmp", suffixes=(".bmp", ".dib"), sixteen_bits=False, alpha=False, largest_side=2**31 - 1),
}

WRITABLE_FORMATS: dict[str, str] = {name: format_.suffixes[0] for name, format_ in FORMATS.items()}
"""Format name to the suffix of new files: `{"png": ".png", "jpeg": ".jpg", ...}`."""

READABLE_SUFFIXES: frozenset[str] = frozenset(s for format_ in FORMATS.values() for s in format_.suffixes)
"""The suffixes (lower case, with the dot) under which a folder is searched for pictures."""


def format_named(name: str) -> Format:
    """The format of a name or suffix in any case: `png`, `JPG`, `.tiff`.

    Raises:
        SettingError: no such format can be written.
    """
    wanted = name.lower().lstrip(".")
    for format_ in FORMATS.values():
        if wanted == format_.name or f".{wanted}" in format_.suffixes:
            return format_
    raise SettingError(f"{name!r} is not a format that can be written; choose one of {', '.join(FORMATS)}.")


def format_of_content(head: bytes) -> str | None:
    """The name of the format whose signature starts `head` (12 bytes or more), None for any other content."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head.startswith(b"BM"):
        return "bmp"
    return None
