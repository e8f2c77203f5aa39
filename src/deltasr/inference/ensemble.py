"""The mean of a model's results for the eight orientations of a picture.

A network's results for a picture and its mirror image differ slightly. The difference is an error of the network and
partly cancels in the mean (Timofte, Rothe and Van Gool, "Seven Ways to Improve Example-Based Single Image Super
Resolution", CVPR 2016, "enhanced prediction"; the "+" of EDSR+, Lim et al., arXiv:1707.02921, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product

import torch
from torch import Tensor

ORIENTATIONS = tuple(product((False, True), range(4)))
"""Whether the picture is mirrored, and by how many quarter turns it is then rotated."""


def mean_of_orientations(run: Callable[[Tensor], Tensor], picture: Tensor) -> Tensor:
    """Run a function on a picture rotated by 0 to 3 quarter turns, mirrored or not, and average the results.

    Args:
        run: from (N, C, h, w) to (N, K, s h, s w); it is called once for each orientation.
        picture: (N, C, h, w).

    Returns:
        (N, K, s h, s w), float32 at least.
    """

    def result_for(orientation: tuple[bool, int]) -> Tensor:
        mirrored, quarters = orientation
        turned = (picture.flip(-1) if mirrored else picture).rot90(quarters, (-2, -1))
        result = run(turned.contiguous(memory_format=torch.channels_last)).rot90(-quarters, (-2, -1)).float()
        return result.flip(-1) if mirrored else result

    return reduce(torch.add, map(result_for, ORIENTATIONS)) / len(ORIENTATIONS)
