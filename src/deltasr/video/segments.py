"""The finished parts of a result, in a folder beside it, so that an interrupted upscale can go on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from deltasr.errors import VideoError
from deltasr.files import write_whole
from deltasr.video.encoding import EncodedPacket

FRAMES = 48
"""Frames of a segment. Each begins with a key frame; at 24 frames per second that is one in two seconds."""

_KEY = "job"
_SUFFIX = ".segment"


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A part of the encoded stream: how many frames it holds, and its packets."""

    frames: int
    packets: list[EncodedPacket]


class Segments:
    """The folder `clip-x4.mp4.parts` beside the result `clip-x4.mp4`.

    Attributes:
        target: the result.
        folder: of its segments.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target.with_name(f"{target.name}.parts")

    def begin(self, key: str) -> int:
        """Prepare the folder for a job; segments of another job are removed.

        Args:
            key: text that is the same for jobs whose segments are the same.

        Returns:
            How many frames are finished.

        Raises:
            VideoError: the folder cannot be written.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()
        try:
            kept = (self.folder / _KEY).read_text(encoding="utf-8") == digest
        except OSError:
            kept = False
        if not kept:
            self.remove()
            write_whole(self.folder / _KEY, digest, what="The segment", error=VideoError)
        return sum(self._read(file).frames for file in self._files())

    def add(self, segment: Segment) -> None:
        """Write the next segment.

        Raises:
            VideoError: it cannot be written.
        """
        file = self.folder / f"{len(self._files()):06d}{_SUFFIX}"
        write_whole(file, msgspec.msgpack.encode(segment), what="The segment", error=VideoError)

    def packets(self) -> Iterator[list[EncodedPacket]]:
        """The packets of each segment, in the order of decoding; one segment is in memory at a time."""
        for file in self._files():
            yield self._read(file).packets

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        """The segments from the first one on, without a gap."""
        found: list[Path] = []
        while (file := self.folder / f"{len(found):06d}{_SUFFIX}").is_file():
            found.append(file)
        return found

    def _read(self, file: Path) -> Segment:
        try:
            return msgspec.msgpack.decode(file.read_bytes(), type=Segment)
        except (OSError, msgspec.MsgspecError) as error:
            raise VideoError(f"{file} cannot be read; remove {self.folder}, and start again.") from error
