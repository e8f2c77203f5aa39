"""A wrong estimate of the degradation: each strength is told each other one, and compared with the estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deltasr.errors import SettingError
from deltasr.experiments.experiment import Settings
from deltasr.experiments.measuring import Meter, Scores
from deltasr.experiments.own import restoration
from deltasr.models import catalogue

STRENGTHS = (0.0, 0.2, 0.5)


@pytest.fixture
def given(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A run whose models' scores are known: 30 dB less the distance from the truth, and 29 dB for `auto`."""

    def measure(self: Meter, label: str, model: object, *, sets, fidelity=None, restoration="auto") -> list[Scores]:
        strengths = restoration_strengths(sets)
        return [
            Scores(
                dataset="Tiny",
                pictures=1,
                psnr_y=20.0 if label == "bicubic" else 29.0 if restoration == "auto" else 30 - abs(restoration - true),
                ssim_y=0.5,
                lpips=None,
                lr_psnr=50.0,
                seconds=0.1,
            )
            for true in strengths
        ]

    def restoration_strengths(sets) -> list[float]:
        return [float(test_set.benchmark.pairs[0].lr.parent.name) for test_set in sets]

    monkeypatch.setattr(Meter, "measure", measure)
    return replace(settings, data=None, images=None)


def test_a_row_for_each_true_strength_and_a_column_for_each_that_is_told(given: Settings):
    rows = [row.cells for row in restoration.EXPERIMENT.run(given).table.rows]
    assert [cells["true strength"] for cells in rows] == list(STRENGTHS)
    for cells in rows:
        true = float(cells["true strength"])
        for told in STRENGTHS:
            assert cells[f"told {told:g}"] == pytest.approx(30 - abs(told - true))
        assert (cells["bicubic"], cells["auto"], cells["set"], cells["model"]) == (20, 29, "Tiny", catalogue.DEFAULT)
        assert cells["lost by auto"] == pytest.approx(1.0)


def test_the_sets_are_really_degraded_and_measured(settings: Settings):
    result = restoration.EXPERIMENT.run(replace(settings, data=None, images=None))
    rows = [row.cells for row in result.table.rows]
    assert len({cells["bicubic"] for cells in rows}) == 3
    for cells in rows:
        assert len({cells[f"told {told:g}"] for told in STRENGTHS}) == 3
    assert len(result.plots) == 1


def test_a_model_that_does_not_restore_is_refused(settings: Settings):
    with pytest.raises(SettingError, match="rrdb has no restoration"):
        restoration.EXPERIMENT.run(replace(settings, data=None, images=None, checkpoints={"rrdb": "rrdb-x4"}))
