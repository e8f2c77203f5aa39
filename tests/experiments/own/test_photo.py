"""Degraded sets: what is measured on them, by which models, and what the figure shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deltasr.errors import SettingError
from deltasr.evaluation.degraded import degrade_picture
from deltasr.evaluation.sets import find_set
from deltasr.experiments.experiment import Settings, TestSet
from deltasr.experiments.measuring import Meter
from deltasr.experiments.own import photo
from deltasr.experiments.plots import Strip
from deltasr.imaging import read_picture, read_rgb8
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff


@pytest.fixture
def given(settings: Settings, dial_checkpoint: Path) -> Settings:
    """A run with a model that has a dial."""
    return replace(settings, data=None, images=None, checkpoints={"mine": dial_checkpoint})


@pytest.fixture
def strips(monkeypatch: pytest.MonkeyPatch) -> list[Strip]:
    """What the figure is drawn from."""
    drawn: list[Strip] = []
    draw = photo.draw_strips
    monkeypatch.setattr(photo, "draw_strips", lambda given, *, title: drawn.extend(given) or draw(given, title=title))
    return drawn


def test_a_row_for_each_model_and_setting_of_a_dial(given: Settings, strips: list[Strip]):
    result = photo.EXPERIMENT.run(given)
    rows = [row.cells for row in result.table.rows]
    clean = catalogue.load(catalogue.DEFAULT)
    default = f"{clean.default_fidelity:g}" if clean.dial else ""
    expected = [("bicubic", ""), (catalogue.DEFAULT, default), ("mine", "0"), ("mine", "0.5"), ("mine", "1")]
    assert [(cells["model"], cells["fidelity"]) for cells in rows if cells["model"] != photo.PHOTO] == expected
    assert len({cells["PSNR-Y"] for cells in rows}) == len(rows)
    assert len(result.plots) == 1
    captions = [caption for caption, _ in strips[0].pictures if photo.PHOTO not in caption]
    assert captions == ["HR", "LR", "bicubic", catalogue.DEFAULT, "mine at 1", "mine at 0"]


def test_what_is_measured_is_what_degrade_makes(given: Settings, monkeypatch: pytest.MonkeyPatch):
    (pair,) = given.sets[0].benchmark.pairs
    expected = degrade_picture(read_picture(pair.hr), name="one", kind="realesrgan", scale=4, seed=1)
    seen = []
    measure = Meter.measure

    def looked_at(self: Meter, *arguments: object, **options: object) -> object:
        (measured,) = self.sets[0].benchmark.pairs
        assert (measured.name, measured.hr) == (pair.name, pair.hr)
        assert measured.lr is not None
        seen.append(read_picture(measured.lr).pixels)
        return measure(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Meter, "measure", looked_at)
    result = photo.EXPERIMENT.run(given)
    assert seen
    assert all(np.array_equal(pixels, expected.picture.pixels) for pixels in seen)
    assert any(expected.line.operations in note for note in result.notes)


def test_strips_show_the_same_place_of_every_picture(larger_settings: Settings, given: Settings, strips: list[Strip]):
    photo.EXPERIMENT.run(replace(given, sets=larger_settings.sets))
    hr = read_rgb8(larger_settings.sets[0].benchmark.pairs[0].hr)
    pictures = dict(strips[0].pictures)
    assert {picture.shape for picture in pictures.values()} == {(144, 144, 3)}
    assert np.array_equal(pictures["HR"], hr[56:200, 56:200])
    lr = pictures["LR"]
    assert np.array_equal(lr[::4, ::4].repeat(4, axis=0).repeat(4, axis=1), lr)


def test_strips_are_of_the_first_the_middle_and_the_last_picture(given: Settings, strips: list[Strip], tmp_path: Path):
    folder = given.sets[0].benchmark.pairs[0].hr.parent
    for name in ("b", "c", "d", "e"):
        (folder / f"{name}.png").write_bytes((folder / "one.png").read_bytes())
    sets = (TestSet(benchmark=find_set(folder)),)
    photo.EXPERIMENT.run(replace(given, sets=sets, quick=False))
    assert [strip.label for strip in strips] == ["b", "d", "one"]


def test_a_model_without_a_dial_has_one_row_and_one_picture(given: Settings, strips: list[Strip], tmp_path: Path):
    path = tmp_path / "plain.safetensors"
    checkpoint.save(DeltaDiff(steps=2, consistent=False), path)
    result = photo.EXPERIMENT.run(replace(given, checkpoints={"plain": path}))
    assert [row.cells["fidelity"] for row in result.table.rows if row.cells["model"] == "plain"] == [""]
    assert [caption for caption, _ in strips[0].pictures if caption.startswith("plain")] == ["plain"]
    (projected,) = [note for note in result.notes if note.startswith("Projected onto their input here")]
    assert catalogue.DEFAULT in projected
    assert "plain" not in projected


def test_the_bundled_model_always_takes_part(given: Settings):
    rows = photo.EXPERIMENT.run(replace(given, checkpoints={})).table.rows
    assert [row.cells["fidelity"] for row in rows if row.cells["model"] == photo.PHOTO] == ["0", "0.5", "1"]


def test_names_of_other_rows_are_refused(given: Settings):
    with pytest.raises(SettingError, match="--checkpoint bicubic is the name of another model"):
        photo.EXPERIMENT.run(replace(given, checkpoints={"bicubic": given.checkpoints["mine"]}))
