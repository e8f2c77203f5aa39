"""The dial from one end to the other: a row and a point for each setting, and what the numbers do."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deltasr.errors import SettingError
from deltasr.evaluation.lpips import Lpips
from deltasr.experiments.experiment import Settings
from deltasr.experiments.measuring import Meter, Scores
from deltasr.experiments.own import dial
from deltasr.experiments.plots import Panel
from deltasr.experiments.tables import THIS_RUN
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with LPIPS through both networks, random but positive."""
    torch.manual_seed(0)
    for net in ("alex", "squeeze"):
        module = Lpips(net=net)
        for name, parameter in module.named_parameters():
            if name.startswith("lin"):
                parameter.data.abs_()
        torch.save(module.state_dict(), tmp_path / f"lpips_{net}_v0.1.pth")
    return tmp_path


@pytest.fixture
def given(settings: Settings, weights: Path, dial_checkpoint: Path) -> Settings:
    """A run on a model with a dial."""
    return replace(
        settings,
        data=None,
        images=None,
        sets=(replace(settings.sets[0], border=0),),
        lpips=weights,
        checkpoints={"mine": dial_checkpoint},
    )


def test_a_row_and_a_point_for_each_setting(given: Settings, monkeypatch: pytest.MonkeyPatch):
    drawn: list[Panel] = []
    draw = dial.draw_panels
    monkeypatch.setattr(dial, "draw_panels", lambda panels, *, title: drawn.extend(panels) or draw(panels, title=title))
    result = dial.EXPERIMENT.run(given)
    rows = [row.cells for row in result.table.rows if row.source == THIS_RUN]
    fidelities = ["0", "0.25", "0.5", "0.75", "1"]
    assert [(cells["model"], cells["fidelity"], cells["set"]) for cells in rows] == [
        ("mine", fidelity, "Tiny") for fidelity in fidelities
    ]
    titles = [column.title for column in result.table.columns]
    assert titles == ["model", "fidelity", "set", "pictures", "PSNR-Y", "SSIM-Y", "LPIPS", "LPIPS-squeeze", "LR-PSNR"]
    assert len({cells["PSNR-Y"] for cells in rows}) == len(fidelities)
    assert all(cells["LPIPS"] != cells["LPIPS-squeeze"] for cells in rows)
    assert "mine: 0.75 is its default." in result.notes
    assert "LPIPS-squeeze favours models that were trained by it." in result.notes
    assert len(result.plots) == 1
    ((line,),) = [panel.series for panel in drawn]
    assert (line.label, line.captions, line.joined) == ("mine", fidelities, True)
    assert (line.x, line.y) == ([cells["PSNR-Y"] for cells in rows], [cells["LPIPS"] for cells in rows])


@pytest.mark.parametrize(
    ("psnr", "lpips", "said"),
    [
        ((20, 21, 22, 22, 23), (0.1, 0.2, 0.3, 0.4, 0.5), "PSNR-Y rises monotonically, and LPIPS rises monotonically"),
        (
            (20, 21, 20.9, 22, 23),
            (0.5, 0.4, 0.3, 0.3, 0.1),
            "is not monotonic, and LPIPS falls monotonically",
        ),
        ((20,) * 5, (0.1, 0.2, 0.3, 0.2, 0.5), "PSNR-Y does not change, and LPIPS is not monotonic"),
    ],
)
def test_a_note_says_how_the_numbers_move(
    psnr: tuple[float, ...],
    lpips: tuple[float, ...],
    said: str,
    given: Settings,
    monkeypatch: pytest.MonkeyPatch,
):
    numbers = dict(zip(dial.FIDELITIES, zip(psnr, lpips, strict=True), strict=True))

    def scores(self: Meter, label: str, model: object, *, fidelity: float) -> list[Scores]:
        y, distance = numbers[fidelity]
        facts = {"ssim_y": 0.5, "lr_psnr": 50.0, "seconds": 1.0, "further": {"LPIPS-squeeze": 0.5}}
        return [Scores(dataset="Tiny", pictures=1, psnr_y=y, lpips=distance, **facts)]

    monkeypatch.setattr(Meter, "measure", scores)
    (sentence,) = [note for note in dial.EXPERIMENT.run(given).notes if "monotonic" in note]
    assert sentence.startswith("mine on Tiny, from fidelity 0 to 1: PSNR-Y ")
    assert said in sentence


def test_other_methods_stand_beside_the_sets_that_they_were_measured_on(
    given: Settings, monkeypatch: pytest.MonkeyPatch
):
    (test_set,) = given.sets
    benchmark = replace(test_set.benchmark, name="DeltaDiffSet14", pairs=test_set.benchmark.pairs * 14)
    monkeypatch.setattr(dial, "FIDELITIES", (0.0, 1.0))
    whole = replace(given, sets=(replace(test_set, benchmark=benchmark),))
    quick = dial.EXPERIMENT.run(whole)
    assert all(row.source == THIS_RUN for row in quick.table.rows), "a quick run measures three pictures"
    result = dial.EXPERIMENT.run(replace(whole, quick=False))
    others = {row.cells["model"]: row for row in result.table.rows if row.source != THIS_RUN}
    assert others.keys() == {"RLFN", "RFDN", "IMDN", "LWFANet", "SRGAN", "DeltaDiff's released pictures"}
    published = others["DeltaDiff's released pictures"].cells
    assert (published["PSNR-Y"], published["SSIM-Y"], published["LPIPS"]) == (24.19, 0.6796, 0.2065)


def test_without_squeezenet_its_column_is_left_out(given: Settings, weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dial, "FIDELITIES", (0.0, 1.0))
    result = dial.EXPERIMENT.run(replace(given, lpips=weights / "lpips_alex_v0.1.pth"))
    assert "LPIPS-squeeze" not in [column.title for column in result.table.columns]
    assert any(note.startswith("LPIPS-squeeze is left out: ") for note in result.notes)
    assert not any("favours" in note for note in result.notes)


def test_it_needs_lpips_through_alexnet(given: Settings, weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DELTASR_LPIPS", raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)
    for source in (None, weights / "lpips_squeeze_v0.1.pth"):
        with pytest.raises(SettingError, match=r"LPIPS through AlexNet; .* by --lpips"):
            dial.EXPERIMENT.run(replace(given, lpips=source))


def test_it_measures_the_default_model_or_those_given_if_they_have_a_dial(
    given: Settings, tmp_path: Path, dial_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "plain.safetensors"
    checkpoint.save(DeltaDiff(steps=2), path)
    with pytest.raises(SettingError, match="plain has no fidelity dial; give a model that has one by --checkpoint"):
        dial.EXPERIMENT.run(replace(given, checkpoints={**given.checkpoints, "plain": path}))
    loaded = {"plain": catalogue.load(path), "dialled": catalogue.load(dial_checkpoint)}
    monkeypatch.setattr(dial, "FIDELITIES", (0.0, 1.0))
    monkeypatch.setattr(catalogue, "load", lambda name: loaded[name])
    monkeypatch.setattr(catalogue, "DEFAULT", "plain")
    with pytest.raises(SettingError, match="plain has no fidelity dial"):
        dial.EXPERIMENT.run(replace(given, checkpoints={}))
    monkeypatch.setattr(catalogue, "DEFAULT", "dialled")
    rows = dial.EXPERIMENT.run(replace(given, checkpoints={})).table.rows
    assert {row.cells["model"] for row in rows} == {"dialled"}
