"""The source: what is known of a video, and its frames one after the other."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from deltasr.errors import VideoError
from deltasr.imaging import limits
from deltasr.video.pyav import errors_of, load_av

Matrix = tuple[int, ...]
"""FFmpeg's display matrix: nine whole numbers, row by row."""

_INTERLACED = "It is interlaced, and was upscaled as if it were not; deinterlace it first."


@dataclass
class Clip:
    """An open video.

    Attributes:
        path: its file.
        container: PyAV's input.
        stream: the video stream; the first one that is no cover picture.
        frames_read: how many frames `frames` has given.
        notes: a sentence for each thing that was left out or guessed while it was read.
    """

    path: Path
    container: Any
    stream: Any
    frames_read: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels, not rotated."""
        return int(self.stream.height), int(self.stream.width)

    @property
    def time_base(self) -> Fraction:
        """The unit of time stamps, in seconds."""
        return Fraction(self.stream.time_base)

    @property
    def rate(self) -> Fraction:
        """Frames per second on average; 25 where the file does not say."""
        return Fraction(self.stream.average_rate or self.stream.guessed_rate or 25)

    @property
    def expected_frames(self) -> int | None:
        """How many frames there are, by the file's header or its duration; None where it says neither."""
        if self.stream.frames:
            return int(self.stream.frames)
        if self.stream.duration is not None:
            seconds = Fraction(self.stream.duration) * self.time_base
        elif self.container.duration is not None:
            seconds = Fraction(self.container.duration, 1_000_000)
        else:
            return None
        return max(1, round(seconds * self.rate))

    def frames(self) -> Iterator[Any]:
        """PyAV's frames in the order in which they are shown, one in memory at a time; time stamps always increase.

        Packets that cannot be decoded are left out with a note.

        Raises:
            VideoError: nothing can be decoded, the size changes, or the file cannot be read.
        """
        av = load_av()
        size, step, last, damaged = self.size, self.typical_step, None, 0
        with errors_of(self.path, "read"):
            for packet in self.container.demux(self.stream):
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    damaged += 1
                    continue
                for frame in decoded:
                    if (frame.height, frame.width) != size:
                        raise VideoError(
                            f"{self.path} changes its size at frame {self.frames_read}, from {size[1]}x{size[0]} to "
                            f"{frame.width}x{frame.height}; divide it there."
                        )
                    if frame.pts is None or (last is not None and frame.pts <= last):
                        frame.pts = 0 if last is None else last + step
                    if not self.frames_read and frame.interlaced_frame:
                        self.notes.append(_INTERLACED)
                    last = frame.pts
                    self.frames_read += 1
                    yield frame
        if not self.frames_read:
            raise VideoError(f"{self.path} has no frame that can be decoded.")
        if damaged:
            self.notes.append(f"{damaged} packets are damaged and were left out.")

    @property
    def typical_step(self) -> int:
        """The time between two frames on average, at least 1, in units of the time base."""
        return max(1, round(1 / (self.rate * self.time_base)))


@contextmanager
def opened(path: Path, *, max_pixels: int = limits.DEFAULT_MAX_PIXELS, only_key_frames: bool = False) -> Iterator[Clip]:
    """Open a video.

    Args:
        path: its file.
        max_pixels: the most pixels that a frame may have.
        only_key_frames: whether `Clip.frames` gives only frames that are stored whole.

    Raises:
        VideoError: it cannot be read, holds no video, or its frames are too large.
    """
    av = load_av()
    with errors_of(path, "read"):
        container = av.open(str(path), "r", metadata_errors="replace")
    with container:
        cover = av.stream.Disposition.attached_pic
        streams = [stream for stream in container.streams.video if not stream.disposition & cover]
        if not streams or streams[0].codec_context is None or not streams[0].width:
            raise VideoError(f"{path} holds no video that can be decoded.")
        clip = Clip(path=path, container=container, stream=streams[0])
        height, width = clip.size
        if height * width > max_pixels:
            raise VideoError(
                f"{path} has frames of {width}x{height} pixels, more than {max_pixels:,}; raise --max-pixels."
            )
        clip.stream.thread_type = "AUTO"
        if only_key_frames:
            clip.stream.codec_context.skip_frame = "NONKEY"
        yield clip


def display_matrix(frame: Any) -> Matrix | None:
    """How a frame is turned and mirrored when it is shown; None where it is shown as it is."""
    kind = load_av().sidedata.sidedata.Type.DISPLAYMATRIX
    for data in frame.side_data:
        if data.type == kind:
            return struct.unpack("=9i", bytes(data)[:36])
    return None


def enlarged_matrix(matrix: Matrix, vertical: Fraction, horizontal: Fraction) -> Matrix:
    """The display matrix of frames that are larger by two factors: its shift, in pixels, grows with them."""
    grown = list(matrix)
    turned = matrix[0] == 0 and matrix[4] == 0
    along_x, along_y = (vertical, horizontal) if turned else (horizontal, vertical)
    grown[6], grown[7] = round(matrix[6] * along_x), round(matrix[7] * along_y)
    return tuple(grown)
