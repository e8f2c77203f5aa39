"""The sizes that a picture has on its way: one for each pass of the model, the last one as asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deltasr.errors import SettingError

if TYPE_CHECKING:
    from deltasr.models.base import Model
    from deltasr.models.facts import Facts

Size = tuple[int, int]
"""(height, width) in pixels."""


def sizes_of_passes(
    model: Model | Facts, picture: Size, *, scale: float | None = None, size: Size | None = None
) -> list[Size]:
    """The sizes after each pass of a model over a picture; all but the last are its own factor, again and again.

    The last pass is resized where the model's factor does not lead to what was asked for.

    Args:
        model: any model, or what is known of it.
        picture: the picture to begin with.
        scale: a factor above 0 for both sides, rounded to whole pixels, at least 1.
        size: the result, exactly, of any aspect ratio. Without either it is the model's own factor.

    Raises:
        SettingError: the factor or the size is not possible, not with this model, or both are given.
    """
    if scale is not None and size is not None:
        raise SettingError("A scale and a size cannot both be asked for; leave one of them out.")
    height, width = picture
    if size is None:
        scale = model.scale if scale is None else scale
        if not (math.isfinite(scale) and scale > 0):
            raise SettingError(f"A picture cannot be scaled by {scale}; give a factor above 0.")
        size = max(round(height * scale), 1), max(round(width * scale), 1)
        asked, enlarges = f"scale by {scale}", scale > 1
    else:
        if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
            raise SettingError(f"A picture cannot have the size {size}; give (height, width), each 1 pixel or more.")
        scale = max(size[0] / height, size[1] / width)
        asked, enlarges = f"make {size[1]}x{size[0]} pixels of {width}x{height}", scale > 1
    if model.scale < 2 and enlarges:
        raise SettingError(f"The model {model.name} does not enlarge, so it cannot {asked}.")
    passes = []
    reached = model.scale
    while reached < scale:
        passes.append((height * reached, width * reached))
        reached *= model.scale
    return [*passes, size]
