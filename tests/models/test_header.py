"""Heads of safetensors files are read without the library that needs torch, and refused where it refuses them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from deltasr.errors import CheckpointError
from deltasr.models.header import is_foreign, read_header, read_shapes

TENSORS = {
    "weight": torch.zeros(3, 4, dtype=torch.bfloat16),
    "scale": torch.tensor(2.0),
    "empty": torch.zeros(0, 5),
    "flags": torch.zeros(7, dtype=torch.bool),
    "counts": torch.zeros(2, dtype=torch.int64),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "weights.safetensors", metadata={"format": "pt"})
    return tmp_path / "weights.safetensors"


def with_head(file: Path, head: bytes, data: bytes = b"", *, length: int | None = None) -> None:
    file.write_bytes(struct.pack("<Q", len(head) if length is None else length) + head + data)


def test_shapes_are_those_of_the_tensors(file: Path):
    assert read_shapes(file) == {name: tuple(tensor.shape) for name, tensor in TENSORS.items()}


def test_weights_of_others_are_foreign(file: Path, tmp_path: Path):
    assert is_foreign(file)
    (tmp_path / "weights.pth").write_bytes(b"PK")
    assert is_foreign(tmp_path / "weights.pth")
    assert not is_foreign(tmp_path / "gone.pth")
    with pytest.raises(CheckpointError, match="has no deltasr header"):
        read_header(file)


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("head", "data", "length"),
    [
        (b"", b"", None),
        (b"{}", b"", 2**63),
        (b"{}", b"", 3),
        (b"[" * 100_000, b"", None),
        (b'{"a":' * 100_000, b"", None),
        (b"\xff\xfe", b"", None),
        (b'{"__metadata__": {"deltasr": 5}}', b"", None),
        (b'{"a": 5}', b"", None),
        (json.dumps({"a": ONE}).encode(), b"\0" * 7, None),
        (json.dumps({"a": ONE}).encode(), b"\0" * 9, None),
        (json.dumps({"a": ONE | {"shape": [3]}}).encode(), b"\0" * 8, None),
        (json.dumps({"a": ONE | {"shape": [-2]}}).encode(), b"\0" * 8, None),
        (json.dumps({"a": ONE | {"data_offsets": [1, 9]}}).encode(), b"\0" * 9, None),
        (json.dumps({"a": ONE, "b": ONE}).encode(), b"\0" * 8, None),
    ],
)
def test_what_the_library_refuses_is_refused_in_one_sentence(file: Path, head: bytes, data: bytes, length: int | None):
    with_head(file, head, data, length=length)
    with pytest.raises((SafetensorError, OSError)), safe_open(file, framework="pt"):
        pass
    with pytest.raises(CheckpointError, match="is not a readable safetensors file") as refused:
        read_shapes(file)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_file_that_is_cut_off_is_refused(file: Path):
    content = file.read_bytes()
    for end in (0, 5, 8, 60, len(content) - 1):
        file.write_bytes(content[:end])
        with pytest.raises(CheckpointError, match="is not a readable safetensors file"):
            read_shapes(file)


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="is not a readable safetensors file"):
        read_header(tmp_path)
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        read_header(tmp_path / "gone.safetensors")
