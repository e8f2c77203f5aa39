"""The scripts, imported as the files they are, and a few small pictures."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="session")
def scripts() -> Path:
    """The folder of the scripts."""
    return SCRIPTS


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts import each other by name, as they do when they are run; what they change of the path is forgotten."""
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])


@pytest.fixture
def parts() -> ModuleType:
    return importlib.import_module("parts")


@pytest.fixture
def pack() -> ModuleType:
    return importlib.import_module("pack")


@pytest.fixture
def machine() -> ModuleType:
    return importlib.import_module("machine")


@pytest.fixture
def train_slice() -> ModuleType:
    return importlib.import_module("train_slice")


@pytest.fixture
def join() -> ModuleType:
    return importlib.import_module("join")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of five pictures of noise, the last one in a folder inside, with a list that is no picture."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.png", "c.png", "d.png", "more/é.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        os.utime(folder / name, (1_000_000 + seed, 1_000_000 + seed))
    (folder / "sources.csv").write_text("a.png, mine\n")
    return folder


@pytest.fixture
def packed(pack: ModuleType, pictures: Path, tmp_path: Path) -> Path:
    """The pictures in three parts."""
    pack.main(pictures, tmp_path / "parts", networks=[], wheels=[], python="3.12", limit=20_480)
    return tmp_path / "parts"
