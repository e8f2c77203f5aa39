"""Writing files atomically, so that a path has either its old content or all of the new; and digests of files."""

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


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes | str, *, what: str = "", error: type[DeltasrError] = OutputError) -> None:
    """Write a file atomically, and make its folder.

    Args:
        path: the file.
        content: bytes, or text that is written in UTF-8 without changing line ends.
        what: what the file is, such as "The report"; error messages begin with it, followed by the path.
        error: the class of the error that is raised.

    Raises:
        DeltasrError: of the class `error`; the file cannot be written.
    """
    with _errors_of(path, what=what, error=error):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path, what=what, error=error) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole(path: Path, *, what: str = "", error: type[DeltasrError] = OutputError) -> Iterator[BinaryIO]:
    """A new file beside `path` that replaces it at the end, or is removed if anything goes wrong.

    It is synchronised with the disk before it replaces the other. Files that a killed process has left in the folder
    are removed first. A device or a pipe is not replaced; it gets the content at the end.

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
    """Remove unfinished files of processes that have ended from a folder.

    Only files with names from `whole` on this machine are removed, since processes of other machines may still run.
    Files that cannot be removed stay.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = _NAME.fullmatch(entry.name)
            if match and match[1] == _place() and not _lives(int(match[2])):
                with suppress(OSError):
                    Path(entry.path).unlink()


@contextmanager
def _errors_of(path: Path, *, what: str = "", error: type[DeltasrError] = OutputError) -> Iterator[None]:
    """Turn errors of the operating system on writing `path` into a sentence; arguments as `write_whole` takes them.

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
    """Call `clear_leftovers` before the first file that this process writes into a folder."""
    folder = folder.absolute()
    if folder not in _cleared:
        _cleared.add(folder)
        clear_leftovers(folder)


def _lives(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


@cache
def _place() -> str:
    """Eight hexadecimal digits for this machine, and the container on it, where process numbers are valid.

    Folders can be shared between machines that cannot see each other's processes.
    """
    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/etc/machine-id").read_text())
    with suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(facts).encode()).hexdigest()[:8]


def _sync(descriptor: int) -> None:
    """Wait until a file is on the disk, if its file system supports that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _sync_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk; not on Windows, where folders cannot be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
