"""JPEG compression by libjpeg (through Pillow), the same as of files, on the CPU."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from deltasr.errors import SettingError

Subsampling = Literal["4:2:0", "4:4:4"]
"""Colour at half the resolution along both axes, or at the full one."""

_UNIT = 16
"""Pixels per side of what 4:2:0 compresses together: four blocks of luma, one of each chroma."""


def jpeg(
    images: Tensor, *, quality: int, subsampling: Subsampling = "4:2:0", offset: tuple[int, int] = (0, 0)
) -> Tensor:
    """Compress pictures and open them again, as 8-bit JPEG files.

    Args:
        images: (N, 3, H, W) in [0, 1], RGB; clamped and rounded to 8 bits first.
        quality: libjpeg's, 1 to 100.
        subsampling: of the colour.
        offset: rows and columns, from 0, between the corner of the blocks and that of the pictures, which are
            compressed as if cut from larger ones: mirrored around until the blocks are whole. With (0, 0) they are
            files of their own.

    Returns:
        (N, 3, H, W) in [0, 1], of 8-bit levels, same type and device.

    Raises:
        SettingError: the quality is out of range.
    """
    if not 1 <= quality <= 100:
        raise SettingError(f"The JPEG quality is {quality}; it goes from 1 to 100.")
    levels = (images.detach().float().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    pixels = levels.permute(0, 2, 3, 1).numpy()
    top, left = offset
    height, width = pixels.shape[1:3]
    if offset != (0, 0):
        bottom, right = -(height + top) % _UNIT, -(width + left) % _UNIT
        pixels = np.pad(pixels, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="symmetric")
    decoded = np.stack([_decoded(picture, quality, subsampling) for picture in pixels])
    decoded = decoded[:, top : top + height, left : left + width]
    return torch.from_numpy(decoded).permute(0, 3, 1, 2).contiguous().to(images) / 255


def _decoded(pixels: np.ndarray, quality: int, subsampling: Subsampling) -> np.ndarray:
    """(H, W, 3) uint8 through a JPEG file in memory."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as image:
        return np.asarray(image)
