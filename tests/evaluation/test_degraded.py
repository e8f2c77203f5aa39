"""One degraded picture: pixels, and the line about them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from deltasr.degradation import degrade_with_history
from deltasr.degradation.draws import derived_seed
from deltasr.evaluation.degraded import Degraded, degrade_picture
from deltasr.imaging import Picture


def picture(*, bits: int = 8, channels: int = 3, alpha: bool = False) -> Picture:
    dtype = np.dtype(f"uint{bits}")
    levels = np.linspace(0, np.iinfo(dtype).max, 17 * 22 * channels).astype(dtype).reshape(17, 22, channels)
    return Picture(pixels=levels, alpha=levels[..., 0] if alpha else None)


def made(source: Picture, **changed: object) -> Degraded:
    told = {"name": "a", "kind": "realesrgan", "scale": 4, "seed": 1}
    return degrade_picture(source, **{**told, **changed})  # type: ignore[arg-type]


def test_pixels_and_line_are_those_of_the_degradation():
    source = picture()
    lr, (history,) = degrade_with_history(source.to_tensor(), kind="realesrgan", seed=derived_seed(1, "a"))
    degraded = made(source)
    expected = (lr[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    assert np.array_equal(degraded.picture.pixels, expected)
    line = degraded.line
    assert (line.name, line.kind, line.scale, line.seed, line.width, line.height) == ("a", "realesrgan", 4, 1, 5, 4)
    assert line.operations == "; ".join(map(str, history))
    assert line.sha256 == hashlib.sha256(expected.tobytes()).hexdigest()
    assert line.hr_sha256 == hashlib.sha256(source.pixels.tobytes()).hexdigest()
    assert degraded.notes == ("It was cut to 20x16 pixels, multiples of 4.",)


@pytest.mark.parametrize("changed", [{"name": "b"}, {"seed": 2}, {"kind": "bsrgan"}])
def test_name_seed_and_kind_decide(changed):
    first, other = made(picture()).line, made(picture(), **changed).line
    assert first.sha256 != other.sha256
    assert first.operations != other.operations
    assert first.hr_sha256 == other.hr_sha256


def test_the_sum_of_16_bits_is_of_low_byte_first():
    source = picture(bits=16)
    degraded = made(source)
    assert degraded.line.sha256 == hashlib.sha256(degraded.picture.pixels.astype("<u2").tobytes()).hexdigest()
    assert degraded.line.hr_sha256 == hashlib.sha256(source.pixels.astype("<u2").tobytes()).hexdigest()


def test_grey_is_summed_as_the_rgb_that_it_is_degraded_as():
    grey = picture(channels=1)
    rgb = Picture(pixels=np.repeat(grey.pixels, 3, axis=2))
    assert made(grey).line == made(rgb).line


def test_transparency_is_told():
    assert made(picture(alpha=True)).notes[0] == "Its transparency was left out."
