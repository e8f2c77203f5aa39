"""What `openmodeldb://` names have to be, and what is said without the package; it is run in tests/interop."""

from __future__ import annotations

import sys

import pytest

from deltasr.errors import ModelError
from deltasr.models import catalogue


@pytest.mark.parametrize("name", ["openmodeldb://", "openmodeldb://a/b", "openmodeldb://..", "openmodeldb://m\n"])
def test_names_of_another_form_are_refused(name: str):
    with pytest.raises(ModelError, match=r"names no model of OpenModelDB; write openmodeldb://NAME"):
        catalogue.load(name)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openmodeldb", None)
    with pytest.raises(ModelError, match=r"needs the openmodeldb package: pip install -e '\.\[openmodeldb\]'\.$"):
        catalogue.load("openmodeldb://4x-Name")
