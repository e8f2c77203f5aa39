"""Results in one zip archive, made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

_DATE = (2026, 1, 1, 0, 0, 0)
"""Of every entry: the same files give the same archive."""

_PIECE = 1 << 18


def zipped(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """An archive of files under other names, piece by piece, nothing compressed.

    All are opened before the first piece: what is deleted on the way is in it all the same.

    Args:
        files: name in the archive, and path.

    Raises:
        OSError: one of them is not there.
    """
    with ExitStack() as stack:
        opened = [(name, stack.enter_context(path.open("rb"))) for name, path in files]
        return _pieces(opened, stack.pop_all())


def _pieces(opened: Sequence[tuple[str, IO[bytes]]], stack: ExitStack) -> Iterator[bytes]:
    written = _Written()
    with stack, zipfile.ZipFile(cast("IO[bytes]", written), "w", zipfile.ZIP_STORED) as archive:
        for name, source in opened:
            with archive.open(zipfile.ZipInfo(name, _DATE), "w", force_zip64=True) as entry:
                while piece := source.read(_PIECE):
                    entry.write(piece)
                    yield written.taken()
        archive.close()
        yield written.taken()


class _Written(io.RawIOBase):
    """A file that is written from its beginning to its end, and whose bytes are taken out on the way."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self._held += piece
        return len(piece)

    def taken(self) -> bytes:
        """What was written since the last time."""
        held = bytes(self._held)
        self._held.clear()
        return held
