"""Decoding training pictures once."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Any

import numpy as np
import pytest
import pyvips
import torch
from PIL import Image

from deltasr.errors import TrainingError
from deltasr.imaging import read_rgb8
from deltasr.resampling.tensors import downscale
from deltasr.training.data import cache as cache_module
from deltasr.training.data.cache import build_cache, degrade, find_pictures


def _picture(path: Path, height: int = 40, width: int = 50, seed: int = 0) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_pictures_are_found_in_folders_below_in_order(pictures: Path):
    (found_below := find_pictures(pictures))
    assert [path.relative_to(pictures).as_posix() for path in found_below] == [
        *("a.png", "b.png", "c.png", "d.png", "more/e.png")
    ]


def test_suffixes_count_whatever_their_case_and_folders_do_not(tmp_path: Path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "notes.txt").touch()
    _picture(tmp_path / "X.JPG")
    assert find_pictures(tmp_path) == [tmp_path / "X.JPG"]


def test_missing_and_empty_folders_are_named(tmp_path: Path):
    with pytest.raises(TrainingError, match="absent is not a folder"):
        find_pictures(tmp_path / "absent")
    with pytest.raises(TrainingError, match="no picture below"):
        find_pictures(tmp_path)


def test_hr_is_cut_to_a_multiple_and_lr_is_its_downscaling(tmp_path: Path):
    path = _picture(tmp_path / "a.png", 41, 50)
    (picture,), complaints = build_cache([path], tmp_path / "cache", scale=4, smallest=8)
    hr, lr = picture.arrays()
    assert complaints == []
    assert (picture.height, picture.width) == hr.shape[:2] == (40, 48)
    np.testing.assert_array_equal(hr, read_rgb8(path)[:40, :48])
    tensor = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].float() / 255
    expected = (downscale(tensor, 4)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(lr, expected)


def test_pictures_are_made_smaller_before_anything_else(tmp_path: Path):
    """Cut to a multiple of both factors first; the cache holds either kind beside the other."""
    path = _picture(tmp_path / "a.png", 67, 82)
    build = partial(build_cache, [path], tmp_path / "cache", scale=4)
    (whole,), _ = build(smallest=8)
    (shrunk,), _ = build(smallest=8, shrink=2)
    hr, lr = shrunk.arrays()
    assert (shrunk.height, shrunk.width) == hr.shape[:2] == (32, 40)
    np.testing.assert_array_equal(hr, degrade(np.ascontiguousarray(read_rgb8(path)[:64, :80]), 2))
    np.testing.assert_array_equal(lr, degrade(np.array(hr), 4))
    assert (whole.height, whole.width) == (64, 80)
    assert build(smallest=8) == ([whole], [])
    with pytest.raises(TrainingError, match="is 40x32, less than a crop of 33x33"):
        build(smallest=33, shrink=2)
    _picture(path, 7, 90)
    with pytest.raises(TrainingError, match="is smaller than 8x8 pixels"):
        build(smallest=4, shrink=2)


def test_a_second_build_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    paths = [_picture(tmp_path / f"{n}.png", seed=n) for n in range(3)]
    seen: list[int] = []
    first = build_cache(paths, tmp_path / "cache", scale=4, smallest=8, progress=seen.append)
    assert seen == [1, 2, 3]

    def decode(path: Path) -> np.ndarray:
        raise AssertionError(f"{path} is decoded again")

    monkeypatch.setattr(cache_module, "read_rgb8", decode)
    assert build_cache(paths, tmp_path / "cache", scale=4, smallest=8) == first


def test_links_to_a_picture_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Hard and symbolic ones, by several threads at a time."""
    original = _picture(tmp_path / "f.png")
    paths = [tmp_path / f"{name}.png" for name in "abcdefghijkl"]
    for number, path in enumerate(paths):
        if path != original:
            (path.symlink_to if number % 2 else path.hardlink_to)(original)
    decoded: list[Path] = []

    def decode(path: Path) -> np.ndarray:
        decoded.append(path)
        sleep(0.02)
        return read_rgb8(path)

    monkeypatch.setattr(cache_module, "read_rgb8", decode)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    usable, complaints = build_cache(paths, tmp_path / "cache", scale=4, smallest=8)
    assert ([picture.source for picture in usable], complaints) == (paths, [])
    assert len(decoded) == 1
    assert len({picture.hr_file for picture in usable}) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_what_a_killed_run_left_in_the_cache_goes(tmp_path: Path, leftover: Callable[[Path], Path]):
    path, left = _picture(tmp_path / "a.png"), leftover(tmp_path / "cache")
    build_cache([path], tmp_path / "cache", scale=4, smallest=8)
    assert not left.exists()


