"""Square HR pictures of one size, as publications make their test sets from pictures of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from deltasr.degradation.resizing import resize
from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Picture, fill_transparent

Way = Literal["squeeze", "crop", "fit"]
WAYS: tuple[Way, ...] = get_args(Way)
"""How a picture becomes square: see `Square`."""

_LARGEST_SIDE = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Square:
    """A size, and how pictures get it.

    Attributes:
        side: in pixels.
        way: `squeeze` resizes the whole picture, whatever its aspect ratio, by OpenCV's bicubic without anti-aliasing,
            which is how the released Set14 of DeltaDiff became 256x256; `crop` takes the middle; `fit` makes the
            picture smaller by area until its short side fits, and takes the middle, as ResShift's ImageNet-Test.

    Raises:
        SettingError: the side is out of range.
    """

    side: int
    way: Way = "squeeze"

    def __post_init__(self) -> None:
        if not 1 <= self.side <= _LARGEST_SIDE:
            raise SettingError(f"A square of {self.side} pixels is not possible; give 1 to {_LARGEST_SIDE}.")

    def of(self, picture: Picture) -> Picture:
        """The square picture: of the same depth, RGB; transparent places take the colour beside them.

        Raises:
            PictureError: the picture is smaller than the square, and not to be squeezed.
        """
        if self.way != "squeeze" and min(picture.height, picture.width) < self.side:
            raise PictureError(
                f"It has {picture.width}x{picture.height} pixels, and a square of {self.side} cannot be cut from it; "
                "leave it out, or squeeze pictures."
            )
        if picture.alpha is not None:
            picture = replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha), alpha=None)
        levels = self._resized(picture.to_tensor())
        top, left = ((length - self.side) // 2 for length in levels.shape[-2:])
        levels = levels[..., top : top + self.side, left : left + self.side]
        largest = int(np.iinfo(picture.pixels.dtype).max)
        pixels = (levels[0].permute(1, 2, 0).clamp(0, 1) * largest).round().numpy().astype(picture.pixels.dtype)
        return replace(picture, pixels=np.ascontiguousarray(pixels), notes=(), compression=None)

    def _resized(self, picture: Tensor) -> Tensor:
        if self.way == "squeeze":
            return resize(picture.to(torch.float64), size=(self.side, self.side), method="bicubic-pytorch")
        height, width = picture.shape[-2:]
        if self.way == "crop" or min(height, width) == self.side:
            return picture
        size = tuple(max(self.side, round(length * self.side / min(height, width))) for length in (height, width))
        return resize(picture.to(torch.float64), size=(size[0], size[1]), method="area-opencv")
