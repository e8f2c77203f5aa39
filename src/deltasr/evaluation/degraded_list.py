"""Lists of degraded pictures: writing and reading them as CSV, and comparing them with pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from deltasr.errors import PictureError, SettingError
from deltasr.evaluation.degraded import Line

_COLUMNS = [field.name for field in fields(Line)]
_STRENGTH = "strength"
"""The column that only lists of pictures with a strength have."""

_NUMBERS = ("scale", "seed", "width", "height")


def to_csv(lines: Sequence[Line]) -> str:
    """A header and one line per picture, sorted by name."""
    text = io.StringIO()
    with_strength = any(line.strength is not None for line in lines)
    columns = [column for column in _COLUMNS if with_strength or column != _STRENGTH]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in sorted(lines, key=lambda line: line.name))
    return text.getvalue()


def read_list(path: Path) -> list[Line]:
    """The lines of a list; the first one is line 2 of the file.

    Raises:
        PictureError: the file cannot be read.
        SettingError: it is no such list, or names a picture twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PictureError(f"The list {path} cannot be read ({error.strerror}); check the name.") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not text; give a list that deltasr degrade --list wrote.") from error
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if list(reader.fieldnames or ()) not in (_COLUMNS, [column for column in _COLUMNS if column != _STRENGTH]):
            raise ValueError(f"its columns are not {', '.join(_COLUMNS)}")
        lines = [_line(row) for row in reader]
    except (ValueError, csv.Error) as error:
        place = f" (line {reader.line_num}: {error})"
        raise SettingError(f"{path} is no list that deltasr degrade --list wrote{place}; give one.") from error
    names = [line.name for line in lines]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SettingError(f"{path} names {twice} twice; leave one of the lines.")
    if not lines:
        raise SettingError(f"{path} lists no pictures; give a list that deltasr degrade --list wrote.")
    return lines


def difference(listed: Line, made: Line) -> str | None:
    """In words, how a picture differs from its line in the list; None where it does not."""
    if listed == made:
        return None
    if listed.hr_sha256 != made.hr_sha256:
        return "the HR picture is another one"
    if listed.operations != made.operations:
        return f"it went through something else: {made.operations}"
    return "the same HR picture came out with other pixels"


def _line(row: dict[str, str]) -> Line:
    if None in row or None in row.values():
        raise ValueError(f"it has not {len(row)} cells")
    numbers = {name: int(row[name]) for name in _NUMBERS}
    strength = float(row[_STRENGTH]) if row.get(_STRENGTH) else None
    return Line(**{**row, **numbers, _STRENGTH: strength})  # type: ignore[arg-type]
