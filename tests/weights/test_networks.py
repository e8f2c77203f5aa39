"""The ONNX files of the bundled models: they belong to the weights beside them, and give what torch gives."""

from __future__ import annotations

import numpy as np
import pytest

from deltasr.engines.export import by_torch, weights_digest
from deltasr.engines.inputs import reference_input, sample
from deltasr.models import catalogue
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
