"""Fonts on this machine, and the split into those for training and those for tests."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from deltasr.errors import TrainingError
from deltasr.training.data.graphics.fonts import (
    ALPHABETS,
    HELD_OUT,
    FontSet,
    find_fonts,
    held_out_fonts,
    training_fonts,
)

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib's fonts are not installed")


def families(fonts: FontSet) -> set[str]:
    return {face.family for face in fonts.faces}


@pytest.fixture
def dejavu() -> Path:
    return next(Path(face.file) for face in find_fonts(system=False).faces if face.family == "DejaVu Serif")


@needs_matplotlib
def test_no_font_is_for_training_and_for_tests():
    everything, training, test = find_fonts(), training_fonts(), held_out_fonts()
    assert not families(training) & families(test)
    assert not any(family.lower().startswith(HELD_OUT) for family in families(everything.training()))
    assert {*everything.training().faces, *everything.test().faces} == set(everything.faces)
    assert {"DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "Computer Modern"} <= families(training)
    assert families(test) == {"Aileron", "Computer Modern Typewriter", "STIXGeneral"}


def test_pillow_alone_has_a_font_for_tests(tmp_path, monkeypatch):
    monkeypatch.setattr("deltasr.training.data.graphics.fonts.find_spec", lambda name: None)
    assert families(held_out_fonts()) == {"Aileron"}
    with pytest.raises(TrainingError, match="install matplotlib"):
        training_fonts(tmp_path)


def test_fonts_are_found_without_a_home_folder(monkeypatch):
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert "Aileron" in families(find_fonts())


@needs_matplotlib
def test_fonts_of_signs_are_left_out():
    found = families(find_fonts(system=False))
    assert not {name for name in found if name.startswith(("cm", "STIXSize", "STIXNon", "Last Resort"))}


@needs_matplotlib
def test_a_folder_takes_the_place_of_the_systems(tmp_path, dejavu):
    assert find_fonts(tmp_path) == find_fonts(system=False)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "broken.ttf").write_bytes(b"no font")
    shutil.copy(dejavu, tmp_path / "deep" / "copy.TTF")
    again = find_fonts(tmp_path)
    assert [(face.family, face.style) for face in again.faces] == [
        (face.family, face.style) for face in find_fonts(system=False).faces
    ]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(TrainingError, match="is not a folder of fonts"):
        find_fonts(tmp_path / "nowhere")


@needs_matplotlib
def test_a_face_is_found_by_what_it_must_do():
    fonts = training_fonts()
    for seed in range(20):
        assert fonts.any(Random(seed), monospaced=True).monospaced
        assert "cyrillic" in fonts.any(Random(seed), alphabet="cyrillic").alphabets
        assert not fonts.any(Random(seed)).italic
    upright = fonts.any(Random(0), monospaced=True)
    bold = fonts.variant(upright, bold=True)
    assert (bold.family, bold.bold, bold.italic) == (upright.family, True, False)
    assert fonts.variant(bold) == fonts.variant(upright)
    slanted = fonts.variant(upright, bold=True, italic=True)
    assert (slanted.bold, slanted.italic) == (True, True)


def test_pillows_font_has_no_umlauts_and_says_so():
    aileron = next(face for face in find_fonts(system=False).faces if face.family == "Aileron")
    assert aileron.alphabets == ("ascii",)
    assert set(ALPHABETS) > {"ascii"}
    assert aileron.at(20).getlength("word") == pytest.approx(2 * aileron.at(10).getlength("word"), rel=0.2)
