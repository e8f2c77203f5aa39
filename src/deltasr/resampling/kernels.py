"""What each result sample of a bicubic resize is made of, in float64 and without PyTorch.

The kernel is Keys' cubic convolution with a = -0.5 (R. G. Keys, 1981), as in MATLAB's `imresize`. When shrinking it is
stretched by 1 / scale and renormalised; positions beyond the border are mirrored, and the border sample itself repeats.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

KERNEL_WIDTH = 4
"""How far Keys' kernel reaches from end to end, in samples."""

UPSAMPLING_REACH = 2
"""How many samples on either side of an LR sample bicubic upsampling by a whole factor needs inside it."""


def cubic(x: Floats) -> Floats:
    """Keys' cubic convolution kernel with a = -0.5, for any array of distances in samples."""
    x = np.abs(x)
    square = x * x
    cube = square * x
    near = 1.5 * cube - 2.5 * square + 1.0
    far = -0.5 * cube + 2.5 * square - 4.0 * x + 2.0
    result: Floats = np.where(x <= 1.0, near, np.where(x < 2.0, far, 0.0))
    return result


def mirrored(places: Integers, length: int) -> Integers:
    """The samples, in [0, length), that lie at any places of a mirrored line: ... 1 0 | 0 1 2 | 2 1 0 | 0 1 ..."""
    period = places % (2 * length)
    result: Integers = np.where(period < length, period, 2 * length - 1 - period)
    return result


@lru_cache(maxsize=64)
def resize_taps(length: int, size: int, scale: float, antialias: bool) -> tuple[Integers, Floats]:
    """The taps of a one-dimensional resize: which source samples make each result sample, and by how much.

    Args:
        length: number of source samples.
        size: number of result samples.
        scale: result samples per source sample (need not be exactly size / length).
        antialias: stretch the kernel when shrinking.

    Returns:
        indices (size, taps), in [0, length), and weights (size, taps), each row summing to 1. They are shared between
        callers: do not change them.
    """
    stretch = min(scale, 1.0) if antialias else 1.0
    width = KERNEL_WIDTH / stretch
    centre = (np.arange(size) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2).astype(np.int64)
    indices = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = cubic((centre[:, None] - indices) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    used = (weights != 0).any(axis=0)
    return mirrored(indices[:, used], length), weights[:, used]


def as_matrix(indices: Integers, weights: Floats, length: int) -> Floats:
    """Taps, indices and weights (size, taps), as the matrix (size, length) that does the same to a line of samples."""
    matrix = np.zeros((len(indices), length))
    np.add.at(matrix, (np.arange(len(indices))[:, None], indices), weights)
    return matrix


def resize_matrix(length: int, size: int) -> Floats:
    """(size, length): anti-aliased bicubic resizing of a line of samples, mirrored borders included."""
    return as_matrix(*resize_taps(length, size, size / length, True), length)


def upsampling_phases(scale: int) -> Floats:
    """(scale, 5): for each place inside an LR sample, the bicubic weights of the 5 LR samples around it."""
    length = 2 * UPSAMPLING_REACH + 1
    return resize_matrix(length, scale * length)[UPSAMPLING_REACH * scale : (UPSAMPLING_REACH + 1) * scale]
