"""Work on many files: which result is written where, and a loop over files in which one error does not stop the rest.

What is done with a file is up to the caller; nothing is loaded for it here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from deltasr.errors import DeltasrError, SettingError
from deltasr.imaging.formats import READABLE_SUFFIXES, format_named, result_suffix

Existing = Literal["fail", "skip", "overwrite"]
"""What happens if a result already exists."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to read, and the file its result goes to."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome for one input.

    Attributes:
        source: the input.
        status: whether its result was written, would be written (in a dry run), already existed, or could not be made.
        target: the file of its result; None where none was planned.
        reason: of a failure, as a message for the user.
        notes: sentences for the user, such as what the result's format could not keep.
        size: (height, width) of the result in pixels; (0, 0) where it is unknown.
        seconds: wall-clock time of reading, computing and writing.
    """

    source: Path
    status: Literal["done", "planned", "skipped", "failed"]
    target: Path | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Jobs, in order; failures of inputs without a job; and how many other files the folders contain."""

    jobs: list[Job] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)
    ignored: int = 0


def plan_jobs(
    inputs: Iterable[Path], output: Path | None, *, output_format: str | None = None, mark: str = "result"
) -> Plan:
    """Find the pictures, and choose a file for each result.

    A file's result is `output`, if that has a suffix and the file is the only input, or else a file in the folder
    `output`. A folder and its subfolders are searched for pictures by suffix, and results get the same subfolders of
    `output`; hidden files are left out, and so is `output` itself where it is inside. Without an `output`, results are
    beside their inputs: `photo-x4.png` beside `photo.png`, and the folder `holiday-x4` beside `holiday`. Results keep
    the suffix of their source, or get `.png` where that format cannot be written.

    Args:
        inputs: files and folders.
        output: a file or a folder; folders need not exist.
        output_format: the format of all results, one of `imaging.WRITABLE_FORMATS` or a suffix.
        mark: what the names of results beside their inputs end in, such as `x4`.

    Raises:
        SettingError: the format cannot be written, or several results would be one file.
    """
    inputs = list(inputs)
    suffix = None if output_format is None else format_named(output_format).suffixes[0]
    single = output is not None and _names_a_file(inputs, output)
    if output is not None and single:
        format_named(output_format or output.suffix)
    elif output is not None and (
        output.is_file() or (output.suffix.lower() in READABLE_SUFFIXES and not output.is_dir())
    ):
        raise SettingError(f"{output} is a file's name, but there is more than one result; name a folder.")
    failures: list[Outcome] = []
    wanted: list[tuple[Path, Path]] = []
    ignored = 0
    for given in inputs:
        if given.is_dir():
            results = _beside(given, mark) if output is None else output
            files, others, unreadable = _pictures_below(given, results)
            wanted += [(file, results / _renamed(_relative(file, given), suffix).as_posix()) for file in files]
            if not files and not unreadable:
                failures.append(failed(given, f"{given} holds no pictures."))
            ignored += others
            failures += unreadable
        elif not given.exists():
            failures.append(failed(given, f"{given} does not exist."))
        elif output is None:
            result = _renamed(given, suffix)
            wanted.append((given, result.with_name(f"{result.stem}-{mark}{result.suffix}")))
        else:
            wanted.append((given, output if single else output / _renamed(Path(given.name), suffix)))
    jobs, clashes = _without_clashes(wanted)
    return Plan(jobs=jobs, failures=failures + clashes, ignored=ignored)


def run_jobs(
    jobs: Iterable[Job],
    work: Callable[[Job], Outcome],
    *,
    existing: Existing = "fail",
    advice: str = "--overwrite or --skip-existing",
) -> Iterator[Outcome]:
    """Do the work on one file after the other; an error with one file is its outcome, and the others go on.

    Args:
        jobs: from `plan_jobs`.
        work: makes and writes the result of one job.
        existing: what happens if a result already exists.
        advice: the options that the message then names.

    Yields:
        One outcome per job, when it is finished.

    Raises:
        SettingError: a setting is wrong for every file.
    """
    for job in jobs:
        outcome = settled(job, existing, advice=advice)
        if outcome is None:
            try:
                outcome = work(job)
            except SettingError:
                raise
            except (DeltasrError, OSError, MemoryError) as error:
                outcome = failed(job.source, str(error) or type(error).__name__)
        yield outcome


