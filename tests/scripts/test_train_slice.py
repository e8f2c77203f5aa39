"""Training in slices of minutes, and what the manual says of moving it between machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from deltasr.models.checkpoint import read_header

RECIPE = ["--device", "cpu", "--recipe", "deltadiff-tiny-x4"]
for setting in ("crop=4", "batch=2", "images=1000000", "validation_pictures=1", "save_every=1000000"):
    RECIPE += ["--set", setting]
MANUAL = Path(__file__).parents[2] / "docs" / "renting-a-gpu.md"


def test_needs_nothing_but_python(scripts: Path):
    """(-S: without installed packages.)"""
    program = f"import sys; sys.path.insert(0, {str(scripts)!r}); import train_slice"
    subprocess.run([sys.executable, "-S", "-c", program], check=True)


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], []),
        (RECIPE, ["--device", "cpu"]),
        (["--init=a", "--config", "b", "--set=c=d", "--first-stage", "e", "--teacher", "f"], []),
        (["--networks", "folder", "--recipe", "vq-f4"], ["--networks", "folder"]),
    ],
)
def test_what_begins_a_run_does_not_go_on_with_it(train_slice: ModuleType, arguments: list[str], left: list[str]):
    assert train_slice.lasting(arguments) == left


def test_a_slice_begins_a_run_and_the_next_goes_on(
    train_slice: ModuleType, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """The same call twice, each with no time but for a step."""
    seen = []
    for _ in range(2):
        now = time.time()
        assert train_slice.train(pictures, tmp_path / "run", RECIPE, stop=now, end=now + 300)
        seen.append(read_header(tmp_path / "run" / "model.safetensors").training["images"])
    assert 0 < seen[0] < seen[1]
    assert f"resumed at {seen[0]:,} of 1,000,000 crops" in capfd.readouterr().out


def test_a_run_that_cannot_begin_is_told(
    train_slice: ModuleType, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    end = time.time() + 300
    assert not train_slice.train(pictures, tmp_path / "run", ["--recipe", "unknown"], stop=end, end=end)
    assert "There is no recipe called 'unknown'" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_training_that_does_not_stop_is_ended(
    train_slice: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """With all that it started: a worker that lived on would go on printing."""
    program = """
import os, time
if os.fork() == 0:
    time.sleep(60)
    print("the worker ended by itself", flush=True)
    os._exit(0)
open("begun", "w").write(str(os.getpgid(0)))
time.sleep(600)
"""
    monkeypatch.setattr(train_slice, "_TRAIN", program)
    monkeypatch.chdir(tmp_path)
    now = time.time()
    assert not train_slice.train(tmp_path, tmp_path / "run", [], stop=now, end=now + 15)
    assert capfd.readouterr().out.startswith("training did not stop in time and was ended")
    group = int((tmp_path / "begun").read_text())
    with pytest.raises(ProcessLookupError):
        _wait_for_the_end_of(group)


def _wait_for_the_end_of(group: int) -> None:
    """Ask for a group of processes until there is none; those that ended are gone a moment later."""
    for _ in range(500):
        os.killpg(group, 0)
        time.sleep(0.02)


@pytest.mark.parametrize(
    "times",
    [
        ("nan", "30"),
        ("inf", "30"),
        ("-1", "30"),
        ("0.5", "30"),
        ("9", "nan"),
        ("9", "-1"),
        ("9", "inf"),
        ("x", "30"),
    ],
)
def test_bad_times_are_a_sentence(train_slice: ModuleType, times: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    minutes, reserve = times
    with pytest.raises(SystemExit) as ended:
        train_slice.parsed(["pictures", "run", f"--minutes={minutes}", f"--reserve={reserve}"])
    assert ended.value.code == 2
    assert "--minutes" in capsys.readouterr().err.splitlines()[-1]


def test_the_manual_s_commands_carry_a_run_there_and_back(pictures: Path, tmp_path: Path):
    """Those that pack, check and unpack, as they stand in the manual; a part that was damaged is refused."""
    commands = dict(re.findall(r"# (\d)\. .*?\n(.*?)(?=\n# |```)", MANUAL.read_text(encoding="utf-8"), re.DOTALL))
    home, machine = tmp_path / "home", tmp_path / "machine"
    for folder in (home / "runs", home / "wheels", home / "networks", machine):
        folder.mkdir(parents=True)
    pictures.rename(home / "photos")

    def shell(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HOME": str(machine)}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=environment, capture_output=True, text=True
        )

    packed = shell(commands["2"], home)
    assert packed.returncode == 0, packed.stderr
    (home / "parcel").rename(machine / "parcel")
    unpacked = shell(commands["4"], machine)
    assert unpacked.returncode == 0, unpacked.stderr
    assert {path.name for path in (machine / "training" / "photos").rglob("*.png")} == {
        path.name for path in (home / "photos").rglob("*.png")
    }
    run = machine / "training" / "run"
    (run / "tensorboard").mkdir(parents=True)
    for name in ("model.safetensors", "state.pt", "recipe.json"):
        (run / name).write_text(name * 1_000)
    handed_out = shell(commands["6"], machine)
    assert handed_out.returncode == 0, handed_out.stderr
    (machine / "out").rename(home / "out")
    part = next((home / "out").glob("run.tar.*"))
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"x")
    assert shell(commands["7"], home).returncode != 0
    assert not (home / "runs" / "run").exists()
    part.write_bytes(content)
    assert shell(commands["7"], home).returncode == 0
    assert {path.name for path in (home / "runs" / "run").iterdir()} >= {"model.safetensors", "state.pt", "recipe.json"}
