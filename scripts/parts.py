"""Files in parts of a bounded size, with a manifest that every part is checked by. Standard library only.

A manifest names archives, each a list of parts. Parts of pictures and tools are tar files, usable by themselves; what a
training slice hands out is one tar file cut into parts. Equal files make equal parts to the last byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

MIB = 1 << 20
MANIFEST = "manifest.json"
_FORMAT = 1
_BLOCK = tarfile.BLOCKSIZE


class PartsError(Exception):
    """What went wrong, where, and what to do: one sentence for people."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file beside the manifest: its name, its size in bytes and the SHA-256 of its content."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file that goes into an archive, and its path in there, with forward slashes."""

    path: str
    source: Path

    def size_in_tar(self) -> int:
        """Bytes that it takes in a tar file, header and padding included."""
        header = len(self._header().tobuf(tarfile.PAX_FORMAT))
        return header + -(-self.source.stat().st_size // _BLOCK) * _BLOCK

    def add_to(self, archive: tarfile.TarFile) -> None:
        """Append it to an open tar file."""
        with self.source.open("rb") as file:
            archive.addfile(self._header(), file)

    def _header(self) -> tarfile.TarInfo:
        """Neither owner nor time: they would make other bytes of equal files."""
        header = tarfile.TarInfo(self.path)
        header.size, header.mode = self.source.stat().st_size, 0o644
        return header


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, and make its folder, so that its name shows either the old content or all of the new."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PartsError(f"{path} cannot be written: {error.strerror or error}.") from error


def tar_of(members: Iterable[Member]) -> bytes:
    """An uncompressed tar file of the members in the order given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            member.add_to(archive)
    return buffer.getvalue()


def grouped(members: list[Member], limit: int) -> list[list[Member]]:
    """Consecutive members in groups of about equal size, none of whose tar files is larger than `limit` bytes.

    Raises:
        PartsError: a single member is too large for a part.
    """
    room = limit // tarfile.RECORDSIZE * tarfile.RECORDSIZE - 2 * _BLOCK  # a tar file ends in two empty blocks
    sizes = [member.size_in_tar() for member in members]
    for member, size in zip(members, sizes, strict=True):
        if size > room:
            raise PartsError(
                f"{member.source} takes {size / MIB:.2f} MiB and does not fit into a part of {limit / MIB:.3g} MiB; "
                "make it smaller, leave it out, or allow larger parts (--limit)."
            )
    total = sum(sizes)
    capacity = min(room, total // max(1, -(-total // max(1, room))) + max(sizes, default=0))
    groups: list[list[Member]] = []
    filled = capacity
    for member, size in zip(members, sizes, strict=True):
        if filled + size > capacity:
            groups.append([])
            filled = 0
        groups[-1].append(member)
        filled += size
    return groups


def write_parts(folder: Path, contents: dict[str, bytes]) -> list[Part]:
    """Write files by name into a folder; what the manifest says of them."""
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [
        Part(name=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    ]


def write_cut(folder: Path, archive: str, members: list[Member], limit: int) -> list[Part]:
    """Write one tar file of the members, cut into parts of at most `limit` bytes."""
    content = tar_of(members)
    starts = range(0, len(content), limit)
    return write_parts(
        folder, {f"{archive}-{n:02}.part": content[start : start + limit] for n, start in enumerate(starts, start=1)}
    )


def write_manifest(folder: Path, archives: dict[str, list[Part]]) -> None:
    """Write the manifest, which comes last: parts without one are not whole."""
    entries = {name: [asdict(part) for part in parts] for name, parts in archives.items()}
    text = json.dumps({"format": _FORMAT, "archives": entries}, indent=1)
    write_whole(folder / MANIFEST, f"{text}\n".encode())


def read_manifest(folder: Path) -> dict[str, list[Part]]:
    """The archives of a folder, by name.

    Raises:
        PartsError: there is no manifest, or it is damaged or of another version.
    """
    file = folder / MANIFEST
    try:
        found = json.loads(file.read_bytes())
        if found["format"] != _FORMAT:
            raise PartsError(f"{file} is of format {found['format']}, not {_FORMAT}; take the scripts that wrote it.")
        archives = {name: [Part(**part) for part in parts] for name, parts in found["archives"].items()}
    except FileNotFoundError as error:
        raise PartsError(f"{folder} has no {MANIFEST}, so what is in it is not whole; bring all of it.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PartsError(f"{file} cannot be read as a manifest; bring it again.") from error
    for part in (part for parts in archives.values() for part in parts):
        if PurePosixPath(part.name).name != part.name:
            raise PartsError(f"{file} names a part '{part.name}', which is not the name of a file beside it.")
    return archives


def checked(folder: Path, part: Part) -> bytes:
    """The content of a part.

    Raises:
        PartsError: it is missing, or is not what the manifest says.
    """
    file = folder / part.name
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PartsError(f"{file} cannot be read: {error.strerror or error}; bring it again.") from error
    if len(content) != part.bytes or hashlib.sha256(content).hexdigest() != part.sha256:
        raise PartsError(f"{file} is not the part that {MANIFEST} tells of (its SHA-256 differs); bring it again.")
    return content


def unpack(tar: bytes, folder: Path) -> None:
    """Unpack a tar file into a folder, which nothing in it can leave.

    Raises:
        PartsError: it cannot be unpacked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            for member in archive:
                _write_member(archive, member, folder)
    except (tarfile.TarError, OSError) as error:
        raise PartsError(f"Parts cannot be unpacked into {folder}: {' '.join(str(error).split())}.") from error


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write a file of an archive, with its time; Python before 3.11.4 has no safe `extractall`.

    Raises:
        PartsError: it is no plain file, or its name leads out of the folder.
    """
    path, content = PurePosixPath(member.name), archive.extractfile(member) if member.isfile() else None
    if content is None or path.is_absolute() or ".." in path.parts:
        raise PartsError(f"Parts cannot be unpacked into {folder}: '{member.name}' is no file below it.")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.read())
    os.utime(target, (member.mtime, member.mtime))


def restore(brought: Path, archive: str, target: Path) -> None:
    """Put a cut archive together again and unpack it as the folder `target`, which appears whole or not at all.

    Raises:
        PartsError: there is no such archive, a part is missing or damaged, or `target` holds something.
    """
    archives = read_manifest(brought)
    if archive not in archives:
        raise PartsError(f"{brought} holds no {archive}, only {', '.join(archives)}.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise PartsError(f"{target} holds something already; name another folder.")
    content = b"".join(checked(brought, part) for part in archives[archive])
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unpack(content, partial)
        partial.replace(target)
    except OSError as error:
        raise PartsError(f"{target} cannot be made: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
