"""What is found out of this machine once, and remembered for later processes in the user's cache folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

Value = TypeVar("Value")


def folder() -> Path:
    """Where it lies; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deltasr"


def remembered(name: str, kind: type[Value]) -> dict[str, Value]:
    """What earlier processes wrote down in the file of a name, by their keys; nothing where that cannot be read."""
    try:
        return msgspec.json.decode((folder() / name).read_bytes(), type=dict[str, kind])  # type: ignore[valid-type]
    except (OSError, RuntimeError, msgspec.MsgspecError):
        return {}


def remember(name: str, key: str, value: Any) -> None:
    """Write down a value for later processes, where a file can be written; others' values stay."""
    with suppress(OSError, RuntimeError):
        file = folder() / name
        file.parent.mkdir(parents=True, exist_ok=True)
        content = msgspec.json.format(msgspec.json.encode(remembered(name, object) | {key: value}))
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        try:
            part.write_bytes(content)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
