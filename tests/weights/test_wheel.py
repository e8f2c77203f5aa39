"""The files that the wheel holds."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from deltasr.models.catalogue import BUNDLED

REPOSITORY = Path(__file__).parents[2]
WEIGHTS = {f"{name}{suffix}" for name in BUNDLED for suffix in (".md", ".onnx", ".safetensors")} | {
    "deltadiff-x4.map.onnx",
    "deltadiff-x4.map.safetensors",
}


def test_the_package_has_weights_and_cards_and_no_log():
    assert {file.name for file in (REPOSITORY / "src" / "deltasr" / "weights").iterdir()} == WEIGHTS


def test_the_wheel_has_what_runs_and_nothing_else():
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel, and is not installed")
    builder = wheel.WheelBuilder(str(REPOSITORY))
    names = [PurePosixPath(file.distribution_path) for file in builder.recurse_included_files()]
    assert {name.parts[0] for name in names} == {"deltasr"}
    assert {name.name for name in names if "weights" in name.parts} == WEIGHTS
    others = {str(name) for name in names if name.suffix != ".py" and "weights" not in name.parts}
    page = {name for name in others if name.startswith("deltasr/web/static/")}
    assert page
    assert others - page == {
        "deltasr/py.typed",
        "deltasr/degradation/estimator.json",
        "deltasr/evaluation/niqe.safetensors",
        "deltasr/experiments/papers.json",
    }
