"""What `openmodeldb://` names have to be, and what is said without the package; it is run in tests/interop."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from deltasr.errors import CheckpointError, ModelError
from deltasr.models import catalogue


@pytest.mark.parametrize("name", ["openmodeldb://", "openmodeldb://a/b", "openmodeldb://..", "openmodeldb://m\n"])
def test_names_of_another_form_are_refused(name: str):
    with pytest.raises(ModelError, match=r"names no model of OpenModelDB; write openmodeldb://NAME"):
        catalogue.load(name)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openmodeldb", None)
    with pytest.raises(ModelError, match=r"needs the openmodeldb package: pip install -e '\.\[openmodeldb\]'\.$"):
        catalogue.load("openmodeldb://4x-Name")


def test_without_a_home_folder_to_cache_in_that_is_said(monkeypatch: pytest.MonkeyPatch):
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setitem(sys.modules, "openmodeldb", SimpleNamespace(OpenModelDB=dict))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    with pytest.raises(CheckpointError, match=r"^OpenModelDB's index cannot be fetched \(There is no home folder"):
        catalogue.load("openmodeldb://4x-Name")
