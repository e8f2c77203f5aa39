"""A run that is killed for good and resumed ends with the weights of one that was left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from deltasr.models.deltadiff import DeltaDiff

SETTINGS = {
    "crop": 8,
    "batch": 2,
    "images": 160,
    "warmup": 20,
    "optimizer": "muon",
    "validation_pictures": 1,
    "validate_every": 50,
    "save_every": 10,
}


def _settings(**changes: Any) -> list[str]:
    return [argument for key, value in (SETTINGS | changes).items() for argument in ("--set", f"{key}={value}")]


def _start(run: Path, pictures: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deltasr", "train", str(pictures), "--output", str(run), "--cache", str(cache)]
    return subprocess.Popen(
        [*command, "--device", "cpu", *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def _lines_of_metrics(run: Path) -> int:
    file = run / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, f"it ended too early:\n{process.communicate()[0]}"
        time.sleep(0.005)


def test_killed_terminated_and_resumed(pictures: Path, decoded: Path, tmp_path: Path, assert_same: Any):
    settings = _settings()
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    _finished(_start(whole, pictures, decoded, *settings))

    process = _start(parts, pictures, decoded, *settings)
    _wait_until(lambda: _lines_of_metrics(parts) > 1, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 10 <= torch.load(parts / "state.pt", weights_only=True)["images"] < 160

    before = _lines_of_metrics(parts)
    process = _start(parts, pictures, decoded, "--resume")
    _wait_until(lambda: _lines_of_metrics(parts) > before + 1, process)
    process.terminate()
    output = _finished(process)
    assert "resumed at" in output
    assert "of 160 crops; --resume goes on from there" in output

    assert "160/160 crops" in _finished(_start(parts, pictures, decoded, "--resume"))
    states = [torch.load(run / "state.pt", weights_only=True) for run in (whole, parts)]
    assert_same(*states)
    assert states[0]["images"] == 160
    released = [load_file(run / "model.safetensors") for run in (whole, parts)]
    assert_same(*released)
    assert released[0].keys() == DeltaDiff(size="tiny", block="leaky").state_dict().keys()
    assert [path.name for path in parts.iterdir() if path.name.startswith(".")] == []
    logs = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (whole, parts)]
    measured = {"seconds", "images_per_second"}
    numbers = [[{key: line[key] for key in line.keys() - measured} for line in log] for log in logs]
    assert numbers[0] == numbers[1]


def test_a_killed_run_s_folder_is_not_locked_and_a_living_one_s_is(pictures: Path, decoded: Path, tmp_path: Path):
    settings = _settings(images=100_000)
    process = _start(tmp_path / "run", pictures, decoded, *settings)
    _wait_until(lambda: _lines_of_metrics(tmp_path / "run") > 0, process)
    for more in (["--resume"], settings):
        second = _start(tmp_path / "run", pictures, decoded, *more)
        output, _ = second.communicate(timeout=300)
        assert second.returncode == 1
        assert output.startswith("deltasr: ")
        assert output.count("\n") == 1
    process.kill()
    process.communicate()
    assert "resumed at" in _finished(_start(tmp_path / "run", pictures, decoded, "--resume", "--minutes", "0.001"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks up child processes in /proc")
def test_a_worker_that_is_ended_ends_the_run_in_a_sentence(pictures: Path, decoded: Path, tmp_path: Path):
    process = _start(tmp_path / "run", pictures, decoded, *_settings(images=100_000, workers=2))
    _wait_until(lambda: _lines_of_metrics(tmp_path / "run") > 0, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [
        int(child) for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(workers[-1], signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert "deltasr: A process that prepares crops died (DataLoader worker" in output.splitlines()[-1]
    assert "--resume goes on from the last saved state" in output.splitlines()[-1]
