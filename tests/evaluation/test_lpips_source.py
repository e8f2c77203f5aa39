"""Where LPIPS weights are looked for, and in which order."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from deltasr.errors import CheckpointError
from deltasr.evaluation.lpips_source import LPIPS_VARIABLE, find_lpips


@pytest.fixture(autouse=True)
def _no_weights_by_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(LPIPS_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)


def test_the_file_given_decides_the_network(lpips_folder: Path):
    found, note = find_lpips(lpips_folder / "lpips_squeeze_v0.1.pth")
    assert list(found) == ["LPIPS-squeeze"]
    assert note is None


def test_a_folder_gives_alex_or_what_is_asked_for(lpips_folder: Path):
    assert list(find_lpips(lpips_folder)[0]) == ["LPIPS-alex"]
    assert list(find_lpips(lpips_folder, nets=["squeeze", "alex"])[0]) == ["LPIPS-squeeze", "LPIPS-alex"]


def test_the_environment_variable_stands_in_for_the_option(
    lpips_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(LPIPS_VARIABLE, str(lpips_folder))
    assert list(find_lpips()[0]) == ["LPIPS-alex"]
    monkeypatch.setenv(LPIPS_VARIABLE, str(tmp_path / "absent.pth"))
    assert list(find_lpips(lpips_folder)[0]) == ["LPIPS-alex"]
    with pytest.raises(CheckpointError, match=r"absent\.pth"):
        find_lpips()


def test_without_weights_one_note_says_how_to_give_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(LPIPS_VARIABLE, "")
    found, note = find_lpips()
    assert found == {}
    assert note is not None
    assert "left out" in note
    assert LPIPS_VARIABLE in note


def test_the_package_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch):
    class Network(torch.nn.Module):
        def __init__(self, *, net: str, version: str, verbose: bool) -> None:
            super().__init__()
            assert (net, version, verbose) == ("alex", "0.1", False)

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return (first - second).abs().amax(dim=(1, 2, 3), keepdim=True)

    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=Network))
    found, note = find_lpips()
    black, white = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    assert note is None
    assert found["LPIPS-alex"](black, white).tolist() == [2.0, 2.0]


def test_a_package_that_fails_to_import_is_a_note_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "lpips.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lpips")
    found, note = find_lpips()
    assert found == {}
    assert note is not None
    assert "operator torchvision::nms does not exist" in note
    assert "\n" not in note
