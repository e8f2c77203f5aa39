"""Engines remember nothing from one test to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from deltasr.engines import choice


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where things are remembered: the test's own, with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_known", {})
    return tmp_path / "cache" / "deltasr"
