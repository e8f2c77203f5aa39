"""The ONNX files of the bundled models: they belong to the weights beside them, and give what torch gives."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from deltasr.engines.export import by_torch, weights_digest
from deltasr.engines.inputs import reference_input, sample
from deltasr.models import catalogue, error_map, exported_error_map
from deltasr.models.base import Model
from deltasr.models.exported import ExportedModel
from deltasr.models.onnx_metadata import metadata_of

pytest.importorskip("onnxruntime", reason="runs the files")

HALF_A_LEVEL = 0.5 / 255


@pytest.fixture(scope="module", params=catalogue.BUNDLED)
def both(request: pytest.FixtureRequest) -> tuple[ExportedModel, Model]:
    return catalogue.exported_network(request.param, "onnxruntime"), catalogue.load(request.param)


def test_the_file_was_made_from_the_weights_beside_it(both: tuple[ExportedModel, Model]):
    """If not: python scripts/export_bundled.py."""
    exported, model = both
    assert exported.header.sha256 == weights_digest(model)


@pytest.mark.parametrize("name", catalogue.with_error_maps())
def test_the_map_was_made_from_the_map_beside_it(name: str):
    """If not: python scripts/export_bundled.py."""
    found = exported_error_map.load(catalogue.exported_network(name, "onnxruntime"))
    assert found.header.map_sha256 == hashlib.sha256(error_map.file_of(name).read_bytes()).hexdigest()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", catalogue.with_error_maps())
def test_maps_are_torchs_wherever_the_dials_stand(name: str, runtime: str):
    """To one number of 16 bits, which is 1/256 of a level, where both start from the same run."""
    pytest.importorskip(runtime)
    network, model = catalogue.exported_network(name, runtime), catalogue.load(name)
    ours, torchs = exported_error_map.load(network), error_map.load(model)
    arrays = sample(model, 21, 34, count=3, seed=5)
    arrays["restoration"][0] = 0.0
    run = ours.run(*arrays.values())
    assert np.array_equal(run.result, network(*arrays.values()))
    with torch.no_grad():
        same = torchs.run(*map(torch.from_numpy, arrays.values()))
        projected = (same.result * 0.9 + 0.03).clamp(0, 1)
        expected = torchs.stored(same, projected).numpy()
    np.testing.assert_allclose(run.features, same.features.numpy(), rtol=0, atol=1e-4)
    found = ours.stored(run, projected.numpy())
    assert np.abs(found - expected).max() * 65535 < 1
    assert found.min() * 65535 > 50
    assert (found[0] != found[1]).any()


def test_it_promises_what_the_model_does(both: tuple[ExportedModel, Model]):
    exported, model = both
    for promise in (
        "name", "scale", "receptive_field", "dial", "default_fidelity", "restoring", "consistent", "size_requirements",
    ):  # fmt: skip
        assert getattr(exported, promise) == getattr(model, promise), promise
    assert metadata_of(exported.files[0], "it")["licence"] == "Apache-2.0"


@pytest.mark.parametrize("size", [(33, 17), (7, 40)])
def test_results_are_torchs_at_any_size_and_wherever_the_dials_stand(both: tuple[ExportedModel, Model], size):
    exported, model = both
    arrays = sample(model, *size, count=2, seed=size[0])
    dials = {name: arrays[name] for name in arrays if name != "lr"}
    assert np.abs(exported(arrays["lr"], **dials) - by_torch(model, arrays)).max() < HALF_A_LEVEL


def test_the_result_that_runtimes_are_tried_by_is_torchs(both: tuple[ExportedModel, Model]):
    exported, model = both
    assert np.abs(exported.expected - by_torch(model, reference_input(model))).max() < 1e-4
