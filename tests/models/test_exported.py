"""Exported files as models: dials, batches, types, copies, and files that are damaged or say what is not so."""

from __future__ import annotations

import copy
import pickle
import sys

import msgspec
import numpy as np
import pytest
import torch

from deltasr.errors import CheckpointError, ModelError
from deltasr.models import catalogue
from deltasr.models.exported import HEADER_KEY, ExportedModel, read_header
from deltasr.models.sessions import TITLES

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

LR = torch.rand(3, 3, 5, 7, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=TITLES)
def model(request, exported_small_net) -> ExportedModel:
    pytest.importorskip(request.param)
    return ExportedModel(exported_small_net.content, exported_small_net.header, runtime=request.param)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_it_promises_what_its_model_does(model, small_net):
    for promise in (
        "name", "scale", "receptive_field", "dial", "default_fidelity", "restoring", "consistent", "stochastic",
        "size_requirements", "tiled",
    ):  # fmt: skip
        assert getattr(model, promise) == getattr(small_net, promise), promise
    assert TITLES[model.runtime] in model.description
    assert 0 < model.hidden_bytes_per_pixel < 1e5


def test_dials_are_numbers_for_all_or_for_each(model, small_net):
    fidelity, restoration = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.3, 0.0, 1.0])
    with torch.inference_mode():
        close(model(LR), small_net(LR))
        close(model(LR, fidelity=0.25), small_net(LR, fidelity=0.25))
        close(model(LR, fidelity, restoration), small_net(LR, fidelity, restoration))
        assert not torch.allclose(model(LR, fidelity=0.0), model(LR, fidelity=1.0), atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (33, 17)])
def test_sizes_may_change_from_call_to_call(model, small_net, size):
    lr = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        close(model(lr), small_net(lr))


def test_runs_give_the_same_bytes(model):
    assert torch.equal(model(LR), model(LR))


def test_copies_and_pickles_go_on(model):
    expected = model(LR)
    assert torch.equal(copy.deepcopy(model)(LR), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(LR), expected)
    assert torch.equal(model(LR), expected)


def test_layout_and_type_of_what_comes_in_do_not_matter(model):
    expected = model(LR)
    assert torch.equal(model(LR.to(memory_format=torch.channels_last)), expected)
    assert model(LR.double()).dtype == torch.float64


def test_arrays_give_what_tensors_give(model):
    """And layouts other than contiguous ones."""
    expected = model(LR, 0.25, torch.tensor([0.3, 0.0, 1.0])).numpy()
    turned = np.asfortranarray(LR.numpy())
    found = model(turned, 0.25, np.array([0.3, 0.0, 1.0]))
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, expected)


def test_a_file_is_found_by_its_name(exported_small_net, small_net, tmp_path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(exported_small_net.content)
    model = catalogue.load(path)
    assert isinstance(model, ExportedModel)
    with torch.inference_mode():
        close(model(LR, fidelity=0.1), small_net(LR, fidelity=0.1))


def test_a_header_that_promises_another_factor_is_told(exported_small_net):
    header = msgspec.structs.replace(exported_small_net.header, scale=3)
    model = ExportedModel(exported_small_net.content, header, runtime="onnxruntime", source="mine.onnx")
    with pytest.raises(ModelError, match=r"mine\.onnx makes \(3, 3, 10, 14\)"):
        model(LR)


@pytest.mark.parametrize(
    "change",
    [{"scale": 0}, {"scale": "four"}, {"default_fidelity": 7}, {"minimum": 10**9}, {"receptive_field": -1}],
    ids=str,
)
def test_headers_out_of_bounds_are_refused(change, exported_small_net):
    told = msgspec.json.decode(exported_small_net.metadata[HEADER_KEY]) | change
    with pytest.raises(CheckpointError, match=r"header of mine\.onnx is damaged") as caught:
        read_header(msgspec.json.encode(told).decode(), "mine.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, '{"name": "x"}'], ids=["empty", "cut", "deep", "little"])
def test_damaged_headers_are_refused(text):
    with pytest.raises(CheckpointError, match="damaged"):
        read_header(text, "mine.onnx")


@pytest.mark.parametrize("name", ["mine.onnx", "mine.xml"])
def test_files_that_are_none_are_named(name, tmp_path):
    if name.endswith("xml"):
        pytest.importorskip("openvino")
    path = tmp_path / name
    with pytest.raises(CheckpointError, match="mine"):
        catalogue.load(path)
    for file in (path, path.with_suffix(".bin")):
        file.write_bytes(b"<net")
    with pytest.raises(CheckpointError, match="mine") as caught:
        catalogue.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", TITLES)
def test_a_missing_package_is_named(runtime, exported_small_net, monkeypatch):
    monkeypatch.setitem(sys.modules, runtime, None)
    with pytest.raises(ModelError, match=f"small-net needs {TITLES[runtime]}: pip install {runtime}"):
        ExportedModel(exported_small_net.content, exported_small_net.header, runtime=runtime)


def test_openvinos_format_stays_with_openvino(exported_small_net):
    pytest.importorskip("openvino")
    model = ExportedModel(exported_small_net.content, exported_small_net.header, runtime="openvino")
    assert model.run_by("onnxruntime").runtime == "onnxruntime"
    model._weights = np.zeros(1).tobytes()
    with pytest.raises(ModelError, match="OpenVINO's format"):
        model.run_by("onnxruntime")


def test_openvino_computes_in_bfloat16_where_that_is_asked_for(exported_small_net, bf16):
    pytest.importorskip("openvino")
    model = ExportedModel(exported_small_net.content, exported_small_net.header, runtime="openvino")
    exact = model(LR)
    rounded = model.run_by("openvino", dtype="bfloat16")(LR)
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, rtol=0, atol=0.05)
    assert torch.equal(model(LR), exact)
