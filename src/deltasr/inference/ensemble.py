"""The mean of what a model makes of a picture in its eight orientations.

A network treats a picture and its mirror image a little differently; what differs is its own, not the picture's, and
averages out (Timofte, Rothe and Van Gool, "Seven Ways to Improve Example-Based Single Image Super Resolution",
CVPR 2016, "enhanced prediction"; the "+" of EDSR+, Lim et al., arXiv:1707.02921, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product

import torch
from torch import Tensor

ORIENTATIONS = tuple(product((False, True), range(4)))
"""Whether mirrored, and then turned by how many quarters; each is as much work as the picture itself."""


def mean_of_orientations(run: Callable[[Tensor], Tensor], picture: Tensor) -> Tensor:
    """Run something on a picture turned by 0 to 3 quarters, mirrored or not, and average the results turned back.

    Args:
        run: from (N, C, h, w) to (N, K, s h, s w); it sees each orientation once, one after the other.
        picture: (N, C, h, w).

    Returns:
        (N, K, s h, s w), float32 at least.
    """

    def seen_as(orientation: tuple[bool, int]) -> Tensor:
        mirrored, quarters = orientation
        seen = (picture.flip(-1) if mirrored else picture).rot90(quarters, (-2, -1))
        result = run(seen.contiguous(memory_format=torch.channels_last)).rot90(-quarters, (-2, -1)).float()
        return result.flip(-1) if mirrored else result

    return reduce(torch.add, map(seen_as, ORIENTATIONS)) / len(ORIENTATIONS)
