"""The classical interpolations on NumPy's arrays, for installations without PyTorch.

`models.interpolation` has those that torch computes. On CPUs with AVX2, at factors of a power of two, both give the
same bits: torch adds each weighted sample with a single rounding, as a sum in float64 rounded to float32 is. Bilinear
interpolation is not here, since torch's bits depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deltasr.arrays import Array, like, to_numpy
from deltasr.models.interface import ModelInterface
from deltasr.models.methods import METHODS
from deltasr.resampling.kernels import Floats, resize_taps

Values: TypeAlias = NDArray[np.float32]


def _nearest(lr: Values, scale: int) -> Values:
    return lr.repeat(scale, axis=-1).repeat(scale, axis=-2)


def _bicubic(lr: Values, scale: int) -> Values:
    """Rows, then columns."""
    columns, across = resize_taps(lr.shape[-1], scale * lr.shape[-1], scale, True)
    rows, down = resize_taps(lr.shape[-2], scale * lr.shape[-2], scale, True)
    widened = np.zeros((*lr.shape[:-1], len(columns)), np.float32)
    for tap in range(columns.shape[1]):
        widened = _added(widened, lr[..., columns[:, tap]], across[:, tap])
    result = np.zeros((*lr.shape[:-2], len(rows), len(columns)), np.float32)
    for tap in range(rows.shape[1]):
        result = _added(result, widened[..., rows[:, tap], :], down[:, tap, None])
    return result


def _added(sums: Values, samples: Values, weights: Floats) -> Values:
    """`sums + weights * samples`, rounded once."""
    exact = samples.astype(np.float64)
    exact *= weights
    exact += sums
    return exact.astype(np.float32)


def _with_pillow(lr: Values, scale: int, *, resample: str) -> Values:
    from PIL import Image

    levels = np.ascontiguousarray((lr * 255).round().astype(np.uint8).transpose(0, 2, 3, 1))
    size = (lr.shape[-1] * scale, lr.shape[-2] * scale)
    resized = [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling[resample])) for picture in levels]
    return np.stack(resized).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


UPSAMPLINGS: dict[str, Callable[[Values, int], Values]] = {
    "nearest": _nearest,
    "bicubic": _bicubic,
    "bicubic-pillow": partial(_with_pillow, resample="BICUBIC"),
    "lanczos": partial(_with_pillow, resample="LANCZOS"),
}
"""Those of `models.methods.METHODS` that are here."""


class ArrayInterpolation(ModelInterface):
    """Classical interpolation by a whole factor, on NumPy's arrays.

    Args:
        method: a name in `UPSAMPLINGS`.
        scale: the factor, a whole number.
    """

    takes_arrays = True
    dtypes = ("float32",)

    def __init__(self, *, method: str, scale: int = 4) -> None:
        self.receptive_field, what = METHODS[method]
        self.name = method
        self.scale = scale
        self.description = f"x{scale} {what}"

    def __call__(self, lr: Array) -> Array:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1]."""
        pictures = np.asarray(to_numpy(lr), np.float32)
        return like(UPSAMPLINGS[self.name](pictures, self.scale).clip(0, 1), lr)
