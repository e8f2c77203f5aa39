"""What a chain of runs leaves in the package and among the training logs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch

from deltasr.errors import CheckpointError, SettingError
from deltasr.models import checkpoint
from deltasr.models.deltadiff import DeltaDiff


def _run(folder: Path, *, images: int, dial: bool) -> Path:
    folder.mkdir()
    facts = {"images": images, "seconds": 1.5, "recipe": {"images": images}}
    checkpoint.save(DeltaDiff(size="tiny", dial=dial), folder / "model.safetensors", training=facts)
    (folder / "recipe.json").write_text(json.dumps({"images": images}))
    (folder / "metrics.jsonl").write_text(f"{images}\n")
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the package's own."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(
        importlib.import_module("bundle"), "bundled_file", lambda name, suffix: folder / f"{name}{suffix}"
    )
    return folder


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the repository's training logs."""
    folder = tmp_path / "training-logs"
    folder.mkdir()
    monkeypatch.setattr(importlib.import_module("bundle"), "LOGS", folder)
    return folder


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_chain_of_runs_is_bundled_whole(
    package: Path, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, last = _run(tmp_path / "first", images=100, dial=False), _run(tmp_path / "last", images=30, dial=True)
    for stale in ("mine/stage-2/recipe.json", "other/recipe.json"):
        (logs / stale).parent.mkdir(parents=True)
        (logs / stale).touch()
    importlib.import_module("bundle").main(last, "mine", earlier=[first], half=True, fidelity=0.5)
    assert _files(package) == ["mine.safetensors"]
    assert _files(logs) == [
        *("mine/metrics.jsonl", "mine/recipe.json", "mine/stage-1/metrics.jsonl", "mine/stage-1/recipe.json"),
        "other/recipe.json",
    ]
    assert json.loads((logs / "mine" / "recipe.json").read_text())["images"] == 30
    assert json.loads((logs / "mine" / "stage-1" / "recipe.json").read_text())["images"] == 100
    header = checkpoint.read_header(package / "mine.safetensors")
    assert header.training == {"images": 130, "seconds": 3.0, "recipe": {"images": 30}}
    bundled, trained = (checkpoint.load(path) for path in (package / "mine.safetensors", last / "model.safetensors"))
    assert bundled.default_fidelity == 0.5
    for name, weight in trained.state_dict().items():
        torch.testing.assert_close(bundled.state_dict()[name], weight.half().float())
    printed = capsys.readouterr().out
    assert "in all: images 130, seconds 3.0" in printed
    assert "first: images 100, seconds 1.5, log in training-logs/mine/stage-1" in printed


def test_a_log_that_models_share_is_not_written_again(
    package: Path, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, last = _run(tmp_path / "first", images=100, dial=False), _run(tmp_path / "last", images=30, dial=False)
    shared = logs / "shared" / "beginning"
    shared.mkdir(parents=True)
    for file in ("recipe.json", "metrics.jsonl"):
        (shared / file).write_bytes((first / file).read_bytes())
    importlib.import_module("bundle").main(last, "mine", earlier=[first], half=False, fidelity=None)
    assert _files(logs) == [
        *("mine/metrics.jsonl", "mine/recipe.json"),
        *("shared/beginning/metrics.jsonl", "shared/beginning/recipe.json"),
    ]
    assert "log in training-logs/shared/beginning" in capsys.readouterr().out


def test_a_run_without_a_log_bundles_nothing(package: Path, logs: Path, tmp_path: Path):
    run = _run(tmp_path / "run", images=100, dial=False)
    (run / "metrics.jsonl").unlink()
    with pytest.raises(CheckpointError, match=r"log of the run .*run cannot be read: .*metrics\.jsonl"):
        importlib.import_module("bundle").main(run, "mine", earlier=[], half=False, fidelity=None)
    assert _files(package) == _files(logs) == []


def test_a_fidelity_without_a_dial_bundles_nothing(package: Path, tmp_path: Path):
    run = _run(tmp_path / "run", images=100, dial=False)
    with pytest.raises(SettingError, match="has no fidelity dial"):
        importlib.import_module("bundle").main(run, "mine", earlier=[], half=False, fidelity=0.5)
    assert list(package.iterdir()) == []
