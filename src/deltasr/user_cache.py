"""Results of trials on this machine, kept for later processes in the user's cache folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deltasr.errors import OutputError
from deltasr.files import write_whole

Value = TypeVar("Value")


def folder() -> Path:
    """The folder, which need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deltasr"


def remembered(name: str, kind: type[Value]) -> dict[str, Value]:
    """The values that earlier processes saved in a file, by their keys; empty where it cannot be read."""
    try:
        return msgspec.json.decode((folder() / name).read_bytes(), type=dict[str, kind])  # type: ignore[valid-type]
    except (OSError, RuntimeError, msgspec.MsgspecError):
        return {}


def remember(name: str, key: str, value: Any) -> None:
    """Save a value for later processes, if the file can be written; the other values stay."""
    content = msgspec.json.format(msgspec.json.encode(remembered(name, object) | {key: value}))
    with suppress(OutputError, RuntimeError):  # the latter where there is no home folder
        write_whole(folder() / name, content, what="The result of the trial")
