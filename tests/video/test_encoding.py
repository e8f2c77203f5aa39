"""Encoders: the same frames and settings give the same bytes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from deltasr.imaging import Picture
from deltasr.video import encoding
from deltasr.video.encoding import EncoderSettings, encoded
from deltasr.video.formats import CODECS
from deltasr.video.frames import Look, frame_of

pytest.importorskip("av", reason="needs the extra 'video'")

HEIGHT, WIDTH = 64, 272
"""17 blocks of 16 pixels in a row: x264's code for AVX-512 is wrong unless that number is a multiple of 16."""


def settings_of(codec: str) -> EncoderSettings:
    look = Look(pixel_format="yuv420p", matrix=1, levels=1, primaries=1, transfer=1)
    return EncoderSettings(
        codec=codec,
        crf=18,
        size=(HEIGHT, WIDTH),
        look=look,
        rate=Fraction(30),
        time_base=Fraction(1, 30),
        aspect=None,
    )


def noisy_waves(count: int) -> list[Picture]:
    """A pattern that moves by 2 pixels with each frame, under noise of its own in each."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).normal(0, 8, (count, HEIGHT, WIDTH, 3))
    frames = []
    for number in range(count):
        waves = [
            np.sin((columns + 2 * number) / 5),
            np.cos((rows + number) / 7),
            np.sin((rows + columns + number) / 40),
        ]
        levels = 128 + 100 * np.stack(waves, axis=-1) + noise[number]
        frames.append(Picture(pixels=np.clip(levels, 0, 255).astype(np.uint8)))
    return frames


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_bytes_each_time(codec: str):
    settings, pictures = settings_of(codec), noisy_waves(12)

    def content() -> bytes:
        frames = (
            frame_of(picture, settings.look, pts=number, time_base=settings.time_base, duration=1)
            for number, picture in enumerate(pictures)
        )
        return b"".join(packet.content for packet in encoded(frames, settings))

    assert len({content() for _ in range(20 if codec == "h264" else 3)}) == 1


def test_x264_is_kept_from_avx512_and_only_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoding, "has_avx512", lambda: True)
    assert settings_of("h264").options["x264-params"] == "asm=avx2"
    assert "asm=" not in str(settings_of("hevc").options)
    monkeypatch.setattr(encoding, "has_avx512", lambda: False)
    assert "asm=" not in str(settings_of("h264").options)


@pytest.mark.parametrize(
    ("found", "has"),
    [(["X86_V3", "X86_V4", "AVX512_ICL"], True), (["SSE42", "AVX2", "AVX512F"], True), (["X86_V3"], False)],
)
def test_the_processor_is_known_by_numpys_names(monkeypatch: pytest.MonkeyPatch, found: list[str], has: bool):
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {"found": found}})
    assert encoding.has_avx512() == has
