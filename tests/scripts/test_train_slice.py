"""Training in slices: parts that come one by one, and from pictures to weights at home."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deltasr.cli import main as deltasr
from deltasr.errors import CheckpointError
from deltasr.models.checkpoint import read_header, save
from deltasr.models.deltadiff import DeltaDiff

RECIPE = ["--device", "cpu", "--recipe", "deltadiff-tiny-x4"]
for setting in ("crop=4", "batch=2", "images=1000000", "validation_pictures=1", "save_every=1000000"):
    RECIPE += ["--set", setting]
MIB = 2**20


def test_needs_nothing_but_python(scripts: Path):
    """Before anything is unpacked there is the standard library alone (-S: without installed packages)."""
    program = f"import sys; sys.path.insert(0, {str(scripts)!r}); import train_slice"
    subprocess.run([sys.executable, "-S", "-c", program], check=True)


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], []),
        (RECIPE, ["--device", "cpu"]),
        (["--init=a", "--config", "b", "--set=c=d", "--first-stage", "e"], []),
        (["--networks", "folder", "--recipe", "vq-f4"], ["--networks", "folder"]),
    ],
)
def test_what_begins_a_run_does_not_go_on_with_it(train_slice: ModuleType, arguments: list[str], left: list[str]):
    assert train_slice.lasting(arguments) == left


def slice_of(train_slice: ModuleType, *arguments: Any, recipe: list[str] = RECIPE) -> bool:
    """A slice that trains for two seconds or less: the rest of its minute is reserved for what surrounds it."""
    own = train_slice.parsed([*map(str, arguments), "--minutes", "1", "--reserve", "58"])
    return train_slice.main(own, recipe, started=time.time())


def test_from_pictures_to_weights_at_home(
    train_slice: ModuleType, join: ModuleType, packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Two machines, each with a slice; the second goes on with what the first handed out."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert slice_of(train_slice, tmp_path / "a", first, "--parts", packed, "--state")
    assert slice_of(train_slice, tmp_path / "b", "--unpack", "--parts", packed, "--from", first)
    assert slice_of(train_slice, tmp_path / "b", second, "--from", first)

    assert {path.name for path in first.iterdir()} == {"log.txt", "manifest.json", "weights-01.part", "state-01.part"}
    assert {path.name for path in second.iterdir()} == {"log.txt", "manifest.json", "weights-01.part"}
    for name, brought in (("one", first), ("two", second)):
        join.main(brought, tmp_path / name, state=False)
    join.main(first, tmp_path / "run", state=True)
    seen = [read_header(tmp_path / name / "model.safetensors").training["images"] for name in ("one", "two", "run")]
    assert 0 < seen[0] < seen[1]
    assert seen[2] == seen[0]
    assert "so the state in" in (second / "log.txt").read_text()
    assert f"resumed at {seen[0]:,} of 1,000,000 images" in (second / "log.txt").read_text()
    weights, whole = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("one", "run"))
    assert weights < 0.6 * whole

    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        deltasr(["info", str(tmp_path / "two" / "model.safetensors")])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("deltadiff-tiny-x4: DeltaDiff x4, tiny")


@pytest.fixture
def before(tmp_path: Path) -> dict[Path, str]:
    """What an earlier slice handed out into the folder `out`, by its files."""
    (tmp_path / "out").mkdir()
    contents = {tmp_path / "out" / name: f"earlier {name}" for name in ("manifest.json", "state-01.part")}
    for path, content in contents.items():
        path.write_text(content)
    return contents


def test_a_run_that_cannot_begin_is_told_and_logged_and_replaces_nothing(
    train_slice: ModuleType, packed: Path, before: dict[Path, str], tmp_path: Path
):
    out = tmp_path / "out"
    assert not slice_of(train_slice, tmp_path / "work", out, "--parts", packed, recipe=["--recipe", "unknown"])
    assert "There is no recipe called 'unknown'" in (out / "log.txt").read_text()
    assert {path: path.read_text() for path in out.iterdir() if path.name != "log.txt"} == before


def test_a_run_without_weights_replaces_nothing(train_slice: ModuleType, before: dict[Path, str], tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        train_slice.hand_out(tmp_path / "run", tmp_path / "out", state=True, log=train_slice.Log())
    assert {path: path.read_text() for path in (tmp_path / "out").iterdir()} == before


def test_what_is_handed_out_replaces_what_was(
    train_slice: ModuleType, join: ModuleType, before: dict[Path, str], tmp_path: Path
):
    (tmp_path / "run").mkdir()
    save(DeltaDiff(steps=2), tmp_path / "run" / "model.safetensors", training={"images": 1, "seconds": 1})
    train_slice.hand_out(tmp_path / "run", tmp_path / "out", state=False, log=train_slice.Log())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"manifest.json", "weights-01.part"}
    join.main(tmp_path / "out", tmp_path / "home", state=False)
    assert (tmp_path / "home" / "model.safetensors").exists()


@pytest.mark.parametrize("taken", ["parts", "work", "brought"])
def test_what_is_needed_is_not_written_over(train_slice: ModuleType, parts: ModuleType, taken: str, tmp_path: Path):
    folders = {name: tmp_path / name for name in ("parts", "work", "brought")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "manifest.json").write_text("needed")
    (tmp_path / "link").symlink_to(folders[taken])
    for out in (folders[taken], tmp_path / "link", tmp_path / "work" / ".." / taken):
        with pytest.raises(parts.PartsError, match="is a folder to take from; name another one for what is to be"):
            slice_of(train_slice, folders["work"], out, "--parts", folders["parts"], "--from", folders["brought"])
    assert [path.read_text() for path in tmp_path.glob("*/*")].count("needed") == 4, "one more through the link"


def test_a_training_that_does_not_stop_is_ended(
    train_slice: ModuleType, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With all that it started: a worker that lived on would hold the output open, here for a minute."""
    program = """
import os, time
if os.fork() == 0:
    time.sleep(60)
    print("the worker ended by itself", flush=True)
    os._exit(0)
print("begun", flush=True)
time.sleep(600)
"""
    monkeypatch.setattr(train_slice, "_TRAIN", program)
    log, now = train_slice.Log(), time.time()
    assert not train_slice.train(tmp_path, tmp_path, tmp_path / "run", [], stop=now, end=now + 3, log=log)
    begun, ended = log.lines
    assert begun == "begun"
    assert ended.startswith("training did not stop in time and was ended")


def test_no_time_is_a_sentence_and_replaces_nothing(
    train_slice: ModuleType, parts: ModuleType, packed: Path, before: dict[Path, str], tmp_path: Path
):
    own = train_slice.parsed([str(tmp_path / "work"), str(tmp_path / "out"), "--parts", str(packed), "--minutes", "9"])
    with pytest.raises(parts.PartsError, match="No time is left to train in, of 9 minutes; call again"):
        train_slice.main(own, RECIPE, started=time.time() - 520)
    assert {path: path.read_text() for path in (tmp_path / "out").iterdir()} == before


def test_missing_parts_are_named(scripts: Path, packed: Path, tmp_path: Path):
    (packed / "pictures-02.tar").unlink()
    command = [sys.executable, scripts / "train_slice.py", tmp_path / "work", tmp_path / "out", "--parts", packed]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "train_slice: pictures-02.tar still to come; bring what is missing by --parts.\n"
