"""Whole pictures: the same from the same seed, different from others, of every kind and size."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from random import Random

import numpy as np
import pytest

from deltasr.errors import SettingError
from deltasr.training.data.graphics.fonts import FontSet, find_fonts
from deltasr.training.data.graphics.pictures import KINDS, draw, render
from deltasr.training.data.graphics.scene import Scene

SCENES = [scene for _, scenes in KINDS.values() for scene in scenes]


@pytest.fixture(scope="module")
def fonts() -> FontSet:
    return find_fonts(system=False)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process_too(fonts):
    here = [digest(picture.pixels) for picture in render(6, 5, height=96, width=130, fonts=fonts)]
    code = """
import hashlib
from deltasr.training.data.graphics.fonts import find_fonts
from deltasr.training.data.graphics.pictures import render
for picture in render(6, 5, height=96, width=130, fonts=find_fonts(system=False)):
    print(hashlib.sha256(picture.pixels.tobytes()).hexdigest())
"""
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert printed.split() == here


def test_a_picture_does_not_depend_on_those_before_it(fonts):
    several = [digest(picture.pixels) for picture in render(5, 1, height=64, width=64, fonts=fonts)]
    fewer = [digest(picture.pixels) for picture in render(3, 1, height=64, width=64, fonts=fonts)]
    assert several[:3] == fewer
    alone = draw(12, height=64, width=64, fonts=fonts).pixels
    draw(13, height=64, width=64, fonts=fonts)
    assert digest(draw(12, height=64, width=64, fonts=fonts).pixels) == digest(alone)


def test_seeds_differ(fonts):
    pictures = [picture for seed in (0, 1) for picture in render(20, seed, height=128, width=128, fonts=fonts)]
    assert len({digest(picture.pixels) for picture in pictures}) == 40
    assert len({picture.kind for picture in pictures}) == len(KINDS)


def test_there_are_light_and_dark_pictures_and_strong_colours(fonts):
    pictures = [picture.pixels for picture in render(40, 3, height=256, width=256, fonts=fonts)]
    means = [pixels.mean() for pixels in pictures]
    assert sum(mean < 90 for mean in means) >= 3
    assert sum(mean > 200 for mean in means) >= 8
    strength = [int(np.ptp(pixels.astype(int), axis=2).max()) for pixels in pictures]
    assert sum(value > 128 for value in strength) >= 20


def test_edges_are_sharp_and_some_pictures_are_not_smoothed_at_all(fonts):
    drawn = render(30, 2, height=256, width=256, fonts=fonts, kinds=["text", "interface", "logo", "drawing"])
    pictures = [picture.pixels for picture in drawn]
    steps = [np.abs(np.diff(pixels.astype(int), axis=1)).max() for pixels in pictures]
    assert sum(step > 128 for step in steps) >= 24
    colours = [len(np.unique(pixels.reshape(-1, 3), axis=0)) for pixels in pictures]
    assert sum(count <= 16 for count in colours) >= 1
    assert sum(count >= 100 for count in colours) >= 20


@pytest.mark.parametrize("zoom", [1, 2.2, 6])
@pytest.mark.parametrize("make", SCENES, ids=lambda make: make.__name__)
def test_every_scene_is_drawn_at_every_zoom(make, zoom, fonts):
    photograph = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for seed in range(3):
        image = make(Scene(Random(seed), 300, 260, zoom, fonts, [photograph] if seed else []))
        assert (image.size, image.mode) == ((300, 260), "RGB")
        assert len(image.getcolors(300 * 260)) > 1


@pytest.mark.parametrize("size", [(32, 32), (33, 300), (290, 40), (257, 511)])
@pytest.mark.parametrize("kind", KINDS)
def test_any_size_of_any_kind(size, kind, fonts):
    picture = draw(4, height=size[0], width=size[1], fonts=fonts, kinds=[kind])
    assert (picture.kind, picture.pixels.shape, picture.pixels.dtype) == (kind, (*size, 3), np.uint8)
    assert picture.pixels.flags.c_contiguous
    assert np.ptp(picture.pixels) > 0


def test_photographs_lie_under_text(fonts):
    red = np.zeros((400, 500, 3), np.uint8)
    red[..., 0] = np.arange(500) % 200 + 50
    red[..., 1] = 3
    drawn = [
        draw(seed, height=256, width=256, fonts=fonts, backgrounds=[red], kinds=["text", "interface"]).pixels
        for seed in range(24)
    ]
    shares = [((pixels[..., 1] <= 4) & (pixels[..., 2] <= 1) & (pixels[..., 0] >= 40)).mean() for pixels in drawn]
    assert sum(share > 0.2 for share in shares) >= 3


def test_what_cannot_be_drawn_is_told(fonts):
    with pytest.raises(SettingError, match="31x200 is too small"):
        draw(0, height=200, width=31, fonts=fonts)
    with pytest.raises(SettingError, match="no kind of picture named photo; kinds are text, "):
        draw(0, height=64, width=64, fonts=fonts, kinds=["text", "photo"])
    with pytest.raises(SettingError, match="at least one kind"):
        draw(0, height=64, width=64, fonts=fonts, kinds=[])
