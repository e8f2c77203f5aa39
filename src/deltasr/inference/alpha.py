"""Alpha through a model: sharp where the model makes edges sharp, untouched where there is nothing to
sharpen.

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
    """Put the input's value back wherever an LR pixel and its eight neighbours are equal.

    Args:
        sr: (C, s h, s w): an upscaled plane.
        lr: (C, h, w): the plane it was made from.

    Returns:
        (C, s h, s w).
    """
    size = 2 * REACH + 1
    highest = F.max_pool2d(lr, size, stride=1, padding=REACH)
    lowest = -F.max_pool2d(-lr, size, stride=1, padding=REACH)
    scale = sr.shape[-1] // lr.shape[-1]
    flat, level = (plane.repeat_interleave(scale, -2).repeat_interleave(scale, -1) for plane in (highest == lowest, lr))
    return torch.where(flat, level, sr)
