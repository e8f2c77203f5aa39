"""The estimator's table: a row for each set, way of storing and strength, with what follows from the estimates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deltasr.degradation.estimate import Estimate
from deltasr.experiments.experiment import Settings
from deltasr.experiments.own import estimator
from deltasr.imaging import Picture


@pytest.fixture
def given(settings: Settings) -> Settings:
    return replace(settings, data=None, images=None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """The pictures that are judged, each taken for one of strength 0.25."""
    seen: list[Picture] = []

    def judge(picture: Picture) -> Estimate:
        seen.append(picture)
        return Estimate(strength=0.25, quality=None, from_file=False, further=len(seen) % 2 == 0)

    monkeypatch.setattr(estimator, "_estimated", judge)
    return seen


def test_a_row_for_each_way_and_strength(given: Settings, made: list[Picture]):
    result = estimator.EXPERIMENT.run(given)
    rows = [row.cells for row in result.table.rows]
    assert [(cells["pictures as"], cells["strength"]) for cells in rows] == [
        *(("PNG", strength) for strength in (0.0, 0.2, 0.5, 0.8)),
        *(("JPEG", strength) for strength in (0.2, 0.5, 0.8)),
    ]
    for cells in rows:
        assert (cells["set"], cells["estimated"], cells["spread"]) == ("Tiny", 0.25, 0.0)
        assert cells["error"] == cells["worst error"] == pytest.approx(abs(0.25 - float(cells["strength"])))
    assert [cells["further"] for cells in rows] == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert len(result.plots) == 1


def test_files_say_their_quality_and_pngs_nothing(given: Settings, made: list[Picture]):
    estimator.EXPERIMENT.run(given)
    first_steps = [None if picture.compression is None else picture.compression.luma_table[0] for picture in made]
    assert first_steps == [None] * 4 + [9, 27, 2]
    assert {(picture.height, picture.width) for picture in made} == {(16, 16)}


def test_all_strengths_without_haste(given: Settings, made: list[Picture], tmp_path: Path):
    result = estimator.EXPERIMENT.run(replace(given, quick=False))
    assert len(result.table.rows) == 12 + 11


def test_a_files_estimate_is_its_table(given: Settings):
    rows = [row.cells for row in estimator.EXPERIMENT.run(given).table.rows]
    (cells,) = [cells for cells in rows if (cells["pictures as"], cells["strength"]) == ("JPEG", 0.2)]
    assert float(cells["estimated"]) >= 0.2
