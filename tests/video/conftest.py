"""Videos that PyAV makes, as small as codecs take them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import deltasr
from deltasr.inference.batch import Request
from deltasr.inference.upscaler import Upscaler
from deltasr.planning import Job, Outcome
from deltasr.video.formats import Encoding
from deltasr.video.upscaling import upscale_clip

av = pytest.importorskip("av", reason="needs the extra 'video'")


def moving(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """A smooth pattern that moves by one pixel with each frame, (H, W, 3)."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin((columns + number) / 5), np.cos((rows + number) / 4), np.sin((rows + columns) / 7)]
    return np.stack([np.round(127.5 + 90 * wave) for wave in waves], axis=-1).astype(np.uint8)


CHAPTER = {"title": "One"}


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip: frames at times in 1/30 s, with or without audio and subtitles and turned by some degrees."""

    def made(
        name: str = "clip.mp4",
        *,
        times: Sequence[int] = range(8),
        size: tuple[int, int] = (16, 24),
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        audio: str | None = None,
        subtitle: bool = False,
        turned: int | None = None,
        colour: tuple[int, int, int, int] = (1, 1, 1, 1),
        time_base: Fraction = Fraction(1, 30),
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            output.metadata["title"] = "Waves"
            output.set_chapters(
                [{"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": CHAPTER}]
            )
            video = output.add_stream(codec, rate=30, options={"crf": "10"})
            video.height, video.width = size
            video.pix_fmt, video.time_base = pixel_format, time_base
            video.codec_context.time_base = time_base
            context = video.codec_context
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = colour
            if turned is not None:
                video.set_display_rotation(turned)
            sound = None if audio is None else output.add_stream(audio, rate=48000, layout="mono")
            if sound is not None:
                sound.metadata["language"] = "deu"
            text = output.add_mux_stream("mov_text" if path.suffix == ".mp4" else "subrip") if subtitle else None
            for number, time in enumerate(times):
                pixels = moving(number, *size)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                    format=pixel_format, dst_colorspace=colour[0], dst_color_range=colour[1]
                )
                frame.color_primaries, frame.color_trc = colour[2:]
                frame.pts, frame.time_base = time, Fraction(1, 30)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
            if sound is not None:
                wave = (8000 * np.sin(np.arange(1024 * 12) / 20)).astype(np.int16)
                resampler = av.AudioResampler(format=sound.format, layout="mono", rate=48000)
                for place in range(0, len(wave), 1024):
                    piece = av.AudioFrame.from_ndarray(wave[None, place : place + 1024], format="s16", layout="mono")
                    piece.sample_rate, piece.pts, piece.time_base = 48000, place, Fraction(1, 48000)
                    for converted in resampler.resample(piece):
                        output.mux(sound.encode(converted))
                output.mux(sound.encode(None))
            if text is not None:
                words = b"Hello"
                packet = av.Packet(struct.pack(">H", len(words)) + words if path.suffix == ".mp4" else words)
                packet.stream, packet.time_base = text, Fraction(1, 1000)
                packet.pts = packet.dts = 100
                packet.duration = 150
                output.mux(packet)
        return path

    return made


@pytest.fixture
def frames_of() -> Callable[[Path], list]:
    """All frames of a video, decoded."""

    def frames(path: Path) -> list:
        with av.open(str(path)) as container:
            return list(container.decode(video=0))

    return frames


@pytest.fixture
def packets_of() -> Callable[[Path, str], list[tuple[Fraction, bytes]]]:
    """Time and content of each packet of the first stream of a kind."""

    def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
        with av.open(str(path)) as container:
            stream = next(stream for stream in container.streams if stream.type == kind)
            return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.dts is not None]

    return packets


@pytest.fixture
def upscale(tmp_path: Path) -> Callable[..., tuple[Path, Outcome]]:
    """Upscales a clip by bicubic interpolation, and returns the result's file and the outcome."""

    def upscaled(
        source: Path, name: str = "large.mp4", *, crf: float = 4, codec: str | None = None, **settings: object
    ):
        target = tmp_path / "results" / name
        outcome = upscale_clip(
            Job(source=source, target=target),
            upscaler=Upscaler(deltasr.load("bicubic"), device="cpu"),
            request=Request(**settings),
            encoding=Encoding(crf=crf, codec=codec),
        )
        return target, outcome

    return upscaled