def test_headers_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Python 3.11.7 cannot parse two at once."""
    paths = [_picture(tmp_path / f"{n}.png", seed=n) for n in range(4)]
    build_cache(paths, tmp_path / "cache", scale=4, smallest=8)
    reading, together = Lock(), []

    def load(*arguments: Any, **options: Any) -> np.ndarray:
        first = reading.acquire(blocking=False)
        together.append(not first)
        sleep(0.01)
        if first:
            reading.release()
        return np_load(*arguments, **options)

    np_load = np.load
    monkeypatch.setattr(np, "load", load)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    build_cache(paths, tmp_path / "cache", scale=4, smallest=8)
    assert together == [False] * 8


@pytest.mark.parametrize("part", ["hr", "lr"])
def test_a_damaged_cache_file_is_made_again(part: str, tmp_path: Path):
    path = _picture(tmp_path / "a.png")
    (before,), _ = build_cache([path], tmp_path / "cache", scale=4, smallest=8)
    arrays = [np.array(array) for array in before.arrays()]
    file = before.hr_file if part == "hr" else before.lr_file
    file.write_bytes(file.read_bytes()[:100])
    (after,), _ = build_cache([path], tmp_path / "cache", scale=4, smallest=8)
    for array, expected in zip(after.arrays(), arrays, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_picture_that_changed_is_decoded_again(tmp_path: Path):
    path = _picture(tmp_path / "a.png", seed=1)
    build_cache([path], tmp_path / "cache", scale=4, smallest=8)
    _picture(path, seed=2)
    os.utime(path, ns=(0, 0))
    (picture,), _ = build_cache([path], tmp_path / "cache", scale=4, smallest=8)
    np.testing.assert_array_equal(picture.arrays()[0], read_rgb8(path)[:, :48])


def test_bad_pictures_are_named_and_left_out(tmp_path: Path):
    good = _picture(tmp_path / "good.png")
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(good.read_bytes()[:200])
    small = _picture(tmp_path / "small.png", 12, 90)
    minute = _picture(tmp_path / "minute.png", 3, 90)
    gone = tmp_path / "gone.png"
    gone.symlink_to(tmp_path / "nowhere.png")
    usable, complaints = build_cache([damaged, good, small, minute, gone], tmp_path / "cache", scale=4, smallest=32)
    assert [picture.source for picture in usable] == [good]
    assert [complaint.split(" ")[0] for complaint in complaints] == [str(p) for p in (damaged, small, minute, gone)]
    assert "is 88x12, less than a crop of 32x32" in complaints[1]


def test_nothing_usable_is_an_error_that_gives_a_reason(tmp_path: Path):
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    with pytest.raises(TrainingError, match=r"None of the 1 pictures .*text\.png"):
        build_cache([text], tmp_path / "cache", scale=4, smallest=32)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="file/cache cannot be made"):
        build_cache([_picture(tmp_path / "a.png")], tmp_path / "file" / "cache", scale=4, smallest=8)


def test_grey_16_bit_and_transparent_pictures_become_rgb(tmp_path: Path):
    ramp = np.linspace(0, 255, 40 * 48).reshape(40, 48)
    Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "grey.png")
    deep = np.repeat((ramp * 257).astype(np.uint16)[..., None], 3, axis=2)
    pyvips.Image.new_from_array(deep, interpretation="rgb16").write_to_file(str(tmp_path / "deep.png"))
    clear = Image.fromarray(np.dstack([ramp.astype(np.uint8)] * 3 + [np.full((40, 48), 128, np.uint8)]))
    clear.save(tmp_path / "clear.png")
    usable, complaints = build_cache(find_pictures(tmp_path), tmp_path / "cache", scale=4, smallest=8)
    assert complaints == []
    assert len(usable) == 3
    for picture in usable:
        hr, lr = picture.arrays()
        assert (hr.dtype, hr.shape, lr.shape) == (np.uint8, (40, 48, 3), (10, 12, 3))
        assert np.abs(hr.astype(float) - ramp[..., None]).max() < 2  # half transparent pixels move by up to a level
