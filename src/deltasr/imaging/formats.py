"""The picture formats: their names and suffixes, how to recognise them, and what they can hold."""

from __future__ import annotations

from dataclasses import dataclass

from deltasr.errors import SettingError

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_SEQUENCE_BRANDS = {b"avis", b"hevc", b"hevx", b"msf1"}


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

_READ_ONLY = {"gif": (".gif",), "avif": (".avif",), "heic": (".heic", ".heif", ".hif")}
"""Names and suffixes of formats that are read and not written: GIF has 256 colours, encoding AVIF takes more than ten
times as long as PNG and loses something, and no library here encodes HEIC."""

HEAD_SIZE = 64
"""How many of a file's first bytes tell its format."""

READABLE_TITLES = "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC"

WRITABLE_FORMATS: dict[str, str] = {name: format_.suffixes[0] for name, format_ in FORMATS.items()}
"""Format name to the suffix of new files: `{"png": ".png", "jpeg": ".jpg", ...}`."""

_WRITABLE_SUFFIXES = frozenset(s for format_ in FORMATS.values() for s in format_.suffixes)
READABLE_SUFFIXES: frozenset[str] = _WRITABLE_SUFFIXES.union(*_READ_ONLY.values())
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
    if wanted in _READ_ONLY or any(f".{wanted}" in suffixes for suffixes in _READ_ONLY.values()):
        raise SettingError(f"{name!r} is a format that is read but not written; choose one of {', '.join(FORMATS)}.")
    raise SettingError(f"{name!r} is not a format that can be written; choose one of {', '.join(FORMATS)}.")


def result_suffix(source_suffix: str) -> str:
    """The default suffix of a result: the source's, or `.png` where that format cannot be written."""
    return source_suffix if source_suffix.lower() in _WRITABLE_SUFFIXES else ".png"


def format_of_content(head: bytes) -> str | None:
    """The format whose signature starts `head`, a file's first `HEAD_SIZE` bytes; None for any other content."""
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
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    found = set(_brands(head))
    if found & _AVIF_BRANDS:
        return "avif"
    return "heic" if found & _HEIC_BRANDS else None


def is_image_sequence(head: bytes) -> bool:
    """Whether a HEIF file, whose first `HEAD_SIZE` bytes are given, is an animation."""
    return any(brand in _SEQUENCE_BRANDS for brand in _brands(head)[:1])


def _brands(head: bytes) -> list[bytes]:
    """The brands of a file of ISO's base media format (ISO 14496-12, 4.3), its own first; none for other files."""
    if head[4:8] != b"ftyp":
        return []
    compatible = head[16 : int.from_bytes(head[:4], "big")]
    return [head[8:12], *(compatible[place : place + 4] for place in range(0, len(compatible) - 3, 4))]
