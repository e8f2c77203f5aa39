"""Projection onto the pictures that, downscaled again, are the input.

docs/upscaling.md has the formulas (section Consistency): D, the anti-aliased bicubic downscaling of `resampling`; its
back-projection U; and the pseudo-inverse of D, which takes a result to the nearest such picture in one step. Only the
clamp to [0, 1] has to be iterated: alternating projections onto two convex sets, with momentum.

Both operators are the same at every place, and apply to one axis after the other. Each is therefore one small matrix,
from a window of samples to the block in its middle, which multiplies all windows at once. The result is held with
mirrored borders around it. They stay mirrored, because the pseudo-inverse of a mirrored residual is mirrored too.

Pictures are tensors or NumPy's arrays; results are the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from deltasr.arrays import Array, empty, lerp, like, namespace, windows, without_gradients
from deltasr.resampling.kernels import UPSAMPLING_REACH, Floats, resize_matrix
from deltasr.resampling.mirroring import mirror

ITERATIONS = 5
"""Measured on Set14 from bicubic starts, as LR-PSNR of the 8-bit result for the worst of the 14 pictures: 32
dB before, then 40, 42, 46, 50, 53 dB; most pictures come back without a single wrong value from the third
on."""

REACH = 8
"""How far the projection reaches, in LR pixels. The pseudo-inverse decays by a factor of 0.3 per pixel: values farther
away change a result by 0.004 8-bit levels at most on a photograph, and 0.24 on black and white noise."""

_MOMENTUM = 0.9
_CLOSE_ENOUGH = 1e-4
_BLOCK = 8
"""LR pixels along one axis that a window is for."""

_INVERSE_REACH = 16
"""Where (D U)^-1 is cut off, in LR pixels; beyond it is below 3e-8."""

DETERMINED_REACH = _INVERSE_REACH + UPSAMPLING_REACH + _BLOCK
"""How far `determined` sees, in LR pixels, wherever its blocks begin."""

_NO_LONGER = 0.1
"""From this restoration on nothing is projected, since it would bring back the faults of the input."""


def share_at(restoration: Array) -> Array:
    """How much of the projection is right for pictures that are degraded so far, both (N,): 1 at 0, falling evenly."""
    return (1 - restoration / _NO_LONGER).clip(0, 1)


def project(sr: Array, lr: Array, *, iterations: int = ITERATIONS, share: Array | None = None) -> Array:
    """Move a result to a picture beside it that has values in [0, 1] and downscales to the input.

    Args:
        sr: (N, C, s h, s w), float32, values in [0, 1].
        lr: (N, C, h, w), float32, values in [0, 1]: the input that belongs to `sr`.
        iterations: how often at most; see `ITERATIONS`. Where nothing is clamped, one is enough.
        share: how far to go there, for each picture, (N,) in [0, 1]; None for all the way.

    Returns:
        (N, C, s h, s w) in [0, 1]. `imresize` to (h, w) and a clamp give `lr` back, to a small part of an
        8-bit level but for a few values beside saturated edges.
    """
    if share is not None and not share.any():
        return sr
    with without_gradients(sr):
        projected = _projected(sr, lr, iterations)
        if share is None or share.min() == 1:
            return projected
        return lerp(sr, projected, share[:, None, None, None])


def _projected(sr: Array, lr: Array, iterations: int) -> Array:
    batch, channels, height, width = lr.shape
    scale = sr.shape[-1] // width
    target = lr.reshape(batch * channels, height, width)
    rows, columns = _Axis.of(height, scale), _Axis.of(width, scale)
    previous = ahead = mirror(sr.reshape(batch * channels, *sr.shape[-2:]), rows.hr, columns.hr)
    for iteration in range(iterations):
        residual = target - _down(ahead, scale)[:, :height, :width].clip(0, 1)
        extrapolated = iteration > 1
        if not extrapolated and abs(residual).max() < _CLOSE_ENOUGH:
            break
        current = _pseudo_inverse(mirror(residual, rows.lr, columns.lr), scale)
        current += ahead
        namespace(current).clip(current, 0, 1, out=current)
        ahead = current if iteration == 0 else lerp(previous, current, 1 + _MOMENTUM, out=previous)
        previous = current
    return previous[:, rows.inside, columns.inside].reshape(sr.shape)


def determined(lr: Array, scale: int) -> Array:
    """U (D U)^-1 y: of all pictures that downscale to the input the one of least norm, which the input determines.

    What any other one of them has besides downscales to 0.

    Args:
        lr: (N, C, h, w), floating point.
        scale: a whole factor.

    Returns:
        (N, C, s h, s w), not clamped.
    """
    batch, channels, height, width = lr.shape
    rows, columns = _Axis.of(height, scale), _Axis.of(width, scale)
    with without_gradients(lr):
        planes = mirror(lr.reshape(batch * channels, height, width), rows.lr, columns.lr)
        result = _pseudo_inverse(planes, scale)[:, rows.inside, columns.inside]
        return result.reshape(batch, channels, scale * height, scale * width)


@dataclass(frozen=True)
class _Axis:
    """What is held of one side, by places that lie in the picture or in its mirrored borders.

    Attributes:
        hr: places of the result: whole blocks, at least two LR pixels beyond the picture's ends.
        lr: places of the residual, in LR pixels: all that the pseudo-inverse needs for `hr`.
        inside: where in `hr` the picture is.
    """

    hr: range
    lr: range
    inside: slice

    @classmethod
    def of(cls, length: int, scale: int) -> _Axis:
        """For a side of `length` LR pixels."""
        start = -UPSAMPLING_REACH
        stop = start + _BLOCK * (ceil(length / _BLOCK) + 1)
        reach = UPSAMPLING_REACH + _INVERSE_REACH
        return cls(
            hr=range(scale * start, scale * stop),
            lr=range(start - reach, stop - reach + 2 * _INVERSE_REACH + _BLOCK),
            inside=slice(-scale * start, scale * (length - start)),
        )


def _down(hr: Array, scale: int) -> Array:
    """D: (M, H, W), places `_Axis.hr`, to LR pixels from the picture's first to beyond its last."""
    matrix = like(_matrices(scale)[0], hr)
    return _along_columns(_along_rows(hr, matrix, scale * _BLOCK), matrix, scale * _BLOCK)


