"""Pictures saved as JPEG: what is measured, what is compared with what, and what the strips show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.degradation.strength import strength_of
from deltasr.errors import SettingError
from deltasr.evaluation.sets import find_set
from deltasr.experiments.experiment import Settings, TestSet
from deltasr.experiments.measuring import Meter, Scores
from deltasr.experiments.own import jpeg
from deltasr.experiments.plots import Panel, Strip
from deltasr.imaging import Picture, read_picture, read_rgb8
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff


@pytest.fixture
def restorer(tmp_path: Path) -> Path:
    """A small DeltaDiff with both dials, and random weights that heed them."""
    generator = torch.Generator().manual_seed(0)
    model = DeltaDiff(steps=1, dial=True, default_fidelity=0.75, restoring=True)
    for name, parameter in model.named_parameters():
        gain = 0.05 if "tail" in name or "time" in name else 1.0
        size = parameter[0].numel() if parameter.ndim > 1 else 50
        parameter.data = torch.randn(parameter.shape, generator=generator) * gain / size**0.5
    path = tmp_path / "restorer.safetensors"
    checkpoint.save(model, path)
    return path


@pytest.fixture
def given(settings: Settings, restorer: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A run of bicubic and a model with both dials."""
    monkeypatch.setattr(catalogue, "BUNDLED", {})
    return replace(settings, data=None, images=None, checkpoints={"mine": restorer})


def test_a_row_for_each_file_and_model_compared_with_bicubic_on_the_same_files(given: Settings):
    rows = [row.cells for row in jpeg.EXPERIMENT.run(given).table.rows]
    formats = ["PNG", "JPEG 90", "JPEG 75", "JPEG 50", "JPEG 40", "JPEG 30"]
    told = [("mine", fidelity, told) for told in ("auto", "told", "clean") for fidelity in ("0.75", "1")]
    assert [(cells["saved as"], cells["model"], cells["fidelity"], cells["restoration"]) for cells in rows] == [
        (form, *entrant) for form in formats for entrant in [("bicubic", "", ""), *told]
    ]
    for form in formats:
        bicubic, *others = [cells for cells in rows if cells["saved as"] == form]
        assert bicubic["over bicubic"] == 0
        for cells in others:
            assert cells["over bicubic"] == pytest.approx(float(cells["PSNR-Y"]) - float(bicubic["PSNR-Y"]))
    psnr = [float(cells["PSNR-Y"]) for cells in rows if cells["model"] == "bicubic"]
    assert len(set(psnr)) == 6
    estimates = {str(cells["saved as"]): float(cells["estimated"]) for cells in rows}
    assert [estimates[form] >= strength_of(int(form[5:])) - 0.01 for form in formats[1:]] == [True] * 5


def test_models_are_told_what_the_row_says(given: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jpeg, "QUALITIES", (None, 75, 30))
    asked = []
    measure = Meter.measure

    def heard(self: Meter, label: str, *arguments: object, **options: object) -> list[Scores]:
        if label.startswith("mine at 1 "):
            asked.append((label.partition("(")[2], options["restoration"]))
        return measure(self, label, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Meter, "measure", heard)
    jpeg.EXPERIMENT.run(given)
    assert ("auto, JPEG 30)", "auto") in asked
    assert ("told, PNG)", 0.0) in asked
    assert ("told, JPEG 30)", 0.5) in asked
    assert ("clean, JPEG 30)", 0.0) in asked


def test_some_rows_by_themselves(given: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jpeg, "QUALITIES", (75, 30))
    rows = [row.cells for row in jpeg.EXPERIMENT.run(replace(given, only=("auto",))).table.rows]
    assert {cells["restoration"] for cells in rows} == {"", "auto"}


def test_lr_pictures_are_files_of_that_quality(given: Settings, monkeypatch: pytest.MonkeyPatch):
    seen: list[Picture] = []
    measure = Meter.measure

    def looked_at(self: Meter, label: str, *arguments: object, **options: object) -> list[Scores]:
        if label.startswith("bicubic"):
            seen.append(read_picture(options["sets"][0].benchmark.pairs[0].lr))  # type: ignore[index]
        return measure(self, label, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Meter, "measure", looked_at)
    jpeg.EXPERIMENT.run(replace(given, only=("auto",)))
    lossless, *compressed = seen
    pair = given.sets[0].benchmark.pairs[0]
    assert pair.lr is not None
    assert np.array_equal(lossless.pixels, read_rgb8(pair.lr))
    assert lossless.compression is None
    found = [picture.compression for picture in compressed]
    assert [one and (one.luma_table[0], one.subsampling) for one in found] == [
        (3, "4:2:0"), (8, "4:2:0"), (16, "4:2:0"), (20, "4:2:0"), (27, "4:2:0"),
    ]  # fmt: skip


def test_a_folder_of_hr_pictures_is_a_set(given: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jpeg, "QUALITIES", (75, 30))
    folder = tmp_path / "drawn"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (83, 90, 3), np.uint8)).save(folder / "a.png")
    sets = (TestSet(benchmark=find_set(folder)),)
    rows = jpeg.EXPERIMENT.run(replace(given, sets=sets, only=("auto",))).table.rows
    assert {row.cells["set"] for row in rows} == {"drawn"}


def test_strips_and_plot_show_what_is_told_nothing(given: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jpeg, "QUALITIES", (None, 75, 30))
    strips: list[Strip] = []
    panels: list[Panel] = []
    draw, draw_panels = jpeg.draw_strips, jpeg.draw_panels
    monkeypatch.setattr(jpeg, "draw_strips", lambda drawn, *, title: strips.extend(drawn) or draw(drawn, title=title))
    monkeypatch.setattr(
        jpeg, "draw_panels", lambda drawn, *, title: panels.extend(drawn) or draw_panels(drawn, title=title)
    )
    result = jpeg.EXPERIMENT.run(replace(given, only=("auto", "clean")))
    assert len(result.plots) == 2
    captions = [[caption for caption, _ in strip.pictures] for strip in strips]
    assert captions == [["HR", form, "bicubic", "mine at 0.75", "mine at 1"] for form in ("JPEG 75", "JPEG 30")]
    assert {pixels.shape for _, pixels in strips[0].pictures} == {(64, 64, 3)}
    (panel,) = panels
    assert [line.label for line in panel.series][:3] == ["mine at 0.75", "mine at 1", "mine at 0.75, clean"]
    rows = [row.cells for row in result.table.rows]
    clean = [cells["over bicubic"] for cells in rows if (cells["fidelity"], cells["restoration"]) == ("1", "clean")]
    assert (panel.series[-1].x, panel.series[-1].y) == ([100, 75, 30], clean)


def test_names_of_other_rows_are_refused(given: Settings, restorer: Path):
    with pytest.raises(SettingError, match="--checkpoint bicubic is the name of another model"):
        jpeg.EXPERIMENT.run(replace(given, checkpoints={"bicubic": restorer}))


def test_the_bundled_models_take_part():
    entrants = jpeg._entrants(Settings(output=Path(), only=("auto",)))
    assert entrants[0].name == "bicubic"
    assert [entrant.fidelity for entrant in entrants if entrant.name == catalogue.DEFAULT] == [
        catalogue.load(catalogue.DEFAULT).default_fidelity, 1.0,
    ]  # fmt: skip
