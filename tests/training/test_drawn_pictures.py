"""Drawn pictures in the training cache, and runs that learn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from deltasr.training.data import preparation
from deltasr.training.data.cache import degrade
from deltasr.training.data.graphics.cached import drawn_pictures


def test_pictures_are_drawn_once(tmp_path: Path):
    shares: list[float] = []
    first = drawn_pictures(tmp_path, seed=3, scale=4, count=3, side=66, progress=shares.append)
    assert shares == [pytest.approx(share) for share in (1 / 3, 2 / 3, 1)]
    hr, lr = first[0].arrays()
    assert hr.shape == (64, 64, 3)
    assert np.array_equal(lr, degrade(np.array(hr), 4))
    before = first[1].hr_file.stat().st_mtime_ns
    first[2].hr_file.write_bytes(b"half")
    again = drawn_pictures(tmp_path, seed=3, scale=4, count=3, side=66)
    assert [picture.hr_file for picture in again] == [picture.hr_file for picture in first]
    assert first[1].hr_file.stat().st_mtime_ns == before
    assert again[2].arrays()[0].shape == (64, 64, 3)
    assert drawn_pictures(tmp_path, seed=4, scale=4, count=1, side=66)[0].hr_file != first[0].hr_file


def test_a_run_that_restores_learns_from_drawn_pictures(
    learn: Any, recipe: Any, monkeypatch: pytest.MonkeyPatch, recorder: Any, assert_same: Any
):
    calls: list[int] = []

    def few(cache: Path, **options: Any) -> Any:
        calls.append(options["seed"])
        return drawn_pictures(cache, count=2, side=64, **options)

    monkeypatch.setattr(preparation, "drawn_pictures", few)
    web = msgspec.structs.replace(recipe, degradation="web", restoring=True, graphics=0.5, seed=7)
    whole = learn(web, "whole", display=recorder)
    assert calls == [7]
    ((_, validation),) = recorder.validations
    assert validation.degraded is not None
    assert validation.degraded < validation.bicubic
    learn(web, "parts", minutes=1e-9)
    assert_same(learn(web, "parts", resume=True).state, whole.state)
