"""The classical interpolations by name, without the functions (`interpolation`, `array_interpolation`)."""

from __future__ import annotations

from typing import NamedTuple


class Method(NamedTuple):
    """The receptive field in LR pixels, and a description."""

    reach: int
    description: str


METHODS: dict[str, Method] = {
    "nearest": Method(1, "nearest neighbour"),
    "bilinear": Method(1, "bilinear interpolation"),
    "bicubic": Method(2, "bicubic interpolation as MATLAB's imresize does it, in floating point"),
    "bicubic-pillow": Method(2, "Pillow's bicubic interpolation, in 8 bits"),
    "lanczos": Method(3, "Pillow's Lanczos interpolation (three lobes), in 8 bits"),
}
"""Pillow works in 8 bits: it rounds its input, too."""