def _pseudo_inverse(residual: Array, scale: int) -> Array:
    """U (D U)^-1: (M, h, w), places `_Axis.lr`, to those of `_Axis.hr`."""
    _, inverse, up = (like(matrix, residual) for matrix in _matrices(scale))
    sharp = _along_columns(_along_rows(residual, inverse, _BLOCK), inverse, _BLOCK)
    return _along_rows(_along_columns(sharp, up, _BLOCK), up, _BLOCK)


@lru_cache(maxsize=16)
def _matrices(scale: int) -> tuple[Floats, Floats, Floats]:
    """D, (D U)^-1 and U along one axis, (block, window), float64: a block's samples from those around it."""

    def operators(reach: int) -> tuple[Floats, Floats]:
        length = _BLOCK + 2 * reach
        return resize_matrix(scale * length, length), resize_matrix(length, scale * length)

    down, up = operators(UPSAMPLING_REACH)
    down, up = down[UPSAMPLING_REACH:][:_BLOCK], up[scale * UPSAMPLING_REACH :][: scale * _BLOCK]
    inverse = np.linalg.inv(np.matmul(*operators(_INVERSE_REACH)))[_INVERSE_REACH:][:_BLOCK]
    return down, inverse, up


def _along_rows(image: Array, matrix: Array, step: int) -> Array:
    """Windows of a picture's columns, one every `step` samples, each times a matrix (block, window), end to end."""
    xp = namespace(image)
    seen = windows(image, -2, matrix.shape[1], step).swapaxes(-2, -1)
    result = empty((*seen.shape[:2], len(matrix), image.shape[-1]), image)
    for plane, blocks in zip(seen, result, strict=True):
        xp.matmul(matrix, plane, out=blocks)
    return result.reshape(len(image), -1, image.shape[-1])


def _along_columns(image: Array, matrix: Array, step: int) -> Array:
    """The same of a picture's rows."""
    seen = windows(image.reshape(-1, image.shape[-1]), -1, matrix.shape[1], step).swapaxes(0, 1)
    blocks = seen @ namespace(image).broadcast_to(matrix.swapaxes(0, 1), (len(seen), *matrix.shape[::-1]))
    return blocks.swapaxes(0, 1).reshape(*image.shape[:2], -1)
