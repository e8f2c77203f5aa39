"""The cache of training pictures: they are decoded once into a folder of arrays, from which crops are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from deltasr.errors import PictureError, TrainingError
from deltasr.files import clear_leftovers, whole
from deltasr.imaging import READABLE_SUFFIXES, read_rgb8
from deltasr.resampling.tensors import downscale

_CACHE_VERSION = 1
_ONE_HEADER_AT_A_TIME = Lock()
"""NumPy parses headers with `ast`, which sometimes fails in CPython 3.11.7 in two threads (python/cpython#106905)."""


@dataclass(frozen=True)
class CachedPicture:
    """A decoded picture and its LR partner, as memory-mapped files.

    Attributes:
        source: the original picture.
        hr_file: NumPy file, (H, W, 3) uint8 RGB; H and W are multiples of the scale.
        lr_file: NumPy file, (H / scale, W / scale, 3) uint8 RGB.
        height, width: of the HR picture.
        teacher_file: NumPy file, a teacher's result of the HR picture's size; None without a teacher.
    """

    source: Path
    hr_file: Path
    lr_file: Path
    height: int
    width: int
    teacher_file: Path | None = None

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The HR and the LR picture, memory-mapped."""
        return np.load(self.hr_file, mmap_mode="r"), np.load(self.lr_file, mmap_mode="r")

    def teacher(self) -> np.ndarray | None:
        """The teacher's result for the LR picture, (H, W, 3) uint8, memory-mapped; None without a teacher."""
        return None if self.teacher_file is None else np.load(self.teacher_file, mmap_mode="r")


def find_pictures(folder: Path) -> list[Path]:
    """Every picture in a folder and its subfolders, sorted by path.

    Raises:
        TrainingError: the folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is not a folder; training needs a folder of pictures.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES and not path.is_dir())
    if not found:
        raise TrainingError(f"There is no picture below {folder}; readable are {', '.join(sorted(READABLE_SUFFIXES))}.")
    return found


def degrade(hr: np.ndarray, scale: int) -> np.ndarray:
    """The LR partner of an HR picture: (H, W, 3) uint8 to (H / scale, W / scale, 3) uint8, anti-aliased bicubic."""
    tensor = torch.from_numpy(hr).permute(2, 0, 1)[None].float() / 255
    lr = (downscale(tensor, scale) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(lr[0].permute(1, 2, 0).numpy())


def build_cache(
    pictures: list[Path],
    cache: Path,
    *,
    scale: int,
    smallest: int,
    shrink: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[CachedPicture], list[str]]:
    """Decode pictures into a cache folder; pictures that it already contains are not decoded again.

    Args:
        pictures: files of any format and size.
        cache: folder for the decoded arrays; their names are hashes of path, size and time of the picture's file.
        scale: the factor of the LR partners.
        smallest: least height and width, in HR pixels; smaller pictures are left out.
        shrink: factor by which pictures are first downscaled, by anti-aliased bicubic.
        progress: called with the number of finished pictures.

    Returns:
        The usable pictures in the order given, and one sentence for each that was left out.

    Raises:
        TrainingError: no picture is usable, or the cache cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"The cache {cache} cannot be made: {error.strerror}.") from error
    clear_leftovers(cache)
    names = _first_names(pictures)
    locks = {name: Lock() for name in names}
    usable, complaints = [], []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:

        def cached(path: Path, name: Path) -> CachedPicture | str:
            with locks[name]:
                return _cached(path, name, cache, scale, shrink)

        for done, result in enumerate(pool.map(cached, pictures, names), start=1):
            if isinstance(result, str):
                complaints.append(result)
            elif min(result.height, result.width) < smallest:
                complaints.append(
                    f"{result.source} is {result.width}x{result.height}, less than a crop of {smallest}x{smallest}."
                )
            else:
                usable.append(result)
            if progress is not None:
                progress(done)
    if not usable:
        raise TrainingError(f"None of the {len(pictures)} pictures can be used for training: {complaints[0]}")
    return usable, complaints


def _first_names(pictures: list[Path]) -> list[Path]:
    """For each picture the first path of the same file, which differs from its own path if there are several links."""
    first: dict[tuple[int, int], Path] = {}
    names = []
    for path in pictures:
        try:
            facts = path.stat()
        except OSError:
            names.append(path)
            continue
        names.append(first.setdefault((facts.st_dev, facts.st_ino), path) if facts.st_ino else path)
    return names


def _cached(path: Path, name: Path, cache: Path, scale: int, shrink: int) -> CachedPicture | str:
    """A picture from the cache, or decoded into it; or a sentence with the reason why it cannot be used.

    The name in the cache depends on `name`, the first path of the same file.
    """
    try:
        facts = path.stat()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    identity = f"{_CACHE_VERSION}|{name.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{scale}"
    identity += f"|{shrink}" if shrink > 1 else ""
    stem = hashlib.sha256(identity.encode()).hexdigest()[:24]
    hr_file, lr_file = cache / f"{stem}.hr.npy", cache / f"{stem}.lr.npy"
    shape = None if shape_of(lr_file) is None else shape_of(hr_file)
    size = None if shape is None else shape[:2]
    if size is None:
        try:
            hr = read_rgb8(path)
        except PictureError as error:
            return str(error)
        step = scale * shrink
        hr = hr[: hr.shape[0] // step * step, : hr.shape[1] // step * step]
        if hr.size == 0:
            return f"{path} is smaller than {step}x{step} pixels."
        hr = degrade(np.ascontiguousarray(hr), shrink) if shrink > 1 else hr
        save_array(lr_file, degrade(np.ascontiguousarray(hr), scale))
        save_array(hr_file, hr)
        size = hr.shape[:2]
    return CachedPicture(path, hr_file, lr_file, height=size[0], width=size[1])


def shape_of(file: Path) -> tuple[int, ...] | None:
    """The shape of a cached array; None if it is missing or damaged."""
    try:
        with _ONE_HEADER_AT_A_TIME:
            shape: tuple[int, ...] = np.load(file, mmap_mode="r").shape
    except (OSError, ValueError, EOFError):
        return None
    return shape


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy file, whole or not at all.

    Raises:
        TrainingError: it cannot be written.
    """
    with whole(path, what="The cache file", error=TrainingError) as file:
        np.save(file, array)
