"""The history of a degraded picture: its operations in order, each with the values drawn for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Value = float | int | str


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: `blur`, `resize`, `noise`, `jpeg` or `sharpen`; `cut` where a border was made for it; `web`, before all
            others, for the strength of that kind.
        values: what was drawn for it and what follows from that, by name; lengths are in pixels of the picture as
            it was then, angles in radians, noise levels in 8-bit levels.
    """

    name: str
    values: Mapping[str, Value]

    def __str__(self) -> str:
        """In one line, such as `resize filter=area factor=0.71875 size=92x92`; numbers have six digits."""
        return " ".join([self.name, *(f"{key}={_written(value)}" for key, value in self.values.items())])


History = list[Operation]
"""Degradations append to it what they do, in order."""


def resize_to(size: tuple[int, int], filter_: str, **drawn: Value) -> Operation:
    """A resize to (height, width) by a filter, with what else was drawn for it."""
    return Operation("resize", {"filter": filter_, **drawn, "size": f"{size[1]}x{size[0]}"})


def compression(quality: int, *, subsampling: str | None = None, offset: tuple[int, int] | None = None) -> Operation:
    """A JPEG compression, with what else was drawn for it."""
    values: dict[str, Value] = {"quality": quality}
    if subsampling is not None:
        values["subsampling"] = subsampling
    if offset is not None:
        values |= {"rows_above": offset[0], "columns_before": offset[1]}
    return Operation("jpeg", values)


def _written(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
