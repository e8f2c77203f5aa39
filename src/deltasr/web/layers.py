"""Layers that the page can show over a result: its maps (`inference.maps`), and how wrong it may be in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deltasr.models.error_map_interface import STEPS_PER_LEVEL
from deltasr.web.failures import WebError

if TYPE_CHECKING:
    from deltasr.inference.maps import Map

Layer = Literal["error", "determined", "added"]

PICTURE_OF: dict[Layer, tuple[Map, int]] = {
    "error": ("error", 1),
    "determined": ("determined", 0),
    "added": ("determined", 1),
}
"""The map that has a layer, and the place of the layer's picture among those of the map."""

Levels = tuple[float, float]
"""Half-widths in 8-bit levels: that of the middle pixel, and what nine of ten pixels do not exceed."""


def layers_of(kind: Map) -> list[Layer]:
    """What a map can show."""
    return [layer for layer, (its_map, _) in PICTURE_OF.items() if its_map == kind]


def read_layer(text: str) -> Layer | None:
    """The layer of a query; None for the result itself.

    Raises:
        WebError: there is no such layer.
    """
    if text == "":
        return None
    for layer in get_args(Layer):
        if layer == text:
            return layer
    raise WebError(400, f"There is no layer {text[:40]!r}; there are {', '.join(get_args(Layer))}.")


def levels_of(error_map: NDArray[np.uint16]) -> Levels:
    """The numbers of an error map, as `Picture.error_map`, or of a part of one."""
    middle, most = np.quantile(error_map, (0.5, 0.9)) / STEPS_PER_LEVEL
    return round(float(middle), 1), round(float(most), 1)


def as_header(levels: Levels) -> str:
    """The numbers as the header `Deltasr-Error-Levels`."""
    return f"{levels[0]:g}, {levels[1]:g}"
