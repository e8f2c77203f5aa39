"""A checkpoint's header, read from the head of its file without torch and without its weights.

A safetensors file begins with the length of its head, eight bytes with the low one first, and the head, a JSON object
of tensors' types, shapes and places in the file. Its `__metadata__` maps texts to texts, of which one is ours.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from deltasr.arguments import require_shallow, shown
from deltasr.errors import CheckpointError, SettingError, one_line, reason

HEADER_KEY = "deltasr"
FORMAT = 1

_LONGEST_NAME = 100
_LONGEST_DESCRIPTION = 500
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')

_LARGEST_HEAD = 100_000_000
"""What the safetensors library itself reads at most, in bytes."""

_BITS = {"BOOL": 8, "BF16": 16} | {f"{kind}{bits}": bits for kind in "FIU" for bits in (8, 16, 32, 64)}


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a checkpoint.

    Attributes:
        architecture: a name in `configs.ARCHITECTURES`.
        arguments: the options of its config.
        name: what the model calls itself; as read from a file, always one that a file or a folder can have.
        description: one line.
        training: how the weights came about (recipe, images seen, ...), as JSON values.
        format: version of this header.
    """

    architecture: str
    arguments: dict[str, Any]
    name: str
    description: str
    training: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT


class _Version(msgspec.Struct):
    """The one field that headers of every format have."""

    format: int = FORMAT


class _Tensor(msgspec.Struct):
    """One tensor's entry in the head of the file."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


@dataclass(frozen=True)
class _Head:
    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file of weights that are not deltasr's: safetensors without our header, or another format."""
    try:
        return HEADER_KEY not in _head(path).metadata
    except CheckpointError:
        return Path(path).is_file() and Path(path).suffix != ".safetensors"


def read_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a safetensors file, by its name.

    Raises:
        CheckpointError: the file is missing or no safetensors file.
    """
    return _head(path).shapes


def read_header(path: str | os.PathLike[str]) -> Header:
    """The header of a checkpoint, without its weights.

    Raises:
        CheckpointError: the file is missing, is no safetensors file, or was not written by this deltasr or an
            earlier one.
    """
    metadata = _head(path).metadata
    if HEADER_KEY not in metadata:
        raise CheckpointError(f"{os.fspath(path)} has no deltasr header, so the model it belongs to is not known.")
    text = metadata[HEADER_KEY]
    try:
        require_shallow(text)
        written_as = msgspec.json.decode(text, type=_Version).format
        if written_as > FORMAT:
            raise CheckpointError(
                f"{os.fspath(path)} was written by a newer deltasr (format {shown(written_as)}, not {FORMAT}); "
                "update deltasr."
            )
        header = msgspec.json.decode(text, type=Header)
    except (msgspec.MsgspecError, SettingError) as error:
        raise CheckpointError(f"The header of {os.fspath(path)} is damaged ({reason(error)}).") from error
    return replace(
        header,
        name=_plain_name(header.name) or "checkpoint",
        description=one_line(header.description, longest=_LONGEST_DESCRIPTION),
    )


def _plain_name(name: str) -> str:
    """A name without what folders, drives, patterns and terminals take for something else."""
    letters = ("-" if letter in _NOT_IN_NAMES or not letter.isprintable() else letter for letter in name)
    return "".join(letters).strip(" .-")[:_LONGEST_NAME].rstrip(" .-")


def _head(path: str | os.PathLike[str]) -> _Head:
    """The head of a safetensors file whose tensors fill the rest of it."""
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(8)
            length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else 0
            if not 0 < length <= min(size - 8, _LARGEST_HEAD):
                raise _unreadable(path, "it does not begin with the length of its head")
            content = file.read(length)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint at {os.fspath(path)}.") from error
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    try:
        entries = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(entries.pop("__metadata__", msgspec.Raw(b"{}")), type=dict[str, str])
        tensors = {name: msgspec.json.decode(entry, type=_Tensor) for name, entry in entries.items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable(path, reason(error)) from error
    _require_whole(path, tensors, size - 8 - length)
    return _Head(metadata, {name: tuple(tensor.shape) for name, tensor in tensors.items()})


def _require_whole(path: str | os.PathLike[str], tensors: dict[str, _Tensor], size: int) -> None:
    """Make sure that tensors lie one after the other, each as large as its shape says, to the end of the file."""
    place = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = tensor.data_offsets
        bits = _BITS.get(tensor.dtype)
        if min(tensor.shape, default=0) < 0 or (bits and prod(tensor.shape) * bits != 8 * (end - begin)):
            raise _unreadable(path, f"'{shown(name)}' has not the size that its shape says")
        if begin != place or end < begin:
            raise _unreadable(path, f"'{shown(name)}' does not lie where the one before it ends")
        place = end
    if place != size:
        raise _unreadable(path, f"its tensors take {place} bytes, and it holds {size}")


def _unreadable(path: str | os.PathLike[str], why: str) -> CheckpointError:
    return CheckpointError(f"{os.fspath(path)} is not a readable safetensors file ({why}).")
