"""Traces of JPEG in pixels: the position of its blocks and its quality, estimated without the file.

The coefficients of a JPEG's blocks (8x8 DCT of the luma) are multiples of the quantisation steps, up to rounding. This
holds at one of the 64 possible offsets of the blocks only. The steps are assumed to be libjpeg's: table K.1 of
ITU-T T.81, scaled by the quality.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK = 8
_STEPS_AT_50 = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip

_QUALITIES = range(5, 97)
"""The qualities that can be distinguished; at higher ones most steps are 1, which rounding to 8 bits hides."""

_ROUNDING = 0.12
"""Variance of a coefficient, in squared levels, by the rounding of Y, Cb and Cr and of R, G and B in the decoder."""

_LOW_FREQUENCIES = [place for place in range(1, BLOCK * BLOCK) if sum(divmod(place, BLOCK)) <= 6]
"""Places of the coefficients that are used: those that are often not 0."""

_PRIOR_COUNT = 6.0
"""So many coefficients without any regularity are added, so that a few regular ones are no evidence."""

_LEAST_FIT = 0.6
"""Least regularity of the coefficients, relative to perfect multiples, from which a quality is accepted."""

_LEAST_CONTRAST = 0.05
"""Of the blocks' offsets; below it multiples are a coincidence, as in a smooth gradient of a drawing."""

_LEAST_UNCLIPPED = 10
"""Blocks without black or white samples that are needed to conclude that there are no multiples."""

FEWEST_LEVELS = 24
"""Least number of luma levels in a degraded picture: compression, noise and blur produce many, drawings have few."""

_CONTRASTS = (0.9, 1.15, 1.5, 1.75, 2.05, 2.3)
_CONTRAST_QUALITIES = (90.0, 85.0, 75.0, 60.0, 40.0, 20.0)
"""Contrast of the blocks' offsets, and the quality at which it is usual, for pictures that are clipped everywhere."""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What was found.

    Attributes:
        quality: libjpeg's, of the last compression; None where none was found, or its quality is too high to estimate.
        offset: rows and columns, 0 to 7, before the first whole block: where the coefficients have the least energy.
        contrast: of the offsets: the median energy over the least one, as a natural logarithm.
        levels: how many 8-bit levels occur in the luma.
    """

    quality: int | None
    offset: tuple[int, int]
    contrast: float
    levels: int


def standard_table(quality: int) -> NDArray[np.int64]:
    """libjpeg's 64 luma steps at a quality, 1 to 100, row by row."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((np.array(_STEPS_AT_50) * percent + 50) // 100, 1, 255)


def quality_of_table(luma_table: Sequence[int]) -> int:
    """The libjpeg quality, 1 to 100, whose luma steps are nearest to any table of 64."""
    steps = np.log(np.asarray(luma_table, dtype=np.float64))
    distances = [float(np.abs(steps - np.log(standard_table(quality))).mean()) for quality in range(1, 101)]
    return int(np.argmin(distances)) + 1


def find_traces(windows: Sequence[Floats], lumas: Sequence[Floats]) -> Traces:
    """Find the traces of JPEG in a picture.

    Args:
        windows: parts of a picture, (H, W, C) in [0, 255], that begin at multiples of 8, of at least 15x15 pixels.
        lumas: (H, W), the luma of each.
    """
    energies = _energies(lumas)
    place = np.unravel_index(int(energies.argmin()), energies.shape)
    offset = int(place[0]), int(place[1])
    contrast = float(median(energies) - energies.min())
    coefficients = np.concatenate([transformed(luma, offset) for luma in lumas])
    sound = np.concatenate([_unclipped(window, offset) for window in windows])
    quality = _quality_by_multiples(coefficients[sound]) if contrast >= _LEAST_CONTRAST else None
    counts = sum(np.bincount(np.round(luma).astype(np.intp).ravel(), minlength=256) for luma in lumas)
    levels = int(np.count_nonzero(counts))
    if quality is None and sound.sum() < _LEAST_UNCLIPPED and levels >= FEWEST_LEVELS:
        quality = _quality_by_contrast(contrast, len(coefficients))
    return Traces(quality=quality, offset=offset, contrast=contrast, levels=levels)


