"""Scores on the sets of an experiment."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deltasr.evaluation.sets import find_set
from deltasr.experiments.experiment import Settings, TestSet
from deltasr.experiments.measuring import QUICK_PICTURES, Meter, perception_panels, squeeze_lpips
from deltasr.experiments.tables import THIS_RUN, Row
from deltasr.models import catalogue


@pytest.fixture
def meter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Meter:
    monkeypatch.delenv("DELTASR_LPIPS", raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)
    return Meter(settings)


def test_rows_hold_the_scores_and_what_they_belong_to(meter: Meter):
    (row,) = meter.rows("bicubic", catalogue.load("bicubic"), {"T": 1})
    assert row.cells["T"] == 1
    assert row.cells["set"] == "Tiny"
    assert row.cells["LPIPS"] is None
    assert isinstance(row.cells["PSNR-Y"], float)
    assert "LPIPS is left out" in meter.notes()[-1]


def test_borders_are_those_of_the_sets(settings: Settings, meter: Meter):
    whole = replace(settings, sets=(replace(settings.sets[0], border=0),))
    bicubic = catalogue.load("bicubic")
    assert meter.measure("bicubic", bicubic)[0].psnr_y != Meter(whole).measure("bicubic", bicubic)[0].psnr_y
    assert "Tiny (1 picture, border of the scale left out)" in meter.scale()
    assert "Tiny (1 picture, whole pictures)" in Meter(whole).scale()


def test_lpips_and_the_first_pictures_of_a_quick_run(settings: Settings, shared: Path):
    test_set = TestSet(benchmark=find_set(shared / "data/eval/DeltaDiffSet14"), border=0)
    meter = Meter(replace(settings, sets=(test_set,), lpips=shared / "models/lpips_alex_v0.1.pth"))
    assert len(meter.sets[0].benchmark.pairs) == QUICK_PICTURES < len(test_set.benchmark.pairs)
    published = shared / "data/eval/DeltaDiffSet14/published"
    ready = meter.measure_ready("published", published, meter.sets[0])
    bicubic = meter.measure("bicubic", catalogue.load("bicubic"))[0]
    assert ready.lpips < bicubic.lpips
    assert ready.psnr_y > bicubic.psnr_y


def test_without_squeezenet_a_sentence_says_why(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DELTASR_LPIPS", raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)
    found, (why,) = squeeze_lpips(settings)
    assert found == {}
    assert why == "LPIPS-squeeze is left out: give its weights by --lpips FILE or DELTASR_LPIPS."
    found, (why,) = squeeze_lpips(replace(settings, lpips=tmp_path / "absent.pth"))
    assert found == {}
    assert why.startswith("LPIPS-squeeze is left out: ")
    assert "absent.pth" in why


def test_panels_hold_the_sets_that_were_measured():
    def row(name: str, dataset: str, psnr: float, lpips: float | None, source: str = THIS_RUN) -> Row:
        return Row(cells={"model": name, "set": dataset, "PSNR-Y": psnr, "LPIPS": lpips}, source=source)

    rows = [row("ours", "A", 20, 0.5), row("no LPIPS", "A", 21, None), row("theirs", "A", 22, 0.3, "paper")]
    (panel,) = perception_panels([*rows, row("elsewhere", "B", 23, 0.2, "paper")], label="model")
    ours, published = panel.series
    assert (panel.title, ours.label, list(ours.x), list(ours.y)) == ("A", "ours", [20.0], [0.5])
    assert (published.label, list(published.x), published.published) == ("theirs (published)", [22.0], True)


def test_rows_of_one_name_are_joined_and_captioned():
    def row(name: str, at: str, psnr: float, source: str = THIS_RUN) -> Row:
        return Row(cells={"model": name, "at": at, "set": "A", "PSNR-Y": psnr, "LPIPS": psnr / 100}, source=source)

    rows = [row("ours", "0", 20), row("ours", "1", 21), row("other", "0", 22), row("theirs", "", 23, "paper")]
    (panel,) = perception_panels(rows, label="model", caption="at")
    ours, other, theirs = panel.series
    assert (list(ours.x), list(ours.captions), ours.joined) == ([20.0, 21.0], ["0", "1"], True)
    assert (list(other.x), other.joined) == ([22.0], False)
    assert (theirs.label, theirs.joined, list(theirs.captions)) == ("theirs (published)", False, [])


def test_a_fidelity_is_measured(meter: Meter, dial_checkpoint: Path):
    model = catalogue.load(dial_checkpoint)
    natural, own, faithful = (meter.measure("m", model, fidelity=fidelity)[0] for fidelity in (0, None, 1))
    assert len({natural.psnr_y, own.psnr_y, faithful.psnr_y}) == 3
    assert own.psnr_y == meter.measure("m", model, fidelity=0.75)[0].psnr_y
    assert own.lr_psnr > 40, "results are projected onto their input"


def test_ready_results_need_no_lr_pictures(settings: Settings, meter: Meter):
    test_set = settings.sets[0]
    alone = replace(test_set.benchmark, pairs=tuple(replace(pair, lr=None) for pair in test_set.benchmark.pairs))
    without = Meter(replace(settings, sets=(replace(test_set, benchmark=alone),)))
    folder = test_set.benchmark.pairs[0].hr.parent
    assert without.measure_ready("truth", folder, without.sets[0]).psnr_y == float("inf")
