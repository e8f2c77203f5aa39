"""A folder of training pictures and a benchmark set, small enough for seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.evaluation.sets import find_set
from deltasr.experiments.experiment import Settings, TestSet


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
