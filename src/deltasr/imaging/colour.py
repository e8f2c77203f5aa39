"""Depth and colour space: 16 to 8 bits and back, and CMYK to sRGB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyvips

CMYK_NOTE = "Its CMYK colours were converted to sRGB."

_BLOCK_VALUES = 1 << 20


def row_blocks(array: np.ndarray) -> Iterator[slice]:
    """Slices of rows that together cover `array`, of about a million values each, to bound memory."""
    rows = max(1, _BLOCK_VALUES // max(1, array[0].size))
    for top in range(0, len(array), rows):
        yield slice(top, min(top + rows, len(array)))


def as_8_bits(array: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """uint16 over 0..65535 as uint8, v / 257 rounded to the nearest; uint8 is returned as it is."""
    if array.dtype == np.uint8:
        return cast("NDArray[np.uint8]", array)
    result = np.empty(array.shape, np.uint8)
    for rows in row_blocks(array):
        result[rows] = (array[rows].astype(np.uint32) * 255 + 32895) >> 16
    return result


def cmyk_to_srgb(image: pyvips.Image) -> pyvips.Image:
    """A CMYK image (4 bands, 8 or 16 bits) in sRGB at the same depth, sRGB's ICC profile attached.

    The image's own profile is used; without a usable one, libvips' built-in CMYK profile.
    """
    depth = 16 if image.format == "ushort" else 8
    return image.icc_transform("srgb", embedded=True, input_profile="cmyk", depth=depth)


def profile_fits(icc: bytes, channels: int) -> bool:
    """Whether an ICC profile, by the colour space in its bytes 16 to 20, fits grey (1) or RGB (3) pixels.

    Grey pixels with an RGB profile are common and well defined: the three channels are equal.
    """
    return icc[16:20] == b"RGB " or (channels == 1 and icc[16:20] == b"GRAY")
