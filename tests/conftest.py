"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of evaluation pictures and LPIPS weights beside the project; the test is skipped without it."""
    folder = Path(os.environ.get("DELTASR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not (folder / "data" / "eval").is_dir():
        pytest.skip("needs the evaluation data in ../shared (or DELTASR_SHARED)")
    return folder
