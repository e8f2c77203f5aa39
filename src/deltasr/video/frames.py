"""Between FFmpeg's frames, mostly luma and subsampled chroma, and pictures in RGB, without losing depth or tags."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from deltasr.imaging import Picture
from deltasr.video.formats import CODECS
from deltasr.video.pyav import load_av

_RGB, _BT709 = 0, 1
"""Numbers of `AVColorSpace`."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How frames hold colours; the tags are FFmpeg's numbers, as in H.273.

    Attributes:
        pixel_format: FFmpeg's name of the samples.
        matrix: from RGB to luma and chroma.
        levels: 1 for limited range, 2 for full range, 0 for unknown.
        primaries, transfer: of the colours; they are only passed on.
    """

    pixel_format: str
    matrix: int
    levels: int
    primaries: int
    transfer: int


def bits_of(frame: Any) -> int:
    """Bits per sample."""
    return max(int(component.bits) for component in frame.format.components)


def look_for(frame: Any, codec: str) -> tuple[Look, tuple[str, ...]]:
    """The look of the results of frames like this one in a codec, and a sentence for each thing that is lost.

    Args:
        frame: of the source.
        codec: a name in `formats.CODECS`.
    """
    chroma = "yuv420p"
    if frame.format.is_rgb or frame.format.chroma_width(16) == 16:
        chroma = "yuv444p"
    elif frame.format.chroma_height(16) == 16:
        chroma = "yuv422p"
    if len(frame.format.components) < 3:
        chroma = "yuv420p"
    bits = bits_of(frame)
    possible = CODECS[codec].pixel_formats
    deep = "10le" if bits > 8 else ""
    pixel_format = next(name for name in (chroma + deep, "yuv420p" + deep, "yuv420p") if name in possible)
    lost = []
    if not pixel_format.startswith(chroma):
        lost.append(f"Colours are stored at half the resolution, since {codec} holds no {chroma[3:6]} here.")
    if bits > 10:
        lost.append(f"{bits} bits became 10.")
    if len(frame.format.components) in (2, 4):
        lost.append("Transparency was left out.")
    matrix = _BT709 if frame.format.is_rgb else int(frame.colorspace)
    levels = 1 if frame.format.is_rgb else int(frame.color_range)
    if frame.format.name.startswith("yuvj"):
        levels = 2
    look = Look(
        pixel_format=pixel_format,
        matrix=_BT709 if matrix == _RGB else matrix,
        levels=levels,
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )
    return look, tuple(lost)


def picture_of(frame: Any) -> Picture:
    """A frame as a picture in RGB, of 16 bits where it has more than 8."""
    deep = bits_of(frame) > 8
    name, dtype = ("rgb48le", np.uint16) if deep else ("rgb24", np.uint8)
    converted = frame.reformat(format=name, interpolation=_careful())
    return Picture(pixels=np.ascontiguousarray(converted.to_ndarray().astype(dtype, copy=False)))


def frame_of(picture: Picture, look: Look, *, pts: int, time_base: Fraction, duration: int) -> Any:
    """A picture in RGB as a frame to encode.

    Args:
        picture: of 8 or 16 bits.
        look: what the frame is like.
        pts, duration: in units of `time_base`.
        time_base: in seconds.
    """
    av = load_av()
    name = "rgb48le" if picture.bits == 16 else "rgb24"
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.pixels), format=name)
    rgb.colorspace = look.matrix  # that of the frame it becomes
    frame = rgb.reformat(format=look.pixel_format, dst_color_range=look.levels, interpolation=_careful())
    frame.colorspace = look.matrix  # PyAV has exchanged numbers of equal matrices
    frame.color_primaries, frame.color_trc = look.primaries, look.transfer
    frame.pts, frame.time_base, frame.duration = pts, time_base, duration
    return frame


def _careful() -> Any:
    """Bicubic, with exact rounding and full chroma."""
    kinds = load_av().video.reformatter.Interpolation
    return kinds.BICUBIC | kinds.ACCURATE_RND | kinds.FULL_CHR_H_INT | kinds.FULL_CHR_H_INP
