"""HEIF, the container of AVIF and HEIC: samples of 10 and 12 bits, and HEIC by pillow-heif."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from deltasr.errors import PictureError, reason
from deltasr.imaging.assemble import assemble
from deltasr.imaging.formats import is_image_sequence
from deltasr.imaging.limits import require_decodable
from deltasr.imaging.picture import Metadata, Picture

if TYPE_CHECKING:
    from pillow_heif import HeifFile

UPRIGHT = 1
"""HEIF turns pictures by properties of its own, which decoders apply; EXIF's orientation is to be ignored."""


def sequence_notes(head: bytes) -> list[str]:
    """A note for a file whose first bytes say that it is an image sequence; they do not say how long it is."""
    return ["Only the first of its frames was read."] if is_image_sequence(head) else []


def widened(samples: np.ndarray, bits: int) -> np.ndarray:
    """uint16 samples that hold `bits` (8 to 16) in their upper bits, spread over the whole range."""
    return samples if samples.dtype == np.uint8 else samples | samples >> bits


def read_heic(file: BinaryIO, name: str, max_pixels: int) -> Picture:
    """A HEIC file's main picture.

    Raises:
        PictureError: pillow-heif is not installed, or the file is damaged or too large.
    """
    try:
        from pillow_heif import open_heif
    except ImportError as error:
        raise PictureError(
            f"{name} is a HEIC picture, which needs the pillow-heif package: pip install -e '.[heic]'."
        ) from error
    head = file.read(64)
    file.seek(0)
    try:
        opened = open_heif(file, convert_hdr_to_8bit=False)
        channels = len(opened.mode.split(";")[0])
        require_decodable(
            name,
            width=opened.size[0],
            height=opened.size[1],
            pixel_bytes=2 * channels,
            max_pixels=max_pixels,
            decoder_bytes=2 * channels,
        )
        samples = _samples(opened)
    except PictureError:
        raise
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError) as error:
        raise PictureError(f"{name} is cut short or damaged ({reason(error)}).") from error
    notes = sequence_notes(head)
    if len(opened) > 1:
        notes = [f"Only the main one of its {len(opened)} pictures was read."]
    info = opened.info
    xmp = (info.get("xmp") or b"").rstrip(b"\0") or None
    metadata = Metadata(icc=info.get("icc_profile"), exif=info.get("exif"), xmp=xmp)
    return assemble(samples, metadata, orientation=UPRIGHT, notes=notes)


def _samples(opened: HeifFile) -> np.ndarray:
    """(H, W) or (H, W, C), not premultiplied."""
    samples = widened(np.array(opened), opened.info["bit_depth"])
    if not opened.premultiplied_alpha:
        return samples
    alpha = samples[..., -1:].astype(np.float32)
    colour = samples[..., :-1] * (np.iinfo(samples.dtype).max / np.maximum(alpha, 1))
    samples[..., :-1] = np.minimum(np.rint(colour), np.iinfo(samples.dtype).max)
    return samples
