"""Pictures of a pair, and which of a set are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.errors import PictureError
from deltasr.evaluation.sets import Pair
from deltasr.experiments.pictures import hr_and_lr, spread
from deltasr.imaging import picture_from
from deltasr.resampling.tensors import downscale


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """An HR picture of 42x35 pixels, and no LR."""
    path = tmp_path / "hr.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (35, 42, 3), np.uint8)).save(path)
    return Pair(name="hr", hr=path, lr=None)


def test_lr_is_made_by_our_bicubic_of_the_cut_picture(pair: Pair):
    hr, lr = hr_and_lr(pair)
    assert (hr.shape, lr.shape) == ((32, 40, 3), (8, 10, 3))
    expected = (downscale(picture_from(hr).to_tensor().double(), 4) * 255).round()[0].permute(1, 2, 0).numpy()
    assert np.abs(lr - expected).max() <= 1


def test_lr_of_another_size_is_refused(pair: Pair, tmp_path: Path):
    Image.new("RGB", (10, 9)).save(tmp_path / "lr.png")
    with pytest.raises(PictureError, match=r"10x9 pixels, which is not .* 42x35 divided by 4"):
        hr_and_lr(replace(pair, lr=tmp_path / "lr.png"))


def test_a_picture_without_a_pixel_of_lr_is_refused(pair: Pair):
    Image.new("RGB", (3, 30)).save(pair.hr)
    with pytest.raises(PictureError, match="smaller than 4 pixels"):
        hr_and_lr(pair)


def test_a_few_of_many(pair: Pair):
    pairs = [replace(pair, name=str(number)) for number in range(14)]
    assert [one.name for one in spread(pairs, 3)] == ["0", "6", "13"]
    assert [one.name for one in spread(pairs, 2)] == ["0", "13"]
    assert spread(pairs[:2], 3) == pairs[:2]