def median(values: NDArray) -> np.floating:
    """The median of all values of an array of any shape, at least one.

    It is `np.median`'s to the last bit. That one loads `numpy.ma`, which takes longer than an estimate.
    """
    ordered = np.sort(values, axis=None)
    return ordered[(ordered.size - 1) // 2 : ordered.size // 2 + 1].mean()


def transformed(luma: Floats, offset: tuple[int, int]) -> Floats:
    """The DCT of the whole blocks of a picture (H, W) from an offset on: (blocks, 8, 8), orthonormal."""
    matrix = _dct_matrix()
    return matrix @ _blocks(luma, offset) @ matrix.T


def _blocks(plane: NDArray, offset: tuple[int, int]) -> NDArray:
    (top, left), (height, width) = offset, plane.shape
    rows, columns = (height - top) // BLOCK, (width - left) // BLOCK
    whole = plane[top : top + BLOCK * rows, left : left + BLOCK * columns]
    return whole.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3).reshape(-1, BLOCK, BLOCK)


def _unclipped(window: Floats, offset: tuple[int, int]) -> NDArray[np.bool_]:
    """For each block whether no sample of it is black or white, which decoding may have clipped."""
    clipped = ((window <= 0) | (window >= 255)).max(axis=2)
    return ~_blocks(clipped, offset).max(axis=(1, 2))


def _energies(lumas: Sequence[Floats]) -> NDArray[np.float64]:
    """(8, 8): for each place of the blocks the mean logarithm of the energy of all coefficients but the first."""
    energies = np.empty((BLOCK, BLOCK))
    for top in range(BLOCK):
        for left in range(BLOCK):
            found = np.concatenate([transformed(luma, (top, left)) for luma in lumas])
            energies[top, left] = np.log(found.reshape(len(found), -1)[:, 1:] ** 2 + 0.3).mean(dtype=np.float64)
    return energies


def _quality_by_multiples(coefficients: Floats) -> int | None:
    """The worst quality whose steps the coefficients (blocks, 8, 8) are multiples of.

    The cosine of 2 pi c / step is 1 at multiples. Coefficients below half a step are left out: those of any picture are
    near 0. Better qualities whose steps divide the right ones fit too, worse ones do not.
    """
    found = np.abs(coefficients.reshape(-1, BLOCK * BLOCK)[:, _LOW_FREQUENCIES])
    fits = []
    for quality in _QUALITIES:
        steps = standard_table(quality)[_LOW_FREQUENCIES].astype(np.float32)
        used = (found > steps / 2 + 0.5) & (steps >= 2)
        regularity = float(np.cos(2 * math.pi * (found / steps)[used]).sum(dtype=np.float64))
        perfect = float((used * np.exp(-2 * math.pi**2 * _ROUNDING / steps**2)).sum(dtype=np.float64))
        fits.append(regularity / (perfect + _PRIOR_COUNT))
    believed = [place for place, fit in enumerate(fits) if fit > _LEAST_FIT]
    if not believed:
        return None
    near = fits[believed[0] : believed[0] + 6]
    return _QUALITIES[believed[0] + int(np.argmax(near))]


def _quality_by_contrast(contrast: float, blocks: int) -> int | None:
    """A guess for pictures that are clipped nearly everywhere, such as black text on white."""
    if contrast < _CONTRASTS[0] + 10 / blocks:
        return None
    return round(float(np.interp(contrast, _CONTRASTS, _CONTRAST_QUALITIES)))


@lru_cache(maxsize=1)
def _dct_matrix() -> Floats:
    """The orthonormal DCT-II of 8 samples."""
    places = np.arange(BLOCK)
    matrix = np.cos((2 * places + 1) * places[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.astype(np.float32)
