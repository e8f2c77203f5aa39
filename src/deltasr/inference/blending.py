"""How the results of tiles become one picture again: cropped, or cross-faded where they meet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deltasr.arrays import Array, to_numpy
from deltasr.inference.tiling import Span

Emit = Callable[[slice, slice, Array], None]
"""Takes rows, columns and the finished values (K, rows, columns) of the final picture."""


class Cropped:
    """Passes every tile on as it comes: its result pixels belong to it alone."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def start_row(self, row: Span) -> None:
        """Begin, or begin again, a row of tiles."""

    def add(self, row: Span, column: Span, values: Array) -> None:
        """Take one tile, (K, rows, columns)."""
        self._emit(row.result, column.result, values)

    def end_row(self, row: Span) -> None:
        """The row's last tile has been added."""


class Blended:
    """Cross-fades tiles linearly, with weights that sum to 1.

    It holds one row of tiles of the final picture as float32.

    Args:
        emit: takes rows of the final picture as they are finished.
        width: pixels of the final picture's rows.
        planes: K.
    """

    def __init__(self, emit: Emit, *, width: int, planes: int) -> None:
        self._emit = emit
        self._row = self._carried = np.empty((planes, 0, width), np.float32)

    def start_row(self, row: Span) -> None:
        """Begin, or begin again, a row of tiles."""
        planes, _, width = self._carried.shape
        self._row = np.zeros((planes, row.result.stop - row.result.start, width), np.float32)

    def add(self, row: Span, column: Span, values: Array) -> None:
        """Take one tile, (K, rows, columns)."""
        self._row[:, :, column.result] += to_numpy(values) * (weights(row)[:, None] * weights(column))

    def end_row(self, row: Span) -> None:
        """The row's last tile has been added."""
        self._row[:, : row.fade_in] += self._carried
        finished = self._row.shape[1] - row.fade_out
        self._carried = self._row[:, finished:].copy()
        rows = slice(row.result.start, row.result.start + finished)
        self._emit(rows, slice(0, self._row.shape[2]), self._row[:, :finished])


def weights(span: Span) -> NDArray[np.float32]:
    """(result,): 1, and linear ramps over pixels shared with a neighbour, which sum to 1 with its own."""
    result = np.ones(span.result.stop - span.result.start, np.float32)
    result[: span.fade_in] = _ramp(span.fade_in)
    result[len(result) - span.fade_out :] = 1 - _ramp(span.fade_out)
    return result


def _ramp(length: int) -> NDArray[np.float32]:
    return (np.arange(length, dtype=np.float32) + np.float32(0.5)) / np.float32(max(length, 1))
