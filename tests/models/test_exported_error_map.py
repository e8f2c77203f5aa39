"""The error map of models that are no torch models: whose it is, and files that are damaged."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import msgspec
import numpy as np
import pytest

from deltasr.engines import choice
from deltasr.engines.trial import Verdict
from deltasr.errors import CheckpointError, ModelError, SettingError
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, exported_error_map
from deltasr.models.exported import ExportedModel
from deltasr.models.exported_error_map import ExportedErrorMap

pytest.importorskip("onnxruntime", reason="runs the network and its map")

PIXELS = np.random.default_rng(0).integers(0, 255, (23, 17, 3), np.uint8, endpoint=True)


@pytest.fixture(autouse=True)
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are not tried on this machine first, which takes seconds."""
    monkeypatch.setattr(choice, "verdicts", lambda model, *, dtype: {"onnxruntime": Verdict(seconds=1.0)})


@pytest.fixture(scope="module")
def network() -> ExportedModel:
    return catalogue.exported_network("deltadiff-x4", "onnxruntime")


@pytest.fixture(scope="module")
def content() -> bytes:
    return catalogue.bundled_file("deltadiff-x4", catalogue.EXPORTED_MAP_SUFFIX).read_bytes()


def test_a_map_for_other_weights_is_refused(network: ExportedModel, content: bytes):
    other = catalogue.exported_network("deltadiff-photo-x4", "onnxruntime")
    ExportedErrorMap(network, content, source="it")
    with pytest.raises(CheckpointError, match=r"^The error map it belongs to other weights than those of deltadiff-ph"):
        ExportedErrorMap(other, content, source="it")


def test_a_damaged_map_is_one_sentence(network: ExportedModel):
    for damaged in (b"no map", network.files[0]):
        with pytest.raises(CheckpointError, match=r"^it is no (ONNX file|error map), or is damaged[^\n]*\.$"):
            ExportedErrorMap(network, damaged, source="it")


@pytest.mark.parametrize("name", ["rrdb-x4", "deltadiff-photo-x4"])
def test_models_without_a_map_say_which_have_one(name: str):
    with pytest.raises(ModelError, match=rf"^The model {name} has no error map; choose deltadiff-x4\.$"):
        exported_error_map.load(catalogue.exported_network(name, "onnxruntime"))


def test_a_network_without_features_has_none(network: ExportedModel):
    header = msgspec.structs.replace(network.header, features=False)
    plain = ExportedModel(network.files[0], header, runtime="onnxruntime", source="mine.onnx")
    with pytest.raises(ModelError, match=r"^The model mine\.onnx has no error map; choose deltadiff-x4\.$"):
        Upscaler(plain).upscale(PIXELS, error_map=True)


def test_the_file_of_another_map_is_for_torch(network: ExportedModel, tmp_path: Path):
    upscaler = Upscaler(network, engine="onnxruntime", map_file=tmp_path / "own.map.safetensors")
    with pytest.raises(SettingError, match=r"own\.map\.safetensors is computed by torch; choose the engine torch, or"):
        upscaler.upscale(PIXELS, error_map=True)


def test_upscalers_with_a_map_can_be_copied_and_pickled(network: ExportedModel):
    upscaler = Upscaler(network, engine="onnxruntime", tile=16)
    expected = upscaler.upscale(PIXELS, error_map=True)
    assert np.array_equal(upscaler.upscale(PIXELS).pixels, expected.pixels)
    for other in (copy.deepcopy(upscaler), pickle.loads(pickle.dumps(upscaler))):
        assert np.array_equal(other.upscale(PIXELS, error_map=True).error_map, expected.error_map)


def test_a_torch_model_that_another_engine_runs_has_its_map():
    model = catalogue.load("deltadiff-x4")
    by_engine = Upscaler(model, device="cpu", engine="onnxruntime").upscale(PIXELS, error_map=True)
    by_torch = Upscaler(model, device="cpu").upscale(PIXELS, error_map=True)
    assert np.abs(by_engine.error_map.astype(int) - by_torch.error_map).max() <= 1
