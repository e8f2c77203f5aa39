"""Classical interpolation as models of torch, so that every comparison runs through the same door.

`models.array_interpolation` has them for installations without torch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deltasr.errors import ModelError
from deltasr.models.base import Model
from deltasr.models.methods import METHODS
from deltasr.resampling.tensors import imresize

Upsampling = Callable[[Tensor, int], Tensor]
"""(N, 3, h, w) in [0, 1] and a factor to (N, 3, scale h, scale w), perhaps beyond [0, 1]."""


def _nearest(lr: Tensor, scale: int) -> Tensor:
    return F.interpolate(lr, scale_factor=scale, mode="nearest")


def _bilinear(lr: Tensor, scale: int) -> Tensor:
    return F.interpolate(lr, scale_factor=scale, mode="bilinear", align_corners=False)


def _bicubic(lr: Tensor, scale: int) -> Tensor:
    return imresize(lr, scale=scale)


def _with_pillow(lr: Tensor, scale: int, *, filter_name: str) -> Tensor:
    from PIL import Image

    resample = Image.Resampling[filter_name]
    pictures = (lr * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    size = (lr.shape[-1] * scale, lr.shape[-2] * scale)
    resized = [np.asarray(Image.fromarray(picture).resize(size, resample)) for picture in pictures]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(lr) / 255


def _bicubic_pillow(lr: Tensor, scale: int) -> Tensor:
    return _with_pillow(lr, scale, filter_name="BICUBIC")


def _lanczos(lr: Tensor, scale: int) -> Tensor:
    return _with_pillow(lr, scale, filter_name="LANCZOS")


_UPSAMPLINGS: dict[str, Upsampling] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "bicubic-pillow": _bicubic_pillow,
    "lanczos": _lanczos,
}


class Interpolation(Model):
    """Classical interpolation by a whole factor.

    Args:
        method: a name in `models.methods.METHODS`.
        scale: the factor, a whole number.

    Raises:
        ModelError: `method` is not in `METHODS`.
    """

    def __init__(self, *, method: str, scale: int = 4) -> None:
        super().__init__()
        if method not in METHODS:
            raise ModelError(f"There is no interpolation called '{method}'; choose one of {', '.join(METHODS)}.")
        self.upsampling = _UPSAMPLINGS[method]
        self.receptive_field, what = METHODS[method]
        self.name = method
        self.scale = scale
        self.description = f"x{scale} {what}"

    def forward(self, lr: Tensor) -> Tensor:
        return self.upsampling(lr, self.scale).clamp(0, 1)
