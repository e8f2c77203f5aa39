"""The list of experiments, and the files that running one leaves."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from PIL import Image

from deltasr.errors import SettingError, TrainingError
from deltasr.experiments import catalogue
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.tables import Column, Row, Table


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment of one number."""

    def run(settings: Settings) -> Result:
        series = Series(label="s", x=[0, 1], y=[0, 1])
        return Result(
            table=Table(columns=(Column(title="n"),), rows=(Row(cells={"n": 3}), Row(cells={}, source="paper"))),
            plots=(draw_panels([Panel(title="p", x="x", y="y", series=[series])], title="t"),) * 2,
            scale=("This run: nothing.",),
        )

    experiment = Experiment(
        name="example", title="An example", source="Nobody, Table 0.", run=run, trains=True, measures=True
    )
    monkeypatch.setitem(catalogue.EXPERIMENTS, "example", experiment)
    return experiment


def test_every_experiment_has_its_own_name():
    assert {name: e.name for name, e in catalogue.EXPERIMENTS.items()} == {name: name for name in catalogue.EXPERIMENTS}
    assert {
        "resshift-table-1",
        "resshift-table-2",
        "resshift-table-3",
        "resshift-figure-3",
        "resshift-figure-7",
        "deltadiff-table-1",
        "deltadiff-table-2",
        "deltadiff-figure-4",
        "teacher-forcing",
        "small-models",
        "dial",
    } <= catalogue.EXPERIMENTS.keys()


def test_a_run_leaves_one_table_in_two_forms_and_one_plot(example: Experiment, settings: Settings):
    folder, _ = catalogue.run("example", settings)
    assert sorted(path.name for path in folder.iterdir()) == ["plot.png", "table.csv", "table.md"]
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))
    assert [row["n"] for row in rows] == ["3", ""]
    width, height = Image.open(folder / "plot.png").size
    assert height > width
    assert str(settings.output) not in (folder / "table.md").read_text()


def test_the_report_states_scale_and_haste(example: Experiment, settings: Settings):
    folder, _ = catalogue.run("example", settings)
    text = (folder / "table.md").read_text()
    for part in ("# An example", "Nobody, Table 0.", "This run: nothing.", "not available", "![Plots](plot.png)"):
        assert part in text
    assert "**A quick run**" in text
    catalogue.run("example", replace(settings, quick=False))
    assert "quick run" not in (folder / "table.md").read_text()


def test_what_is_missing_is_asked_for(settings: Settings):
    with pytest.raises(SettingError, match="no experiment called 'resshift-table-9'; known are resshift-table-1"):
        catalogue.run("resshift-table-9", settings)
    with pytest.raises(SettingError, match="--data"):
        catalogue.run("resshift-table-1", replace(settings, data=None))
    with pytest.raises(SettingError, match="--set"):
        catalogue.run("resshift-table-1", replace(settings, sets=()))
    with pytest.raises(TrainingError, match="nowhere is not a folder"):
        catalogue.run("resshift-table-1", replace(settings, data=settings.output / "nowhere"))


def test_what_is_not_heeded_is_refused(settings: Settings):
    bare = Settings(output=settings.output)
    for option, given in {
        "--data": {"data": settings.data},
        "--images": {"images": 16},
        "--set": {"sets": settings.sets},
        "--checkpoint": {"checkpoints": {"mine": settings.output}},
    }.items():
        name = "resshift-figure-3" if option == "--checkpoint" else "resshift-table-2"
        with pytest.raises(SettingError, match=f"{name} takes no {option}; leave it out"):
            catalogue.run(name, replace(bare, **given))
