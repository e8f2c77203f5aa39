"""The loop over all tiles of a picture, with smaller tiles when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from deltasr import interruption
from deltasr.arrays import Array
from deltasr.inference.memory import is_out_of_memory
from deltasr.inference.tiling import Axis, Span


class Sink(Protocol):
    """Receives the results of tiles, row by row (`inference.blending`)."""

    def start_row(self, row: Span) -> None: ...

    def add(self, row: Span, column: Span, values: Array) -> None: ...

    def end_row(self, row: Span) -> None: ...


def run_tiles(
    compute: Callable[[Span, Span], Array],
    rows: Axis,
    columns: Axis,
    *,
    tile: int,
    smallest: int,
    sink: Sink,
    before_retry: Callable[[], None],
    report: Callable[[float], None],
) -> None:
    """Compute all tiles, from the top left to the bottom right.

    When memory runs out, the row of tiles is computed again with tiles of half the side, but not below `smallest`;
    finished rows are kept.

    Args:
        compute: makes one tile's values (K, rows, columns) from its spans.
        rows, columns: the picture's axes.
        tile: LR pixels per side of the first tiles.
        smallest: the fewest LR pixels per side of a tile.
        sink: receives the values.
        before_retry: called between running out of memory and the next attempt.
        report: called after every tile with the share of the picture that is finished, in (0, 1].

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, even if Python could not raise it (`interruption`).
        MemoryError, RuntimeError: memory ran out with the smallest tiles, or `compute` failed for another reason.
    """
    start = 0
    while start < rows.length:
        row = rows.first(tile, start)
        again = tile > smallest
        if _run_row(compute, row, columns, tile=tile, again=again, sink=sink, report=lambda s: report(s / rows.length)):
            start = row.core.stop
        else:
            tile = max(tile // 2, smallest)
            before_retry()


def _run_row(
    compute: Callable[[Span, Span], Array],
    row: Span,
    columns: Axis,
    *,
    tile: int,
    again: bool,
    sink: Sink,
    report: Callable[[float], None],
) -> bool:
    """Compute one row of tiles; False if memory ran out and smaller tiles may be tried."""
    try:
        sink.start_row(row)
        for column in columns.spans(tile):
            if not (row.empty or column.empty):
                sink.add(row, column, compute(row, column))
            interruption.check()
            report(row.core.start + (row.core.stop - row.core.start) * column.core.stop / columns.length)
        sink.end_row(row)
    except (MemoryError, RuntimeError) as error:
        if not (again and is_out_of_memory(error)):
            raise
        return False
    return True
