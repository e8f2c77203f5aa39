"""Pictures from a path, bytes, a Pillow image, a NumPy array or a tensor."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

import numpy as np

from deltasr.errors import PictureError, reason
from deltasr.imaging.assemble import assemble
from deltasr.imaging.limits import DEFAULT_MAX_PIXELS
from deltasr.imaging.picture import Metadata, Picture
from deltasr.imaging.pillow import picture_from_pillow
from deltasr.imaging.read import PictureSource, read_picture

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

_CLIPPED_WITHIN = 1e-3


def picture_from(
    source: Picture | PictureSource | Image.Image | np.ndarray | Tensor, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Picture:
    """A picture from a path, the bytes of a file, a file object, a Pillow image, a NumPy array or a tensor.

    Floating-point values, in [0, 1], are rounded to 16 bits; those up to 0.001 outside are clipped.

    Args:
        source: one of

            * a path, the bytes of a file, or a file object opened for reading bytes, read by `read_picture`;
            * a Pillow image of mode 1, L, LA, P, RGB, RGBA, CMYK, YCbCr or I;16, whose profile, EXIF, XMP, text and
              resolution come along and whose EXIF orientation is applied;
            * an array (H, W) or (H, W, 1) grey, (H, W, 2) grey with alpha, (H, W, 3) RGB or (H, W, 4) RGBA, of uint8,
              uint16, floating point, or bool, which is black and white;
            * a tensor (3, H, W) or (1, 3, H, W) RGB, or with 1, 2 or 4 channels as for arrays, of uint8, uint16,
              floating point or bool; or (H, W) of bool;
            * a `Picture`, which is returned as it is.
        max_pixels: as `read_picture` takes it.

    Raises:
        PictureError: the source is of another type, shape or range, or its file cannot be read.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read"):
        return read_picture(cast("PictureSource", source), max_pixels=max_pixels)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    torch, pil = sys.modules.get("torch"), sys.modules.get("PIL.Image")
    if torch is not None and isinstance(source, torch.Tensor):
        return _from_tensor(source)
    if pil is not None and isinstance(source, pil.Image):
        return picture_from_pillow(source)
    raise PictureError(
        f"A {type(source).__name__} is not a picture; give a path, bytes, a binary file object, a Pillow image, "
        "a NumPy array or a tensor."
    )


def _from_array(array: np.ndarray) -> Picture:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or not 1 <= channels <= 4 or array.size == 0:
        raise PictureError(
            f"An array of shape {array.shape} is not a picture; give (H, W) or (H, W, C) with C from 1 to 4."
        )
    if np.issubdtype(array.dtype, np.floating):
        array = _quantised(array)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"An array of type {array.dtype} is not a picture; give uint8, uint16, or floats in [0, 1].")
    return assemble(array, Metadata())


def _quantised(array: np.ndarray) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    if not (low >= -_CLIPPED_WITHIN and high <= 1 + _CLIPPED_WITHIN):
        raise PictureError(f"Floating-point pictures range from 0 to 1, this one from {low:g} to {high:g}.")
    levels: np.ndarray = np.rint(np.clip(array, 0, 1).astype(np.float64) * 65535)
    return levels.astype(np.uint16)


def _from_tensor(tensor: Tensor) -> Picture:
    shape = tuple(tensor.shape)
    if tensor.is_meta:
        raise PictureError(f"A tensor of shape {shape} on the meta device is not a picture: it holds no values.")
    if str(tensor.layout) != "torch.strided":
        raise PictureError(f"A tensor of layout {tensor.layout} is not a picture; give tensor.to_dense().")
    if tensor.ndim == 4 and shape[0] == 1:
        tensor = tensor[0]
    elif tensor.ndim == 2 and str(tensor.dtype) == "torch.bool":
        tensor = tensor[None]
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 2, 3, 4):
        raise PictureError(f"A tensor of shape {shape} is not a picture; give (3, H, W) or (1, 3, H, W).")
    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        planes = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    except (RuntimeError, TypeError) as error:
        raise PictureError(f"A tensor of type {tensor.dtype} is not a picture ({reason(error)}).") from error
    return _from_array(planes.transpose(1, 2, 0))
