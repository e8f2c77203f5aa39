"""Encoding: the settings of an encoder, and packets that leave it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from msgspec import Struct

from deltasr.video.formats import CODECS
from deltasr.video.frames import Look
from deltasr.video.pyav import load_av


def has_avx512() -> bool:
    """Whether this machine's processor has AVX-512, by NumPy's names of it."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return any(name.startswith(("AVX512", "X86_V4")) for name in found)


class EncodedPacket(Struct, frozen=True, array_like=True):
    """A piece of an encoded stream: when and how long it is shown, in units of the time base, and its bytes."""

    pts: int
    duration: int
    is_key: bool
    content: bytes


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """Everything that decides what an encoder writes.

    Attributes:
        codec: a name in `formats.CODECS`.
        crf: its constant rate factor.
        size: (height, width) in pixels.
        look: of the frames.
        rate: frames per second on average; time stamps say when each frame is shown.
        time_base: the unit of time stamps, in seconds.
        aspect: width over height of a pixel; None where it is unknown.
    """

    codec: str
    crf: float
    size: tuple[int, int]
    look: Look
    rate: Fraction
    time_base: Fraction
    aspect: Fraction | None

    @property
    def options(self) -> dict[str, str]:
        """For the encoder, by FFmpeg's names."""
        options = {"crf": f"{self.crf:g}", **dict(CODECS[self.codec].options)}
        if self.codec == "h264" and has_avx512():
            # By AVX-512 x264 gives other bytes from run to run, unless the blocks in a row are a multiple of 16.
            options["x264-params"] = "asm=avx2"
        return options

    def apply(self, context: Any) -> None:
        """Set the attributes of a codec context, or of a stream that passes them on to its own."""
        context.height, context.width = self.size
        context.pix_fmt = self.look.pixel_format
        context.time_base = self.time_base
        context.framerate = self.rate
        context.colorspace, context.color_range = self.look.matrix, self.look.levels
        context.color_primaries, context.color_trc = self.look.primaries, self.look.transfer
        if self.aspect is not None:
            context.sample_aspect_ratio = self.aspect
        context.options = self.options


def encoded(frames: Iterable[Any], settings: EncoderSettings) -> Iterator[EncodedPacket]:
    """The packets of some frames that an encoder of their own compresses, beginning with a key frame.

    Args:
        frames: from `frames.frame_of`; read one at a time.
        settings: of the encoder.
    """
    av = load_av()
    context = av.CodecContext.create(CODECS[settings.codec].encoder, "w")
    settings.apply(context)
    context.flags |= int(av.codec.context.Flags.global_header)  # as all containers in `formats.CONTAINERS` want it
    for frame in frames:
        yield from map(_kept, context.encode(frame))
    yield from map(_kept, context.encode(None))


def _kept(packet: Any) -> EncodedPacket:
    return EncodedPacket(
        pts=packet.pts,
        duration=packet.duration or 0,
        is_key=packet.is_keyframe,
        content=bytes(packet),
    )
