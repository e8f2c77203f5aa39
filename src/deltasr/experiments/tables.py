"""A table with the source of each row, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from deltasr.evaluation.report import aligned

THIS_RUN = "this run"
SOURCE = "numbers from"
"""Title of the last column of every table."""

_MISSING = "not available"

Value = float | int | str | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its title, and the digits after the point of its numbers; None writes them as they are."""

    title: str
    digits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: its cells by the titles of their columns, and their source.

    Attributes:
        cells: a cell that is left out is empty in a row of this run, and `not available` in a row from elsewhere.
        source: `THIS_RUN`, or the publication.
    """

    cells: Mapping[str, Value]
    source: str = THIS_RUN


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns and rows; the column `numbers from` is added as the last one.

    Raises:
        ValueError: a row has a cell in an unknown column.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        titles = {column.title for column in self.columns}
        for row in self.rows:
            if unknown := row.cells.keys() - titles:
                raise ValueError(f"there is no column {', '.join(sorted(unknown))}")


def to_csv(table: Table) -> str:
    """A header and one line per row; missing numbers are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(column.title for column in table.columns), SOURCE])
    for row in table.rows:
        writer.writerow([*(_written(column, row, missing="") for column in table.columns), row.source])
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """The table, aligned for reading as plain text too; ends with a line feed."""
    rows = [[*(column.title for column in table.columns), SOURCE]]
    for row in table.rows:
        missing = "" if row.source == THIS_RUN else _MISSING
        rows.append([*(_written(column, row, missing=missing) for column in table.columns), row.source])
    return "\n".join(aligned(rows)) + "\n"


def _written(column: Column, row: Row, *, missing: str) -> str:
    value = row.cells.get(column.title)
    if value is None:
        return missing
    if isinstance(value, str) or column.digits is None:
        return str(value)
    return f"{value:.{column.digits}f}"
