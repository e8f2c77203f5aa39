"""The error map as a file for other programs."""

from __future__ import annotations

import pytest

from deltasr.engines import export_map
from deltasr.engines.export import weights_digest
from deltasr.errors import CheckpointError, ModelError
from deltasr.models import catalogue, error_map
from deltasr.models.exported_error_map import read_header
from deltasr.models.onnx_metadata import metadata_of

pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def test_a_map_is_exported_with_what_it_belongs_to_and_one_that_changed_is_not():
    model, file = catalogue.load("deltadiff-x4"), error_map.file_of("deltadiff-x4")
    content = export_map.export_map(model, file)
    header, told = read_header(content, "it"), metadata_of(content, "it")
    assert header.model_sha256 == weights_digest(model)
    assert (header.coverage, header.steps_per_level) == (0.9, 256)
    assert told["licence"] == "Apache-2.0"
    assert told["output"].startswith("map: (N, 1, scale h, scale w)")
    assert b".py" not in content
    graph = export_map._Graph(error_map.load(model))
    export_map._require_same(graph, content, model.name)
    graph.error_map.factors *= 1.01
    with pytest.raises(ModelError, match="The error map of deltadiff-x4 does not survive being exported: at 17x9"):
        export_map._require_same(graph, content, model.name)
    with pytest.raises(CheckpointError, match="belongs to other weights than those of deltadiff-photo-x4"):
        export_map.export_map(catalogue.load("deltadiff-photo-x4"), file)
