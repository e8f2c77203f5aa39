"""The spectrum along a dial: a row for each setting, its largest ratio, and what the plots show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deltasr.errors import PictureError
from deltasr.experiments.experiment import Settings
from deltasr.experiments.own import spectrum
from deltasr.experiments.plots import Map, Panel
from deltasr.imaging import read_rgb8
from deltasr.inference.upscaler import Upscaler


@pytest.fixture
def given(larger_settings: Settings, dial_checkpoint: Path) -> Settings:
    """A run on a model with a dial, 0.75 by default."""
    return replace(larger_settings, data=None, images=None, checkpoints={"mine": dial_checkpoint})


def test_a_row_for_each_setting(given: Settings, monkeypatch: pytest.MonkeyPatch):
    maps: list[Map] = []
    panels: list[Panel] = []
    draw_maps, draw_panels = spectrum.draw_maps, spectrum.draw_panels
    monkeypatch.setattr(spectrum, "draw_maps", lambda rows, **options: maps.extend(*rows) or draw_maps(rows, **options))
    monkeypatch.setattr(
        spectrum, "draw_panels", lambda drawn, *, title: panels.extend(drawn) or draw_panels(drawn, title=title)
    )
    result = spectrum.EXPERIMENT.run(given)
    rows = [row.cells for row in result.table.rows]
    fidelities = ["0", "0.5", "0.75", "1"]
    assert [(cells["model"], cells["fidelity"], cells["set"]) for cells in rows] == [
        ("mine", fidelity, "Tiny") for fidelity in fidelities
    ]
    assert all(cells["largest"] >= cells["at multiples of 1/4"] for cells in rows)
    assert len({cells["largest"] for cells in rows}) == len(rows)
    assert "mine: 0.75 is its default." in result.notes
    assert [one.title for one in maps] == [f"mine at {fidelity}, Tiny" for fidelity in fidelities]
    assert [float(np.nanmax(one.values)) for one in maps] == [cells["largest"] for cells in rows]
    (panel,) = panels
    lines = panel.series[: len(rows)]
    assert [max(line.y) for line in lines] == [cells["largest"] for cells in rows]
    assert [line.y[0] for line in panel.series[len(rows) :]] == [1.15, 1.25]


def test_the_truth_has_ratio_1_and_a_pattern_is_found(given: Settings, monkeypatch: pytest.MonkeyPatch):
    truth = read_rgb8(given.sets[0].benchmark.pairs[0].hr)
    checked = truth.copy()
    checked[::2] = np.clip(checked[::2].astype(int) + 8, 0, 255)

    def ready(upscaler: Upscaler, lr: NDArray[np.uint8], fidelity: float) -> NDArray[np.uint8]:
        return truth if fidelity == 1 else checked

    monkeypatch.setattr(spectrum, "_upscaled", ready)
    rows = {row.cells["fidelity"]: row.cells for row in spectrum.EXPERIMENT.run(given).table.rows}
    assert [rows["1"][title] for title in ("largest", "at multiples of 1/4", "beyond 1/8")] == [1, 1, 1]
    assert float(rows["0"]["largest"] or 0) > 2
    assert str(rows["0"]["at"]).startswith("0.5")
    assert float(rows["0"]["beyond 1/8"] or 0) > 1
    assert rows["1"]["outside 5x5"] == 0
    assert 0 < float(rows["0"]["outside 5x5"] or 0) < 8


def test_the_default_model_is_measured_where_none_is_given(given: Settings):
    assert list(spectrum._models(replace(given, checkpoints={}))) == ["deltadiff-x4"]


def test_pictures_smaller_than_a_tile_are_refused(given: Settings, settings: Settings):
    (test_set,) = settings.sets
    (pair,) = test_set.benchmark.pairs
    Image.new("RGB", (40, 64)).save(pair.hr)
    assert pair.lr is not None
    Image.new("RGB", (10, 16)).save(pair.lr)
    with pytest.raises(PictureError, match="no tile of 64x64"):
        spectrum.EXPERIMENT.run(replace(given, sets=settings.sets))
