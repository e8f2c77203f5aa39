"""What a chain of runs leaves in the package."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch

from deltasr.errors import SettingError
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


def test_a_chain_of_runs_is_bundled_whole(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first, last = _run(tmp_path / "first", images=100, dial=False), _run(tmp_path / "last", images=30, dial=True)
    (package / "mine.stage-2.recipe.json").touch()
    importlib.import_module("bundle").main(last, "mine", earlier=[first], half=True, fidelity=0.5)
    assert sorted(path.name for path in package.iterdir()) == [
        *("mine.metrics.jsonl", "mine.recipe.json", "mine.safetensors"),
        *("mine.stage-1.metrics.jsonl", "mine.stage-1.recipe.json"),
    ]
    assert json.loads((package / "mine.recipe.json").read_text())["images"] == 30
    assert json.loads((package / "mine.stage-1.recipe.json").read_text())["images"] == 100
    header = checkpoint.read_header(package / "mine.safetensors")
    assert header.training == {"images": 130, "seconds": 3.0, "recipe": {"images": 30}}
    bundled, trained = (checkpoint.load(path) for path in (package / "mine.safetensors", last / "model.safetensors"))
    assert bundled.default_fidelity == 0.5
    for name, weight in trained.state_dict().items():
        torch.testing.assert_close(bundled.state_dict()[name], weight.half().float())
    assert "in all: images 130, seconds 3.0" in capsys.readouterr().out


def test_a_fidelity_without_a_dial_bundles_nothing(package: Path, tmp_path: Path):
    run = _run(tmp_path / "run", images=100, dial=False)
    with pytest.raises(SettingError, match="has no fidelity dial"):
        importlib.import_module("bundle").main(run, "mine", earlier=[], half=False, fidelity=0.5)
    assert list(package.iterdir()) == []
