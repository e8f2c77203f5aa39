"""Writing files so that a name shows either the old content or all of the new."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from deltasr.errors import DeltasrError, OutputError, reason

_NAME = re.compile(r"\.deltasr-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.part")
_CANNOT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_cleared: set[Path] = set()


def write_whole(path: Path, content: bytes | str, *, what: str = "", error: type[DeltasrError] = OutputError) -> None:
    """Write a file, and make its folder; the name shows either the old content or all of the new.

    Args:
        path: the file.
        content: bytes, or text that is written in UTF-8 as it stands.
        what: what the file is, for the message, such as "The report"; its path follows.
        error: what is raised.

    Raises:
        DeltasrError: of the class `error`; the file cannot be written.
    """
    with _errors_of(path, what=what, error=error):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path, what=what, error=error) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole(path: Path, *, what: str = "", error: type[DeltasrError] = OutputError) -> Iterator[BinaryIO]:
    """A new file beside `path` that takes its name at the end, and is removed when anything goes wrong.

    It is on the disk before it takes the name. What a killed process has left in the folder is removed first. A
    device or a pipe is written into at the end; it is not replaced.

    Args:
        path, what, error: as `write_whole` takes them. The folder must exist.

    Yields:
        The file, for writing and reading.

    Raises:
        DeltasrError: of the class `error`; the file cannot be written.
    """
    with _errors_of(path, what=what, error=error):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if path.exists() and not path.is_file():
            with io.BytesIO() as buffer:
                yield buffer
                content = buffer.getvalue()
            with path.open("wb") as file:
                file.write(content)
            return
        _clear(path.parent)
        temporary = path.with_name(f".deltasr-{_place()}-{os.getpid()}-{secrets.token_hex(8)}.part")
        try:
            with temporary.open("x+b") as file:
                yield file
                file.flush()
                _sync(file.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def clear_leftovers(folder: Path) -> None:
    """Remove from a folder what processes that no longer live have left half written.

    Only files with a name that `whole` gives, of this machine, count; a process elsewhere may live. What cannot be
    removed stays.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = _NAME.fullmatch(entry.name)
            if match and match[1] == _place() and not _lives(int(match[2])):
                with suppress(OSError):
                    Path(entry.path).unlink()


@contextmanager
def _errors_of(path: Path, *, what: str = "", error: type[DeltasrError] = OutputError) -> Iterator[None]:
    """Turn what the system says against writing `path` into a sentence; arguments as `write_whole` takes them.

    Raises:
        DeltasrError: of the class `error`.
    """
    name = f"{what} {path}" if what else str(path)
    if "\0" in str(path):
        raise error(f"{name!r} cannot be written: its path has a null byte in it.")
    try:
        yield
    except FileNotFoundError as failure:
        raise error(f"{name} cannot be written: the folder {path.parent} does not exist.") from failure
    except OSError as failure:
        raise error(f"{name} cannot be written: {failure.strerror or reason(failure)}.") from failure


def _clear(folder: Path) -> None:
    """`clear_leftovers`, once for each folder that this process writes into."""
    folder = folder.absolute()
    if folder not in _cleared:
        _cleared.add(folder)
        clear_leftovers(folder)


def _lives(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


@cache
def _place() -> str:
    """Eight digits for where process numbers mean the same: this machine, and this container on it.

    Folders can be shared between machines, whose processes cannot be seen from here.
    """
    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/etc/machine-id").read_text())
    with suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(facts).encode()).hexdigest()[:8]


def _sync(descriptor: int) -> None:
    """Wait until a file is on the disk, where its file system can say so."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _sync_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk; on Windows, where folders cannot be opened, they follow later."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
