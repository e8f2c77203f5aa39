"""Alpha through a model: sharp where the model makes edges sharp, untouched where there is nothing to sharpen.

A mask upscaled by interpolation has soft edges beside a picture whose edges are sharp, so alpha goes through
the model as a grey picture. Networks are not exact on flat areas, though, and what was opaque must stay
opaque.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 1
"""How far `keep_flat` sees, in LR pixels."""


def keep_flat(sr: Tensor, lr: Tensor) -> Tensor:
    """Put the input's value back wherever it says what all of an LR pixel is.

    That is where an LR pixel and its eight neighbours are equal, and where it is fully opaque, or fully transparent,
    and none of the four beside it is the opposite: the edge then runs through those, which are partly covered. Models
    leave dots and lines there. Where opposites touch, as in masks that were not anti-aliased, where the edge runs is
    for the model to say.

    Args:
        sr: (C, s h, s w): an upscaled plane.
        lr: (C, h, w): the plane it was made from, in [0, 1].

    Returns:
        (C, s h, s w).
    """
    square = 2 * REACH + 1
    flat = _highest(lr, square, square) == _lowest(lr, square, square)
    highest = torch.maximum(_highest(lr, square, 1), _highest(lr, 1, square))
    lowest = torch.minimum(_lowest(lr, square, 1), _lowest(lr, 1, square))
    whole = flat | ((lr == 1) & (lowest > 0)) | ((lr == 0) & (highest < 1))
    scale = sr.shape[-1] // lr.shape[-1]
    keep, level = (plane.repeat_interleave(scale, -2).repeat_interleave(scale, -1) for plane in (whole, lr))
    return torch.where(keep, level, sr)


def _highest(plane: Tensor, height: int, width: int) -> Tensor:
    """The largest value in windows around each pixel."""
    return F.max_pool2d(plane, (height, width), stride=1, padding=(height // 2, width // 2))


def _lowest(plane: Tensor, height: int, width: int) -> Tensor:
    return -_highest(-plane, height, width)
