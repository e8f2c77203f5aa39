"""Alpha after a model: exact where the input is flat.

Interpolated alpha has soft edges where the picture's are sharp, so the model upscales alpha as a grey picture. Networks
are not exact on flat areas, however, and opaque areas must stay opaque.
"""

from __future__ import annotations

from deltasr.arrays import Array, namespace

REACH = 1
"""LR pixels to each side that a result of `keep_flat` depends on."""


def keep_flat(sr: Array, lr: Array) -> Array:
    """Restore the input's value where it determines the whole area of an LR pixel.

    That is where an LR pixel and its eight neighbours are equal, and where it is fully opaque, or fully transparent,
    and none of its four direct neighbours is the opposite: the edge is then within those, which are partly covered.
    Models leave dots and lines in such places. Where opposites touch, as in masks that are not anti-aliased, the
    model's result stays, since the edge may be on either side.

    Args:
        sr: (C, s h, s w), an upscaled plane; a tensor or an array.
        lr: (C, h, w), the plane it was made from, in [0, 1]; the same kind.

    Returns:
        (C, s h, s w).
    """
    xp = namespace(sr)
    flat = _highest(_highest(lr, -1), -2) == _lowest(_lowest(lr, -1), -2)
    highest = xp.maximum(_highest(lr, -1), _highest(lr, -2))
    lowest = xp.minimum(_lowest(lr, -1), _lowest(lr, -2))
    whole = flat | ((lr == 1) & (lowest > 0)) | ((lr == 0) & (highest < 1))
    scale = sr.shape[-1] // lr.shape[-1]
    channels, height, width = lr.shape
    keep, level = (
        xp.broadcast_to(plane[:, :, None, :, None], (channels, height, scale, width, scale)).reshape(sr.shape)
        for plane in (whole, lr)
    )
    return xp.where(keep, level, sr)


def _highest(plane: Array, axis: int) -> Array:
    """The largest of each pixel and its two neighbours along an axis."""
    along = plane.swapaxes(axis, -1)
    xp, beyond = namespace(plane), [along[..., :1], along, along[..., -1:]]
    repeated = xp.concatenate(beyond, -1)
    highest = xp.maximum(xp.maximum(repeated[..., :-2], along), repeated[..., 2:])
    return highest.swapaxes(axis, -1)


def _lowest(plane: Array, axis: int) -> Array:
    return -_highest(-plane, axis)
