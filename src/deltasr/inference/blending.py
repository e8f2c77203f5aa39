"""How the results of tiles become one picture again: cropped, or cross-faded where they meet."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deltasr.inference.tiling import Span

Emit = Callable[[slice, slice, Tensor], None]
"""Takes rows, columns and the finished values (K, rows, columns) of the final picture."""


class Cropped:
    """Passes every tile on as it comes: its result pixels belong to it alone."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def start_row(self, row: Span) -> None:
        """Begin, or begin again, a row of tiles."""

    def add(self, row: Span, column: Span, values: Tensor) -> None:
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
        self._row = self._carried = torch.empty(planes, 0, width)

    def start_row(self, row: Span) -> None:
        """Begin, or begin again, a row of tiles."""
        planes, _, width = self._carried.shape
        self._row = torch.zeros(planes, row.result.stop - row.result.start, width)

    def add(self, row: Span, column: Span, values: Tensor) -> None:
        """Take one tile, (K, rows, columns)."""
        self._row[:, :, column.result] += values.cpu() * (weights(row)[:, None] * weights(column))

    def end_row(self, row: Span) -> None:
        """The row's last tile has been added."""
        self._row[:, : row.fade_in] += self._carried
        finished = self._row.shape[1] - row.fade_out
        self._carried = self._row[:, finished:].clone()
        rows = slice(row.result.start, row.result.start + finished)
        self._emit(rows, slice(0, self._row.shape[2]), self._row[:, :finished])


def weights(span: Span) -> Tensor:
    """(result,): 1, and linear ramps over pixels shared with a neighbour, which sum to 1 with its own."""
    result = torch.ones(span.result.stop - span.result.start)
    result[: span.fade_in] = _ramp(span.fade_in)
    result[len(result) - span.fade_out :] = 1 - _ramp(span.fade_out)
    return result


def _ramp(length: int) -> Tensor:
    return (torch.arange(length) + 0.5) / max(length, 1)
