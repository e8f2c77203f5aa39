"""Pictures of a set for experiments: HR and LR pixels, a selection, and the part that a strip shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deltasr.errors import PictureError
from deltasr.evaluation.sets import Pair
from deltasr.experiments.experiment import SCALE
from deltasr.imaging import read_rgb8
from deltasr.resampling.tensors import downscale

_SIDE = 36
"""LR pixels of the part of a picture that a strip shows."""


def hr_and_lr(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A pair's pictures, (H, W, 3) and (H / 4, W / 4, 3); LR is made by our bicubic where the set has none.

    Raises:
        PictureError: a picture cannot be read, is smaller than the scale, or does not fit its partner.
    """
    whole = read_rgb8(pair.hr)
    height, width = (side // SCALE for side in whole.shape[:2])
    if min(height, width) == 0:
        raise PictureError(f"{pair.hr} is smaller than {SCALE} pixels on one side; leave it out of the set.")
    hr = np.ascontiguousarray(whole[: height * SCALE, : width * SCALE])
    if pair.lr is None:
        values = torch.from_numpy(hr).permute(2, 0, 1)[None].double() / 255
        levels = (downscale(values, SCALE) * 255).round().to(torch.uint8)[0].permute(1, 2, 0)
        return hr, np.ascontiguousarray(levels.numpy())
    lr = read_rgb8(pair.lr)
    if lr.shape[:2] != (height, width):
        raise PictureError(
            f"{pair.lr} has {lr.shape[1]}x{lr.shape[0]} pixels, which is not {pair.hr}'s {whole.shape[1]}x"
            f"{whole.shape[0]} divided by {SCALE}; give the LR pictures of scale {SCALE}."
        )
    return hr, lr


def spread(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most so many of the pairs, two or more, evenly from the first to the last."""
    if len(pairs) <= most:
        return list(pairs)
    return [pairs[number * (len(pairs) - 1) // (most - 1)] for number in range(most)]


def middle(lr: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns of a result, `SCALE` times as large as an LR picture, that a strip shows."""
    starts = [max(0, (side - _SIDE) // 2) for side in lr.shape[:2]]
    rows, columns = (slice(start * SCALE, (start + _SIDE) * SCALE) for start in starts)
    return rows, columns


def enlarged(lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An LR picture enlarged by nearest neighbour."""
    return lr.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
