"""Generated motion: a window that moves over a picture by whole HR pixels, and how far aligned frames differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from deltasr.errors import PictureError
from deltasr.evaluation.metrics import luma
from deltasr.experiments.experiment import SCALE
from deltasr.resampling.tensors import downscale

Frame = NDArray[np.uint8]

LARGEST_SIDE = 256
"""The longest side of a window, in HR pixels."""

BORDER = 16
"""HR pixels at the edges of a window that are left out: there a frame sees less of the scene than the next one."""

_SMALLEST_SIDE = 64


def moving_window(hr: Frame, *, shift: int, frames: int) -> list[Frame]:
    """Windows of a picture, each so many HR pixels further down and to the right than the one before.

    Args:
        hr: the picture (H, W, 3).
        shift: pixels per frame, along both axes.
        frames: how many.

    Returns:
        The windows, all of one size, which is a multiple of the scale.

    Raises:
        PictureError: the picture has no room for them.
    """
    travel = shift * (frames - 1)
    height, width = (min(LARGEST_SIDE, side - travel) // SCALE * SCALE for side in hr.shape[:2])
    if min(height, width) < _SMALLEST_SIDE:
        raise PictureError(
            f"A picture of {hr.shape[1]}x{hr.shape[0]} pixels has no room for a window of {_SMALLEST_SIDE}x"
            f"{_SMALLEST_SIDE} that moves by {travel}; leave it out of the set."
        )
    top, left = ((side - travel - size) // 2 for side, size in zip(hr.shape[:2], (height, width), strict=True))
    starts = [(top + number * shift, left + number * shift) for number in range(frames)]
    return [np.ascontiguousarray(hr[y : y + height, x : x + width]) for y, x in starts]


def shrunk(frame: Frame) -> Frame:
    """A frame's LR picture by our bicubic, in 8 bits."""
    values = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
    levels = (downscale(values, SCALE) * 255).round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
    return np.ascontiguousarray(levels.numpy())


def flicker(frames: Sequence[Frame], shift: int) -> float:
    """The mean squared difference between each frame and the next one, warped back by the known motion.

    The motion is of whole pixels, so warping takes no interpolation, and the HR frames have exactly 0.

    Args:
        frames: of one size (H, W, 3); at least two.
        shift: HR pixels per frame, along both axes.

    Returns:
        Mean over frames and pixels inside the border, of luma in squared 8-bit levels.
    """
    lumas = [luma(torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255)[0, 0] for frame in frames]
    height, width = lumas[0].shape
    differences = []
    for before, after in pairwise(lumas):
        here = before[BORDER + shift : height - BORDER, BORDER + shift : width - BORDER]
        there = after[BORDER : height - BORDER - shift, BORDER : width - BORDER - shift]
        differences.append(float((here - there).square().mean()))
    return float(np.mean(differences))
