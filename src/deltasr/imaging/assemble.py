"""An upright `Picture` from decoded samples and the metadata of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from deltasr.imaging import exif as exif_block
from deltasr.imaging.picture import Metadata, Picture


def assemble(
    samples: np.ndarray, metadata: Metadata, *, orientation: int | None = None, notes: Iterable[str] = ()
) -> Picture:
    """A picture from (H, W) or (H, W, 1 to 4) samples, of which an even number of channels ends with alpha.

    Args:
        samples: uint8 or uint16, as they stand in the file.
        metadata: as the file states it.
        orientation: 1 to 8; None takes it from the EXIF block.
        notes: what reading has changed so far.
    """
    notes = list(notes)
    exif = exif_block.block(metadata.exif or b"") or None
    if exif:
        try:
            orientation = orientation or exif_block.orientation(exif)
            exif = exif_block.upright(exif)
        except ValueError as error:
            exif = None
            notes.append(f"Its EXIF data are damaged ({error}) and were left out.")
    orientation = orientation or 1
    samples = _turned(samples if samples.ndim == 3 else samples[..., None], orientation)
    alpha = None
    if samples.shape[2] in (2, 4):
        samples, alpha = samples[..., :-1], np.ascontiguousarray(samples[..., -1])
    resolution = metadata.resolution
    if resolution and orientation >= 5:
        resolution = (resolution[1], resolution[0])
    xmp = exif_block.xmp_upright(metadata.xmp) if metadata.xmp else None
    return Picture(
        pixels=np.ascontiguousarray(samples),
        alpha=alpha,
        metadata=replace(metadata, exif=exif, xmp=xmp, resolution=resolution),
        notes=tuple(notes),
    )


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) samples brought upright from an EXIF orientation, 1 to 8 (EXIF 2.32, section 4.6.4)."""
    if orientation >= 5:
        samples = samples.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
