"""An `Upscaler` whose network another runtime runs: the same tiles, the same projection, the same promises."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deltasr.engines import choice
from deltasr.errors import ModelError, SettingError
from deltasr.inference.upscaler import Upscaler
from deltasr.models.exported import ExportedModel

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

PIXELS = np.random.default_rng(0).integers(0, 256, (61, 47, 4), dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, exported_small_net):
    """Nothing is remembered, and nothing is exported again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_known", {})
    monkeypatch.setattr("deltasr.engines.export.export", lambda model: exported_small_net)


def levels(upscaler: Upscaler, **settings) -> np.ndarray:
    result = upscaler.upscale(PIXELS, restoration=0.2, **settings)
    return np.concatenate([result.pixels, result.alpha[..., None]], axis=2).astype(int)


@pytest.mark.parametrize("engine", choice.RUNTIMES)
def test_results_are_within_one_level_of_torchs(engine, small_net):
    pytest.importorskip(engine)
    ours = Upscaler(small_net, engine=engine, tile=24)
    assert isinstance(ours.model, ExportedModel)
    assert ours.overlap == Upscaler(small_net).overlap
    for settings in ({}, {"fidelity": 0.2}, {"scale": 1.5}):
        expected = levels(Upscaler(small_net, tile=24), **settings)
        assert np.abs(levels(ours, **settings) - expected).max() <= 1
    assert np.abs(levels(ours) - levels(Upscaler(small_net, tile=0))).max() <= 1
    assert np.array_equal(levels(ours), levels(ours))


def test_it_pickles_and_threads_share_it(small_net):
    upscaler = Upscaler(small_net, engine="onnxruntime", tile=24)
    expected = levels(upscaler)
    with ThreadPoolExecutor(3) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(lambda _: levels(upscaler), range(3)))
    assert np.array_equal(levels(pickle.loads(pickle.dumps(upscaler))), expected)


def test_the_model_that_was_given_stays_as_it_was(small_net):
    Upscaler(small_net, engine="onnxruntime")
    assert levels(Upscaler(small_net)).shape == (122, 94, 4)


def test_tiles_are_sized_by_what_the_runtime_takes(small_net):
    """Which torch's tensors alone do not show."""
    ours = Upscaler(small_net, engine="onnxruntime")
    assert ours._tiled._bytes_per_pixel() > ours.model.hidden_bytes_per_pixel > 0


def test_unknown_engines_are_refused(small_net):
    with pytest.raises(SettingError, match="no engine 'tensorrt'; choose one of auto, torch"):
        Upscaler(small_net, engine="tensorrt")


def test_a_missing_package_is_named(small_net, monkeypatch):
    monkeypatch.setattr(choice, "installed", lambda name: None)
    with pytest.raises(ModelError, match="pip install openvino"):
        Upscaler(small_net, engine="openvino")
    upscaler = Upscaler(small_net, engine="auto")
    assert upscaler.model is small_net
    assert "neither ONNX Runtime nor OpenVINO is installed" in upscaler.note
