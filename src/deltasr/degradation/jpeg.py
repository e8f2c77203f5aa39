"""JPEG compression by libjpeg (through Pillow): exactly what files have been through, on the CPU."""

from __future__ import annotations

import io

import numpy as np
import torch
from torch import Tensor

from deltasr.errors import SettingError


def jpeg(images: Tensor, *, quality: int) -> Tensor:
    """Compress pictures and open them again, as 8-bit JPEG files with halved colour resolution (4:2:0).

    Args:
        images: (N, 3, H, W) in [0, 1], RGB; clamped and rounded to 8 bits first.
        quality: libjpeg's, 1 to 100.

    Returns:
        (N, 3, H, W) in [0, 1], of 8-bit levels, same type and device.

    Raises:
        SettingError: the quality is out of range.
    """
    if not 1 <= quality <= 100:
        raise SettingError(f"The JPEG quality is {quality}; it goes from 1 to 100.")
    levels = (images.detach().float().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    decoded = np.stack([_decoded(pixels.permute(1, 2, 0).numpy(), quality) for pixels in levels])
    return torch.from_numpy(decoded).permute(0, 3, 1, 2).contiguous().to(images) / 255


def _decoded(pixels: np.ndarray, quality: int) -> np.ndarray:
    """(H, W, 3) uint8 through a JPEG file in memory."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as image:
        return np.asarray(image)
