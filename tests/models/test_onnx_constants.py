"""Inputs as constants: the graph that the package onnx reads, and the results that the inputs gave."""

from __future__ import annotations

import numpy as np
import pytest

from deltasr.models.onnx_constants import with_constants

onnx = pytest.importorskip("onnx", reason="reads the files with the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")

PLACES = {"fidelity": 0.3, "restoration": 1.0}


def test_inputs_become_constants_and_all_else_stays(exported_small_net):
    before = onnx.load_from_string(exported_small_net.content)
    after = onnx.load_from_string(with_constants(exported_small_net.content, PLACES))
    onnx.checker.check_model(after, full_check=True)
    assert [value.name for value in after.graph.input] == ["lr"]
    added = after.graph.initializer[len(before.graph.initializer) :]
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in added}
    assert values == {name: np.array([place], np.float32) for name, place in PLACES.items()}
    del after.graph.initializer[len(before.graph.initializer) :]
    del before.graph.input[1:], after.graph.input[1:]
    assert after == before


def test_results_are_those_of_the_inputs(exported_small_net):
    lr = np.random.default_rng(0).random((2, 3, 9, 7), np.float32)
    dials = {name: np.full(2, place, np.float32) for name, place in PLACES.items()}
    contents = (exported_small_net.content, with_constants(exported_small_net.content, PLACES))
    free, fixed = (onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]) for content in contents)
    np.testing.assert_allclose(fixed.run(None, {"lr": lr})[0], free.run(None, {"lr": lr} | dials)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("damaged", [b"\xff" * 40, b"\x3a\x05ab"], ids=["a long number", "a field that is cut"])
def test_damaged_files_are_refused(damaged):
    with pytest.raises((ValueError, IndexError)):
        with_constants(damaged, PLACES)
