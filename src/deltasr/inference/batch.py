"""Many files: which result goes where, and one after the other without one stopping the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from deltasr.errors import DeltasrError, PictureError, SettingError
from deltasr.imaging import READABLE_SUFFIXES, read_picture, write_picture
from deltasr.imaging.formats import format_named, result_suffix
from deltasr.inference.upscaler import Upscaler


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to read, and the file its result goes to."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input.

    Attributes:
        source: the input.
        status: whether its result was written, was there already, or could not be made.
        target: where its result is; None where none was planned.
        reason: for people, of a failure.
        notes: what the result's format or the input's could not keep, one sentence each.
        size: (height, width) of the result, where it was made.
        seconds: from reading to writing.
    """

    source: Path
    status: Literal["done", "skipped", "failed"]
    target: Path | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The jobs, in order; the inputs that cannot become jobs; and how many files in folders are no pictures."""

    jobs: list[Job] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)
    ignored: int = 0


def plan_jobs(inputs: Iterable[Path], output: Path, *, output_format: str | None = None) -> Plan:
    """Find the pictures, and a place for each result.

    A file's result goes to `output`, if that is named like a picture and the file is the only input, or into
    the folder `output`. A folder is searched for pictures by suffix, and its tree is mirrored in `output`;
    hidden files are left out, and so is `output` itself where it lies inside. Results keep the suffix of
    their source, `.png` where that cannot be written.

    Args:
        inputs: files and folders.
        output: a file or a folder; folders need not exist.
        output_format: the format of all results, one of `imaging.WRITABLE_FORMATS` or a suffix.

    Raises:
        SettingError: the format cannot be written, or several results would go to one file.
    """
    inputs = list(inputs)
    suffix = None if output_format is None else format_named(output_format).suffixes[0]
    single = len(inputs) == 1 and not inputs[0].is_dir() and bool(output.suffix) and not output.is_dir()
    if single:
        format_named(output_format or output.suffix)
    elif output.is_file() or (output.suffix.lower() in READABLE_SUFFIXES and not output.is_dir()):
        raise SettingError(f"{output} is a file's name, but there is more than one result; name a folder.")
    failures: list[Outcome] = []
    pairs: list[tuple[Path, Path]] = []
    ignored = 0
    for given in inputs:
        if given.is_dir():
            files, others, unreadable = _pictures_below(given, output)
            pairs += [(file, file.relative_to(given)) for file in files]
            if not files and not unreadable:
                failures.append(_failed(given, f"{given} holds no pictures."))
            ignored += others
            failures += unreadable
        elif given.exists():
            pairs.append((given, Path(given.name)))
        else:
            failures.append(_failed(given, f"{given} does not exist."))
    wanted = [(source, output if single else output / _renamed(relative, suffix)) for source, relative in pairs]
    jobs, clashes = _without_clashes(wanted)
    return Plan(jobs=jobs, failures=failures + clashes, ignored=ignored)


def run_jobs(
    upscaler: Upscaler,
    jobs: Iterable[Job],
    *,
    scale: float | None = None,
    seed: int = 0,
    fidelity: float | None = None,
    output_format: str | None = None,
    quality: int | None = None,
    strip: bool = False,
    existing: Literal["fail", "skip", "overwrite"] = "fail",
    progress: Callable[[Job, float], None] = lambda job, share: None,
) -> Iterator[Outcome]:
    """Upscale one file after the other; what goes wrong with one is its outcome and stops nothing.

    Args:
        upscaler: does the work.
        jobs: from `plan_jobs`.
        scale, seed, fidelity: as `Upscaler.upscale` takes them.
        output_format, quality, strip: as `imaging.write_picture` takes them.
        existing: what happens where a result is there already.
        progress: told the share of a job that is done.

    Yields:
        One outcome a job, when it is finished.

    Raises:
        SettingError: a setting is wrong for every file.
    """

    def upscaled(job: Job) -> Outcome:
        started = time.monotonic()
        picture = read_picture(job.source)
        size = upscaler.result_size(picture, scale)
        _check_size(job.target, size, output_format)
        result = upscaler.upscale(picture, scale=scale, seed=seed, fidelity=fidelity, progress=partial(progress, job))
        job.target.parent.mkdir(parents=True, exist_ok=True)
        lost = write_picture(result, job.target, format=output_format, quality=quality, strip=strip)
        seconds = time.monotonic() - started
        notes = (*picture.notes, *lost)
        return Outcome(source=job.source, target=job.target, status="done", notes=notes, size=size, seconds=seconds)

    for job in jobs:
        if job.target.exists() and existing == "skip":
            yield Outcome(source=job.source, target=job.target, status="skipped")
            continue
        if job.target.exists() and existing == "fail":
            reason = f"{job.target} exists already; choose --overwrite or --skip-existing, or another output."
            yield _failed(job.source, f"{job.source}: {reason}")
            continue
        try:
            yield upscaled(job)
        except SettingError:
            raise
        except (DeltasrError, OSError, MemoryError) as error:
            yield _failed(job.source, _named(error, job))


def _failed(source: Path, reason: str) -> Outcome:
    return Outcome(source=source, status="failed", reason=reason)


def _named(error: BaseException, job: Job) -> str:
    text = str(error) or type(error).__name__
    return text if str(job.source) in text else f"{job.source}: {text}"


def _check_size(target: Path, size: tuple[int, int], output_format: str | None) -> None:
    format_ = format_named(output_format or target.suffix)
    if max(size) > format_.largest_side:
        raise PictureError(
            f"A result of {size[1]}x{size[0]} pixels is too large for {format_.title}, which holds "
            f"{format_.largest_side} a side; choose --output-format png."
        )


def _renamed(relative: Path, suffix: str | None) -> Path:
    return relative.with_suffix(suffix or result_suffix(relative.suffix))


def _pictures_below(folder: Path, output: Path) -> tuple[list[Path], int, list[Outcome]]:
    """The pictures in a folder's tree in order, the number of other files, and the folders that cannot be read."""
    pictures: list[Path] = []
    others = 0
    unreadable: list[Outcome] = []

    def refused(error: OSError) -> None:
        unreadable.append(_failed(Path(error.filename), f"{error.filename} cannot be read: {error.strerror}."))

    results = output.resolve()
    for root, folders, files in os.walk(folder, onerror=refused):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() != results)
        for name in sorted(files):
            if Path(name).suffix.lower() in READABLE_SUFFIXES and not name.startswith("."):
                pictures.append(here / name)
            else:
                others += 1
    return pictures, others, unreadable


def _without_clashes(wanted: list[tuple[Path, Path]]) -> tuple[list[Job], list[Outcome]]:
    """Jobs whose results have a file each, none of them an input; the others, as failures. Repeated inputs are one."""
    sources = {_key(source) for source, _ in wanted}
    taken: dict[str, Path] = {}
    jobs: list[Job] = []
    failures: list[Outcome] = []
    for source, target in wanted:
        first = taken.get(_key(target))
        taken.setdefault(_key(target), source)
        if first is not None and _key(first) == _key(source):
            continue
        if first is not None:
            reason = f"its result would be {target}, and so would that of {first}; give them one at a time"
            failures.append(_failed(source, f"{source}: {reason}, or without --output-format."))
        elif _key(target) in sources:
            reason = f"its result would be {target}, which is an input; name another output folder."
            failures.append(_failed(source, f"{source}: {reason}"))
        else:
            jobs.append(Job(source=source, target=target))
    return jobs, failures


def _key(path: Path) -> str:
    return os.path.normcase(path.resolve())
