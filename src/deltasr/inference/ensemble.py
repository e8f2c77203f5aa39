"""The mean of a model's results for the eight orientations of a picture.

A network's results for a picture and its mirror image differ slightly. The difference is an error of the network and
partly cancels in the mean (Timofte, Rothe and Van Gool, "Seven Ways to Improve Example-Based Single Image Super
Resolution", CVPR 2016, "enhanced prediction"; the "+" of EDSR+, Lim et al., arXiv:1707.02921, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product
from operator import add

from deltasr.arrays import Array, as_float32, as_picture, namespace

ORIENTATIONS = tuple(product((False, True), range(4)))
"""Whether the picture is mirrored, and by how many quarter turns it is then rotated."""


def mean_of_orientations(run: Callable[[Array], Array], picture: Array) -> Array:
    """Run a function on a picture rotated by 0 to 3 quarter turns, mirrored or not, and average the results.

    Args:
        run: from (N, C, h, w) to (N, K, s h, s w); it is called once for each orientation.
        picture: (N, C, h, w), a tensor or an array.

    Returns:
        (N, K, s h, s w), float32 at least.
    """

    xp = namespace(picture)

    def result_for(orientation: tuple[bool, int]) -> Array:
        mirrored, quarters = orientation
        turned = xp.rot90(xp.flip(picture, (-1,)) if mirrored else picture, quarters, (-2, -1))
        result = as_float32(xp.rot90(run(as_picture(turned)), -quarters, (-2, -1)))
        return xp.flip(result, (-1,)) if mirrored else result

    return reduce(add, map(result_for, ORIENTATIONS)) / len(ORIENTATIONS)