def settled(job: Job, existing: Existing, *, advice: str = "--overwrite or --skip-existing") -> Outcome | None:
    """The outcome of a job whose result already exists and is not replaced; None where there is work to do."""
    if existing == "overwrite" or not job.target.exists():
        return None
    if existing == "skip":
        return Outcome(source=job.source, target=job.target, status="skipped")
    return failed(job.source, f"{job.target} already exists; choose {advice}, or another output.")


def failed(source: Path, reason: str) -> Outcome:
    """The outcome of an input that failed; its name is put before a reason that does not contain it."""
    named = reason if str(source) in reason else f"{source}: {reason}"
    return Outcome(source=source, status="failed", reason=named)


def _names_a_file(inputs: list[Path], output: Path) -> bool:
    """Whether the output is the file of a single result rather than a folder."""
    return len(inputs) == 1 and not inputs[0].is_dir() and bool(output.suffix) and not output.is_dir()


def _beside(folder: Path, mark: str) -> Path:
    """The folder for a folder's results: `holiday-x4` beside `holiday`, also where the input is `.` or `..`."""
    if folder.name in ("", ".."):
        folder = folder.resolve()
    if not folder.name:
        raise SettingError(f"There is no place beside {folder}; name a folder for the results with --output.")
    return folder.with_name(f"{folder.name}-{mark}")


def _renamed(source: Path, suffix: str | None) -> Path:
    """The name of a source's result: with the given suffix, else its own, else `.png`."""
    return source.with_suffix(suffix or result_suffix(source.suffix))


def _pictures_below(folder: Path, output: Path) -> tuple[list[Path], int, list[Outcome]]:
    """The pictures in a folder and its subfolders, the number of other files, and the folders that cannot be read."""
    pictures: list[Path] = []
    others = 0
    unreadable: list[Outcome] = []

    def refused(error: OSError) -> None:
        unreadable.append(failed(Path(error.filename), f"{error.filename} cannot be read: {error.strerror}."))

    results = _key(output)
    for here, folders, files in _walk(folder, refused):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and _key(here / name) != results)
        for name in sorted(files):
            if Path(name).suffix.lower() in READABLE_SUFFIXES and not name.startswith("."):
                pictures.append(here / name)
            else:
                others += 1
    return pictures, others, unreadable


def _without_clashes(wanted: list[tuple[Path, Path]]) -> tuple[list[Job], list[Outcome]]:
    """Jobs whose results are different files and no inputs, and failures for the rest; repeated inputs give one job."""
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
            failures.append(failed(source, f"{source}: {reason}, or without --output-format."))
        elif _key(target) in sources:
            reason = f"its result would be {target}, which is an input; name another output folder."
            failures.append(failed(source, f"{source}: {reason}"))
        else:
            jobs.append(Job(source=source, target=target))
    return jobs, failures


def _walk(folder: Path, refused: Callable[[OSError], None]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, and for the folders of object stores too (`distribution.places`)."""
    if hasattr(folder, "fs"):
        return _walk_remote(cast(Any, folder))
    return ((Path(root), folders, files) for root, folders, files in os.walk(folder, onerror=refused))


def _walk_remote(folder: Any) -> Iterator[tuple[Path, list[str], list[str]]]:
    folders: list[str] = []
    files: list[str] = []
    for entry in folder.fs.ls(folder.path, detail=True):  # a request for a thousand names, not one for each
        name = entry["name"].rstrip("/").rpartition("/")[2]
        if entry["name"].rstrip("/") != folder.path.rstrip("/"):  # some stores list the folder itself
            (folders if entry["type"] == "directory" else files).append(name)
    yield folder, folders, files
    for name in folders:
        yield from _walk_remote(folder / name)


def _relative(file: Path, folder: Path) -> Path:
    """Where in a folder a file is; of object stores as a path, since their own relative paths lack a suffix."""
    if hasattr(folder, "fs"):
        return Path(str(file).removeprefix(str(folder).rstrip("/") + "/"))
    return file.relative_to(folder)


def _key(path: Path) -> str:
    return str(path) if hasattr(path, "fs") else os.path.normcase(path.resolve())
