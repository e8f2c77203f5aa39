"""Pictures as seen beyond their borders, where they are mirrored."""

from __future__ import annotations

import numpy as np

from deltasr.arrays import Array, namespace, take
from deltasr.resampling.kernels import mirrored


def mirror(image: Array, rows: range, columns: range) -> Array:
    """A picture (..., H, W) as seen at places around all of it, where it is mirrored and borders repeat.

    Args:
        image: a tensor or an array of any type.
        rows: the rows to return; 0 to H - 1 are the picture's own, and have to be among them.
        columns: the columns to return, likewise.
    """
    for axis, places in ((-2, rows), (-1, columns)):
        length = image.shape[axis]
        outside = [
            take(image, mirrored(np.arange(*ends), length), axis) for ends in ((places.start, 0), (length, places.stop))
        ]
        image = namespace(image).concatenate((outside[0], image, outside[1]), axis)
    return image
