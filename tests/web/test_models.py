"""The models that a server offers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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


def test_no_error_map_is_offered_without_torch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deltasr.devices.find_spec", lambda name: None)
    models = Models()
    assert not models.has_error_map("deltadiff-x4")
    with pytest.raises(ModelError, match="An error map needs PyTorch"):
        models.require_error_map("deltadiff-x4")
