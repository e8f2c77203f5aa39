"""Results of trials on this machine, kept for later processes in the user's cache folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deltasr.errors import OutputError
from deltasr.files import write_whole

Value = TypeVar("Value")

_PATIENCE = 120
"""Seconds that a process waits for another one's trial."""


def folder() -> Path:
    """The folder, which need not exist.

    Raises:
        OutputError: the user has no home folder, as in some containers, and XDG_CACHE_HOME is not set.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deltasr"
    except RuntimeError as error:
        raise OutputError("There is no home folder to keep files in; set XDG_CACHE_HOME to a folder.") from error


def remembered(name: str, kind: type[Value]) -> dict[str, Value]:
    """The values that earlier processes saved in a file, by their keys; empty where it cannot be read."""
    try:
        return msgspec.json.decode((folder() / name).read_bytes(), type=dict[str, kind])  # type: ignore[valid-type]
    except (OSError, OutputError, msgspec.MsgspecError):
        return {}


def remember(name: str, key: str, value: Any) -> None:
    """Save a value for later processes, if the file can be written; the other values stay."""
    with suppress(OutputError), alone(name):
        content = msgspec.json.format(msgspec.json.encode(remembered(name, object) | {key: value}))
        write_whole(folder() / name, content, what="The result of the trial")


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Keep other processes that ask for the same thing waiting, for two minutes at most.

    Where the folder cannot be written, nothing waits. Do not nest it for one thing.

    Args:
        what: a file name; the lock is a file of that name and `.lock`.
    """
    from filelock import FileLock, Timeout

    lock = None
    with suppress(OSError, OutputError, NotImplementedError, Timeout):
        folder().mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder() / f"{what}.lock")
        lock.acquire(timeout=_PATIENCE)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
