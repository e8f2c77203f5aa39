"""The texts in an ONNX file, read without a runtime: what the package onnx reads, and nothing of damaged files."""

from __future__ import annotations

import numpy as np
import pytest

from deltasr.errors import CheckpointError
from deltasr.models.onnx_metadata import metadata_of

onnx = pytest.importorskip("onnx", reason="builds the files with the package onnx")


@pytest.fixture(scope="module")
def content() -> bytes:
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    weight = onnx.numpy_helper.from_array(np.arange(999, dtype=np.float32), "weight")
    model = helper.make_model(helper.make_graph([], "empty", [value], [value], [weight]), ir_version=9)
    for key, text in (("deltasr", "größer"), ("empty", ""), ("long", "a" * 70_000)):
        model.metadata_props.add(key=key, value=text)
    return model.SerializeToString()


def test_texts_are_what_onnx_reads(content: bytes):
    expected = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    assert metadata_of(content, "mine.onnx") == expected
    assert expected["deltasr"] == "größer"


def test_a_file_without_texts_has_none():
    assert metadata_of(b"", "mine.onnx") == {}
    assert metadata_of(onnx.ModelProto(ir_version=9).SerializeToString(), "mine.onnx") == {}


@pytest.mark.parametrize(
    "damaged",
    [
        b"no network",
        b"\xff" * 40,
        b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7fa",
        b"\x72\x02\x0a\x05",
        b"\x72\x03\x0a\x01\xff",
    ],
    ids=["text", "a number without an end", "longer than the file", "a pair that is cut", "no text"],
)
def test_damaged_files_are_named(damaged: bytes):
    with pytest.raises(CheckpointError, match=r"mine\.onnx is no ONNX file, or is damaged"):
        metadata_of(damaged, "mine.onnx")


def test_files_that_are_cut_anywhere_are_refused_or_read_as_far_as_they_go(content: bytes):
    whole = metadata_of(content, "mine.onnx")
    for end in np.random.default_rng(0).integers(1, len(content), 200):
        try:
            found = metadata_of(content[:end], "mine.onnx")
        except CheckpointError:
            continue
        assert found.items() <= whole.items()
