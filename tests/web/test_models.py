"""The models that a server offers."""

from __future__ import annotations

import shutil
from pathlib import Path

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
