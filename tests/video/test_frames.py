"""Frames to pictures and back: colours come through in every matrix, range and depth."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from deltasr.video.frames import frame_of, look_for, picture_of

av = pytest.importorskip("av", reason="needs the extra 'video'")


def patches(pixel_format: str, matrix: int, levels: int) -> av.VideoFrame:
    """Patches of colour, so large that subsampled chroma does not matter, tagged with a matrix and a range."""
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (4, 6, 3), dtype=np.uint8)
    rgb = av.VideoFrame.from_ndarray(np.repeat(np.repeat(colours, 16, 0), 16, 1), format="rgb24")
    rgb.colorspace = matrix
    frame = rgb.reformat(format=pixel_format, dst_color_range=levels)
    frame.colorspace = matrix
    return frame


def middles(frame: av.VideoFrame) -> np.ndarray:
    """The middle of each patch in RGB, in 8-bit levels."""
    pixels = picture_of(frame).pixels
    return pixels[8::16, 8::16] / (257 if pixels.dtype == np.uint16 else 1)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(("matrix", "levels"), [(1, 1), (1, 2), (5, 1), (9, 1), (2, 0)])
def test_there_and_back(pixel_format: str, matrix: int, levels: int):
    frame = patches(pixel_format, matrix, levels)
    look, lost = look_for(frame, "hevc")
    again = frame_of(picture_of(frame), look, pts=7, time_base=Fraction(1, 30), duration=1)
    assert lost == ()
    assert (again.format.name, again.pts) == (pixel_format, 7)
    assert int(again.colorspace) == matrix
    assert np.abs(middles(again) - middles(frame)).max() <= 2
    for mine, theirs in zip(again.to_ndarray().ravel()[:200], frame.to_ndarray().ravel()[:200], strict=True):
        assert abs(int(mine) - int(theirs)) <= (4 if "10" in pixel_format else 2)


def test_the_matrix_matters():
    """BT.709 read as BT.601 would shift colours by more than the tolerance above."""
    right, wrong = patches("yuv444p", 1, 1), patches("yuv444p", 1, 1)
    wrong.colorspace = 5
    assert np.abs(middles(right) - middles(wrong)).max() > 8


def test_full_range_of_old_names_is_kept():
    frame = patches("yuvj420p", 5, 2)
    look, _ = look_for(frame, "h264")
    assert (look.pixel_format, look.levels) == ("yuv420p", 2)


def test_rgb_becomes_bt709_without_subsampling():
    look, lost = look_for(av.VideoFrame(8, 8, "gbrp"), "h264")
    assert (look.pixel_format, look.matrix, lost) == ("yuv444p", 1, ())


@pytest.mark.parametrize(
    ("pixel_format", "codec", "expected", "sentence"),
    [
        ("yuv444p", "av1", "yuv420p", "half the resolution"),
        ("yuv422p10le", "av1", "yuv420p10le", "half the resolution"),
        ("yuv420p12le", "hevc", "yuv420p10le", "12 bits became 10"),
        ("yuva420p", "h264", "yuv420p", "Transparency"),
        ("gray", "h264", "yuv420p", None),
    ],
)
def test_what_a_codec_cannot_hold_is_told(pixel_format: str, codec: str, expected: str, sentence: str | None):
    look, lost = look_for(av.VideoFrame(8, 8, pixel_format), codec)
    assert look.pixel_format == expected
    assert (sentence is None and lost == ()) or sentence in lost[0]
