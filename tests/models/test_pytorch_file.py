"""Weights files of both formats become state dicts with the names that their networks gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from deltasr.errors import CheckpointError
from deltasr.models.pytorch_file import read_state_dict, read_tensors

STATE = {"first.weight": torch.arange(6.0).view(2, 3), "first.bias": torch.ones(2)}


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {f"module.{name}": value for name, value in STATE.items()},
        {"state_dict": {f"_orig_mod.module.{name}": value for name, value in STATE.items()}},
    ],
    ids=["plain", "wrapped", "parallel", "compiled and wrapped"],
)
def test_wrappings_and_prefixes_come_off(tmp_path: Path, content: Any):
    torch.save(content, tmp_path / "weights.pth")
    assert same(read_state_dict(tmp_path / "weights.pth"))


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_safetensors_are_known_by_their_content(tmp_path: Path, name: str):
    save_file(STATE, tmp_path / name)
    assert same(read_state_dict(tmp_path / name))
    assert same(read_tensors(tmp_path / name))


def test_prefixes_inside_names_stay(tmp_path: Path):
    torch.save({"module._orig_mod.encoder.module.weight": torch.ones(1)}, tmp_path / "weights.pth")
    assert list(read_state_dict(tmp_path / "weights.pth")) == ["encoder.module.weight"]


@pytest.mark.parametrize("content", [{}, [torch.ones(1)], {"epoch": 3}, {1: torch.ones(1)}, torch.ones(1)])
def test_other_content_is_no_state_dict(tmp_path: Path, content: Any):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth holds no state dict; it should map names to tensors"):
        read_state_dict(tmp_path / "other.pth")


def test_missing_and_damaged_files_are_told_apart(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"There is no file .*gone\.pth"):
        read_state_dict(tmp_path / "gone.pth")
    whole = tmp_path / "whole.safetensors"
    save_file(STATE, whole)
    whole.write_bytes(whole.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"whole\.safetensors is "):
        read_state_dict(whole)
    with pytest.raises(CheckpointError, match="is damaged, incomplete or no PyTorch file"):
        read_state_dict(tmp_path)


@pytest.mark.parametrize("content", [b"bad\n", b"", b"<html></html>", b"PK\x03\x04", b"\x80\x02"])
def test_other_files_are_named_whatever_reading_them_raises(tmp_path: Path, content: bytes):
    (tmp_path / "text.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"text\.pth is .*; download it again"):
        read_state_dict(tmp_path / "text.pth")
