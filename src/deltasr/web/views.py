"""Parts of pictures as the page shows them: 8-bit PNGs of any part at any size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deltasr.imaging.colour import as_8_bits
from deltasr.imaging.picture import Picture, interleaved
from deltasr.web.failures import WebError
from deltasr.web.storage import StoredFile

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 3840 * 2160
"""Pixels of a view."""

_BAND = 1 << 22
"""Samples that are shrunk at once."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A part of a picture, in its own pixels; a part of a pixel counts."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, width: int, height: int) -> Box:
        """What of it lies in a picture.

        Raises:
            WebError: nothing does.
        """
        box = Box(
            left=max(self.left, 0.0),
            top=max(self.top, 0.0),
            right=min(self.right, float(width)),
            bottom=min(self.bottom, float(height)),
        )
        if not (box.left < box.right and box.top < box.bottom):
            raise WebError(400, "This part lies outside of the picture.")
        return box

    def whole(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the whole pixels that cover it."""
        return floor(self.left), floor(self.top), ceil(self.right), ceil(self.bottom)


def keep(picture: Picture, file: StoredFile) -> StoredFile:
    """Write a picture's samples, (H, W, 1 to 4), into a file that can be read in parts; returns the file.

    Raises:
        WebError: there is no room for it.
    """
    samples = interleaved(picture.pixels, picture.alpha)
    if samples.ndim == 2:
        samples = samples[..., None]
    file.reserve(samples.nbytes + 1024)
    with file.path.open("wb") as target:
        np.save(target, samples)
    file.settle()
    return file


def kept(path: Path) -> np.ndarray:
    """The samples of a kept picture, which are read only where they are used."""
    return np.load(path, mmap_mode="r")


def part(samples: np.ndarray, box: Box, size: tuple[int, int], *, icc: bytes | None = None) -> bytes:
    """A part of a picture as a PNG of 8 bits: resized by anti-aliased bicubic interpolation, exact at its own size.

    Args:
        samples: (H, W, 1 to 4): grey or RGB, with or without alpha.
        box: the part.
        size: (width, height) of the PNG.
        icc: the profile to put into it.

    Raises:
        WebError: the part lies outside, or the size is too large.
    """
    width, height = size
    if not (width >= 1 and height >= 1 and width * height <= LARGEST):
        raise WebError(400, f"A view has from 1 to {LARGEST:,} pixels.")
    box = box.within(samples.shape[1], samples.shape[0])
    shrink = min((box.right - box.left) / width, (box.bottom - box.top) / height)
    margin = ceil(3 * max(shrink, 1.0)) + 1
    left, top, right, bottom = box.whole()
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin, samples.shape[1]), min(bottom + margin, samples.shape[0])
    window = samples[top:bottom, left:right]
    factor = max(floor(shrink / 2), 1)
    image = _reduced(window, factor)
    inner = (
        (box.left - left) / factor,
        (box.top - top) / factor,
        min((box.right - left) / factor, image.width),
        min((box.bottom - top) / factor, image.height),
    )
    content = io.BytesIO()
    _resized(image, inner, size).save(content, "PNG", compress_level=1, icc_profile=icc)
    return content.getvalue()


def _resized(image: Image.Image, inner: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
    """A part of an image at a size; its own pixels where they are that many."""
    from PIL import Image

    left, top, right, bottom = map(round, inner)
    exact = all(value == round(value) for value in inner)
    if exact and (right - left, bottom - top) == size:
        return image.crop((left, top, right, bottom))
    return image.resize(size, Image.Resampling.BICUBIC, box=inner)


def _reduced(samples: np.ndarray, factor: int) -> Image.Image:
    """An image of samples, shrunk by a whole factor, a band of rows at a time."""
    from PIL import Image

    if factor == 1:
        return _image(samples)
    height, width = samples.shape[:2]
    rows = max(_BAND // (width * samples.shape[2] * factor), 1) * factor
    bands = [_image(samples[top : top + rows]).reduce(factor) for top in range(0, height, rows)]
    whole = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        whole.paste(band, (0, top))
        top += band.height
    return whole


def _image(samples: np.ndarray) -> Image.Image:
    from PIL import Image

    levels = as_8_bits(np.ascontiguousarray(samples))
    return Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
