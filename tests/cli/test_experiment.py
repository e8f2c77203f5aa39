"""`deltasr experiment` from the command line to its folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.experiments import catalogue
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.tables import Column, Row, Table

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command_line: Run) -> Run:
    """Runs `deltasr experiment` and returns its exit status and what it printed on either stream."""
    return partial(command_line, "experiment")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What an experiment called `example` was told."""
    told: list[Settings] = []

    def example(settings: Settings) -> Result:
        told.append(settings)
        settings.say("working")
        return Result(table=Table(columns=(Column(title="n"),), rows=(Row(cells={"n": 3}),)), plots=(), scale=())

    entry = Experiment(
        name="example", title="An example", source="Nobody.", run=example, trains=True, measures=True, compares=True
    )
    monkeypatch.setitem(catalogue.EXPERIMENTS, "example", entry)
    return told


def test_without_a_name_they_are_listed_as_wide_as_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "90")
    status, printed, _ = run()
    assert status == 0
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(catalogue.EXPERIMENTS)
    assert 80 < max(map(len, lines)) <= 90


def test_a_run_prints_its_table(run: Run, tmp_path: Path):
    status, printed, _ = run("resshift-figure-3", "-o", tmp_path)
    assert status == 0
    assert (tmp_path / "resshift-figure-3" / "table.md").read_text() in printed
    assert (tmp_path / "resshift-figure-3" / "plot.png").exists()


def test_what_it_is_told(run: Run, told: list[Settings], tmp_path: Path):
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name / "one.png")
    status, printed, _ = run(
        *("example", "-o", tmp_path, "--set", tmp_path / "A", "--set", tmp_path / "B", "--crop", 4, "--crop", 0),
        *("--data", tmp_path, "--quick", "--images", 32, "--checkpoint", "mine=a=b.safetensors", "--device", "cpu"),
    )
    assert status == 0
    assert printed.startswith("working\n")
    (settings,) = told
    assert [(s.benchmark.name, s.border) for s in settings.sets] == [("A", 4), ("B", 0)]
    assert (settings.data, settings.quick, settings.images, settings.device) == (tmp_path, True, 32, "cpu")
    assert settings.checkpoints == {"mine": Path("a=b.safetensors")}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("resshift-table-9", "-o", "out"), "There is no experiment called 'resshift-table-9'"),
        (("resshift-figure-3",), "give --output FOLDER"),
        (("resshift-table-1", "-o", "out"), "give a folder of pictures by --data"),
        (("resshift-figure-3", "-o", "out", "--images", "0"), "--images 0"),
        (("small-models", "-o", "out", "--checkpoint", "file"), "NAME=FILE"),
        (("small-models", "-o", "out", "--checkpoint", "a=b", "--checkpoint", "a=c"), "a twice"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run: Run, arguments: tuple[str, ...], sentence: str):
    status, printed, error = run(*arguments)
    assert status == 1
    assert printed == ""
    assert sentence in error
    assert len(error.splitlines()) == 1
