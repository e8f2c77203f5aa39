"""A folder of training pictures and a benchmark set, small enough for seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deltasr.evaluation.sets import find_set
from deltasr.experiments import papers
from deltasr.experiments.experiment import Settings, TestSet
from deltasr.experiments.tables import Row


def picture(seed: int, side: int) -> Image.Image:
    """Something smooth with some structure."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def tiny_set(folder: Path, side: int) -> TestSet:
    """A set called `Tiny` of one picture, `side` LR pixels a side."""
    hr = picture(9, 4 * side)
    for name, image in (("HR", hr), ("LR_x4", hr.resize((side, side), Image.Resampling.BICUBIC))):
        (folder / "Tiny" / name).mkdir(parents=True)
        image.save(folder / "Tiny" / name / "one.png")
    return TestSet(benchmark=find_set(folder / "Tiny"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A quick run of one batch a training, on a set of one small picture."""
    data = tmp_path / "pictures"
    data.mkdir()
    for seed in range(3):
        picture(seed, 80).save(data / f"{seed}.png")
    return Settings(
        output=tmp_path / "out", data=data, sets=(tiny_set(tmp_path, 16),), quick=True, images=16, device="cpu"
    )


@pytest.fixture
def larger_settings(settings: Settings, tmp_path: Path) -> Settings:
    """The same with a picture that is as large as a strip shows."""
    return replace(settings, sets=(tiny_set(tmp_path / "larger", 64),))


METRICS = {
    "PSNR": "PSNR-Y",
    "SSIM": "SSIM-Y",
    "LPIPS": "LPIPS",
    "CLIPIQA": "CLIPIQA",
    "MUSIQ": "MUSIQ",
    "Runtime (s)": "seconds",
    "Parameters (M)": "parameters (M)",
}
"""Columns of the experiments by the names of metrics in papers.json."""


@pytest.fixture
def left_out() -> Callable[[str, Iterable[Row]], list[dict[str, Any]]]:
    """A function that gives the rows of a table in papers.json of which some value is not in the rows of a result."""

    def shows(row: Row, entry: dict[str, Any], source: str) -> bool:
        metrics = {METRICS[key]: value for key, value in entry.items() if key in METRICS}
        others = [value for key, value in entry.items() if key not in METRICS]
        return (
            row.source == source
            and all(value in row.cells.values() for value in others)
            and all(float(row.cells.get(title) or "nan") == value for title, value in metrics.items())
        )

    def find(name: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
        table = json.loads(papers.NUMBERS.read_text(encoding="utf-8"))[name]
        entries = []
        for entry in table["rows"]:
            alike = {key: value for key, value in entry.items() if not isinstance(value, dict)}
            by_set = [value for value in entry.values() if isinstance(value, dict)]
            entries += [{**alike, **metrics} for metrics in by_set or [{}]]
        rows = list(rows)
        return [entry for entry in entries if not any(shows(row, entry, table["source"]) for row in rows)]

    return find
