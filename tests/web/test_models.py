"""The models that a server offers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from deltasr.engines import choice
from deltasr.engines.trial import Verdict
from deltasr.errors import ModelError
from deltasr.models import catalogue
from deltasr.web.models import Models


def test_the_operators_file_goes_before_a_model_of_the_catalogue_with_its_name(tmp_path: Path):
    file = tmp_path / "deltadiff-x4.safetensors"
    shutil.copy(catalogue.bundled_file("rrdb-x4", ".safetensors"), file)
    models = Models(str(file))
    assert models.names[0] == models.default == "deltadiff-x4"
    assert not models.facts("deltadiff-x4").dial, "it is the file's RRDB"
    assert not models.has_error_map("deltadiff-x4"), "the bundled map belongs to the bundled weights"
    assert Models().has_error_map("deltadiff-x4")


def test_an_error_map_is_offered_and_made_without_torch(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("onnxruntime", reason="runs the network and its map")
    monkeypatch.setattr("deltasr.devices.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "deltasr.models.error_map", None)  # which is torch's
    monkeypatch.setattr(choice, "verdicts", lambda model, *, dtype: {"onnxruntime": Verdict(seconds=1.0)})
    models = Models()
    assert set(models.names) == {*catalogue.names()} - {"bilinear"}, "which needs torch"
    models.require_error_map("deltadiff-x4")
    found = models.upscaler("deltadiff-x4").upscale(np.full((9, 8, 3), 90, np.uint8), error_map=True)
    assert found.error_map is not None
    assert found.error_map.shape == (36, 32)
    with pytest.raises(ModelError, match=r"^The model bicubic has no error map; choose deltadiff-x4\.$"):
        models.require_error_map("bicubic")
