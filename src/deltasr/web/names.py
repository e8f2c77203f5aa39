"""Names that users give to files: shown, and sent back, but never used for a file here."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

_LONGEST = 120
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')


def safe_name(name: str | None) -> str:
    """The last part of a name, without characters that steer or that some system forbids; `picture` for none."""
    last = re.split(r"[/\\]", name or "")[-1]
    printable = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    cleaned = _FORBIDDEN.sub("_", printable).strip(" .")
    if len(cleaned) > _LONGEST:
        path = PurePosixPath(cleaned)
        suffix = path.suffix[:12]
        cleaned = path.stem[: _LONGEST - len(suffix)] + suffix
    return cleaned or "picture"


def result_name(name: str, mark: str, suffix: str) -> str:
    """What a result is called: `photo-x4.png` for `photo.jpg`."""
    return f"{PurePosixPath(name).stem}-{mark}{suffix}"


def attachment(name: str) -> str:
    """A Content-Disposition header that offers a file under a name (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode("ascii").replace('"', "_").replace("\\", "_").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def unique(names: list[str]) -> list[str]:
    """The names with a number on those that came before, whatever their case: `a.png`, `a-2.png`."""
    taken: set[str] = set()
    result = []
    for name in names:
        path, number, fresh = PurePosixPath(name), 1, name
        while fresh.casefold() in taken:
            number += 1
            fresh = f"{path.stem}-{number}{path.suffix}"
        taken.add(fresh.casefold())
        result.append(fresh)
    return result
