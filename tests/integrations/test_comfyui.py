"""The node for ComfyUI: its work on tensors here; the node itself where ComfyUI is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import deltasr

FOLDER = Path(__file__).parents[2] / "integrations" / "comfyui"


def imported(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(FOLDER)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def images() -> Iterator[ModuleType]:
    yield imported("deltasr_comfyui_images", FOLDER / "images.py")
    del sys.modules["deltasr_comfyui_images"]


def batch(channels: int = 3) -> torch.Tensor:
    return torch.rand(2, 7, 9, channels, generator=torch.Generator().manual_seed(0))


def test_a_batch_is_upscaled_as_by_the_package(images: ModuleType):
    given = batch()
    results = images.upscale_images(given, model="deltadiff-x4", fidelity=1.0, restoration=0.0)
    assert (results.shape, results.dtype) == ((2, 28, 36, 3), torch.float32)
    upscaler = deltasr.Upscaler(deltasr.load("deltadiff-x4"))
    for image, result in zip(given, results, strict=True):
        levels = (image * 65535).round().numpy().astype(np.uint16)
        expected = upscaler.upscale(levels, fidelity=1.0, restoration=0.0).pixels
        assert np.array_equal((result * 65535).round().numpy().astype(np.uint16), expected)


def test_settings_that_a_model_lacks_have_no_effect_and_alpha_is_kept(images: ModuleType):
    results = images.upscale_images(batch(channels=4), model="bicubic", scale=2.0, fidelity=0.3, restoration=0.5)
    assert results.shape == (2, 14, 18, 4)
    assert 0 <= float(results.min()) <= float(results.max()) <= 1


def test_the_node_in_comfyui():
    pytest.importorskip("comfy_api", reason="needs ComfyUI, which is on no package index")
    node = imported("deltasr_for_comfyui", FOLDER / "__init__.py").UpscaleWithDeltasr
    schema = node.define_schema()
    assert [field.id for field in schema.inputs] == ["image", "model", "scale", "fidelity", "restoration", "seed"]
    (result,) = node.execute(batch(), "bicubic", 4.0, 0.5, -1.0, 0).args
    assert result.shape == (2, 28, 36, 3)
