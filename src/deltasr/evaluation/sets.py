"""Benchmark sets: folders of HR pictures, their LR partners, and ready results, matched by file name."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltasr.errors import PictureError
from deltasr.imaging import READABLE_SUFFIXES

_MARK = re.compile(r"[ ._-]?(?:x\d+|\d+x|srf[._-]?\d+|lr(?:bi)?|hr|gt|sr|bicubic)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One picture of a set.

    Attributes:
        name: the HR file's name without its suffix; unique within the set.
        hr: the HR picture.
        lr: the input, or None where it is made from the HR picture.
    """

    name: str
    hr: Path
    lr: Path | None


@dataclass(frozen=True, kw_only=True)
class BenchmarkSet:
    """A named list of pairs, in the order of their file names."""

    name: str
    pairs: tuple[Pair, ...]


def find_set(hr: Path | str, lr: Path | str | None = None) -> BenchmarkSet:
    """Finds a set's pictures and matches LR to HR.

    Args:
        hr: a folder of pictures, or one that holds a folder `HR` and perhaps one whose name starts with `LR`.
        lr: the folder of inputs. By default the `LR...` folder beside `HR`, where `hr` holds such folders;
            without one, the inputs are to be made from the HR pictures.

    Returns:
        The set, named after its folder (the one above, if that is just "HR").

    Raises:
        PictureError: a folder is missing or holds no pictures, or a picture has no partner or more than one.
    """
    hr = Path(hr)
    if (hr / "HR").is_dir():
        lr = lr or _only_lr_folder(hr)
        hr = hr / "HR"
    references = _pictures(hr)
    inputs: Sequence[Path | None] = partners(references, Path(lr)) if lr is not None else [None] * len(references)
    folder = Path(os.path.abspath(hr))  # noqa: PTH100 - a link to a folder has its own name, not the folder's
    return BenchmarkSet(
        name=folder.parent.name if folder.name.lower() == "hr" else folder.name,
        pairs=tuple(Pair(name=h.stem, hr=h, lr=low) for h, low in zip(references, inputs, strict=True)),
    )


def partners(references: Sequence[Path], folder: Path) -> list[Path]:
    """Each HR picture's partner in a folder: of the same stem, marks such as `x4`, `_LR` or `_LRBI_x4` aside.

    Args:
        references: picture files with different stems.
        folder: where the partners are; it must hold exactly one for each reference.

    Raises:
        PictureError: a reference has no partner or several, or a picture in the folder has no reference.
    """
    by_stem = {path.stem: path for path in _pictures(folder)}
    exact = {reference.stem for reference in references} & by_stem.keys()
    by_bare_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for stem, path in by_stem.items():
        if stem not in exact:
            by_bare_stem[_bare(stem)].append(path)

    found = []
    for reference in references:
        candidates = [by_stem[reference.stem]] if reference.stem in exact else by_bare_stem[_bare(reference.stem)]
        if not candidates:
            raise PictureError(f"{reference} has no partner in {folder}; add one of the same name or remove it.")
        if len(candidates) > 1:
            names = _listed(path.name for path in candidates)
            raise PictureError(f"{reference} could belong to {names} in {folder}; leave one of them.")
        found.append(candidates[0])
    _require_used_once(found, by_stem.values(), folder)
    return found


def _require_used_once(found: Sequence[Path], available: Iterable[Path], folder: Path) -> None:
    if len(set(found)) < len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise PictureError(f"{twice} is the only partner of several HR pictures; give each its own.")
    unused = sorted(set(available) - set(found))
    if unused:
        raise PictureError(
            f"{folder} holds {_listed(path.name for path in unused)} without an HR picture of that name; "
            "add the HR pictures or remove these."
        )


def _bare(stem: str) -> str:
    """The stem without the marks at its end that tell scale and role."""
    while (shorter := _MARK.sub("", stem)) not in ("", stem):
        stem = shorter
    return stem


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}; check the name.")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in READABLE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise PictureError(f"{folder} holds no pictures; give a folder with picture files directly in it.")
    names: dict[str, Path] = {}
    for path in found:
        other = names.setdefault(path.stem, path)
        if other is not path:
            raise PictureError(f"{other} and {path.name} differ only in their suffix; keep one of them.")
    return found


def _only_lr_folder(folder: Path) -> Path | None:
    found = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.upper().startswith("LR"))
    if len(found) > 1:
        raise PictureError(f"{folder} holds {_listed(path.name for path in found)}; name one with --lr.")
    return found[0] if found else None


def _listed(names: Iterable[str], most: int = 3) -> str:
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
