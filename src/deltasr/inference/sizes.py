"""The sizes of a picture after each pass of the model, the last of which is the result's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltasr.arguments import is_number, is_whole, shown
from deltasr.errors import SettingError

if TYPE_CHECKING:
    from deltasr.models.facts import Facts
    from deltasr.models.interface import ModelInterface

Size = tuple[int, int]
"""(height, width) in pixels."""

_LARGEST_SCALE = 1_000_000
_LONGEST_SIDE = 1_000_000_000


def require_possible(scale: float | None, size: Size | None) -> None:
    """Make sure that a factor or a size is possible for any picture at all.

    Args:
        scale: above 0, up to 1,000,000; or None.
        size: two whole numbers of pixels, each from 1 to 1,000,000,000; or None.

    Raises:
        SettingError: one of them is something else, or both are given.
    """
    if scale is not None and size is not None:
        raise SettingError("A scale and a size cannot both be given; leave one of them out.")
    if scale is not None and not (is_number(scale) and 0 < scale <= _LARGEST_SCALE):
        raise SettingError(
            f"A picture cannot be scaled by {shown(scale)}; give a factor above 0, up to {_LARGEST_SCALE:,}."
        )
    if size is not None and not _is_size(size):
        raise SettingError(
            f"A picture cannot have the size {shown(size)}; give (height, width), from 1 to {_LONGEST_SIDE:,} pixels."
        )


def sizes_of_passes(
    model: ModelInterface | Facts, picture: Size, *, scale: float | None = None, size: Size | None = None
) -> list[Size]:
    """The sizes after each pass of a model over a picture; each pass but the last multiplies by its own factor.

    The last pass is resized if the model's factor does not lead to the wanted size.

    Args:
        model: any model, or what is known of it.
        picture: the picture to begin with.
        scale: a factor for both sides, rounded to whole pixels, at least 1.
        size: the result, exactly, of any aspect ratio. Without either it is the model's own factor.

    Raises:
        SettingError: the factor or the size is not possible, not with this model, or both are given.
    """
    require_possible(scale, size)
    height, width = picture
    if size is None:
        factor = float(model.scale if scale is None else scale)
        result = max(round(height * factor), 1), max(round(width * factor), 1)
    else:
        result = int(size[0]), int(size[1])
        factor = max(result[0] / height, result[1] / width)
    if model.scale < 2 and factor > model.scale:
        raise SettingError(
            f"The model {model.name} does not enlarge, so it cannot make {result[1]}x{result[0]} pixels of "
            f"{width}x{height}."
        )
    passes = []
    reached = model.scale
    while reached < factor:
        passes.append((height * reached, width * reached))
        reached *= model.scale
    return [*passes, result]


def require_one_pass(passes: list[Size], *, scale: int) -> None:
    """Make sure that an error map is possible for a result of these passes.

    Args:
        passes: from `sizes_of_passes`.
        scale: the model's.

    Raises:
        SettingError: the model runs more than once.
    """
    if len(passes) > 1:
        raise SettingError(
            f"An error map is for factors up to {scale}, the model's own; choose a smaller one, or leave the map out."
        )


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple | list)
        and len(size) == 2
        and all(is_whole(side) and 1 <= side <= _LONGEST_SIDE for side in size)
    )
