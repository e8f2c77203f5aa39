"""Alpha after a model: exact where the input is flat.

Interpolated alpha has soft edges where the picture's are sharp, so the model upscales alpha as a grey picture. Networks
are not exact on flat areas, however, and opaque areas must stay opaque.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 1
"""LR pixels to each side that a result of `keep_flat` depends on."""


def keep_flat(sr: Tensor, lr: Tensor) -> Tensor:
    """Restore the input's value where it determines the whole area of an LR pixel.

    That is where an LR pixel and its eight neighbours are equal, and where it is fully opaque, or fully transparent,
    and none of its four direct neighbours is the opposite: the edge is then within those, which are partly covered.
    Models leave dots and lines in such places. Where opposites touch, as in masks that are not anti-aliased, the
    model's result stays, since the edge may be on either side.

    Args:
        sr: (C, s h, s w), an upscaled plane.
        lr: (C, h, w), the plane it was made from, in [0, 1].

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
