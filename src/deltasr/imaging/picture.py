"""A picture in memory: its pixels as in the file, and the metadata of the file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deltasr.errors import PictureError
from deltasr.imaging.colour import as_8_bits

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Samples over the whole range of their type."""


OWN_TEXT = "deltasr:"
"""What begins the keywords of text that deltasr adds to results itself; a format that holds no text loses nothing."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a file says about its pixels.

    Attributes:
        icc: ICC profile of the pixels; None stands for sRGB (or grey with its curve).
        exif: EXIF block from its byte-order mark (`II` or `MM`) on, without the `Exif` prefix that JPEG puts
            before it. In pictures that were read, the orientation is 1 and the thumbnail is gone.
        xmp: XMP packet, UTF-8.
        text: PNG text chunks, keyword to text.
        resolution: (horizontal, vertical) dots per millimetre, where the file states it.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    text: dict[str, str] = field(default_factory=dict)
    resolution: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Compression:
    """How a JPEG file holds its pixels.

    Attributes:
        luma_table: the 64 quantisation steps of the luma (of red, in files without luma), row by row, at least 1.
        subsampling: of the colour: `4:4:4`, `4:2:2` or `4:2:0`; None for others and for grey.
    """

    luma_table: tuple[int, ...]
    subsampling: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Picture:
    """A picture as arrays, upright, not premultiplied. A notebook shows it.

    Attributes:
        pixels: (H, W, 3) RGB or (H, W, 1) grey, uint8 or uint16 over the type's whole range, in the colour
            space of `metadata.icc`.
        alpha: (H, W) of the same type, 0 for transparent; None for a picture without alpha.
        metadata: profile, EXIF and the like.
        notes: one sentence for each thing of the source that had to be converted or left out.
        compression: of the JPEG file that the pixels were read from, unchanged but for turning; None for all others.
        error_map: of an upscaled picture, if it was asked for: (H, W) uint16, half-widths v in 1/256 of an 8-bit
            level. With 90 % probability a colour value is within v of the true one (docs/error-map.md).

    Raises:
        PictureError: the arrays do not have these shapes and types.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    compression: Compression | None = None
    error_map: NDArray[np.uint16] | None = None

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        for given in (pixels, alpha):
            if given is not None and not hasattr(given, "dtype"):
                raise PictureError(f"A {type(given).__name__} is not a NumPy array; imaging.picture_from takes more.")
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
            raise PictureError(f"Pixels of shape {pixels.shape} are no picture; give (H, W, 3) or (H, W, 1).")
        if pixels.dtype not in (np.uint8, np.uint16):
            raise PictureError(f"Pixels of type {pixels.dtype} are not supported; give uint8 or uint16.")
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise PictureError(
                f"Alpha of shape {alpha.shape} and type {alpha.dtype} does not fit pixels of shape "
                f"{pixels.shape} and type {pixels.dtype}; give (H, W) of the same type."
            )

    def __repr__(self) -> str:
        colour = "grey" if self.channels == 1 else "RGB"
        alpha = "" if self.alpha is None else " with alpha"
        return f"<Picture: {self.width} x {self.height} pixels, {colour}{alpha}, {self.bits} bits>"

    def _repr_png_(self) -> bytes:
        """The picture as notebooks show it: a PNG."""
        from deltasr.imaging.write import encode_picture

        return encode_picture(self)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """Colour channels without alpha: 3 for RGB, 1 for grey."""
        return int(self.pixels.shape[2])

    @property
    def bits(self) -> int:
        """Bits per channel: 8 or 16."""
        return 8 * int(self.pixels.dtype.itemsize)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        quality: int | None = None,
        strip: bool = False,
    ) -> list[str]:
        """Write the picture to a file, which appears whole or not at all.

        Args:
            path: where to; its suffix names the format unless `format` does.
            format, quality, strip: as `write_picture` takes them.

        Returns:
            One sentence for each thing that the format could not hold.

        Raises:
            SettingError: the format cannot be written, or the quality is out of range.
            PictureError: the picture is too large for the format, or the file cannot be written.
        """
        from deltasr.imaging.write import write_picture

        return write_picture(self, path, format=format, quality=quality, strip=strip)

    def to_tensor(self) -> Tensor:
        """The colour as a float32 tensor (1, 3, H, W) in [0, 1]; grey is repeated, alpha left out."""
        import torch

        scaled = self.pixels.astype(np.float32)
        scaled /= np.iinfo(self.pixels.dtype).max
        planes = torch.from_numpy(scaled).permute(2, 0, 1).unsqueeze(0)
        return planes.expand(1, 3, -1, -1).contiguous()

    def to_pil(self) -> Image.Image:
        """The picture as a Pillow image of mode L, LA, RGB, RGBA or I;16, its profile and EXIF in `info`.

        Pillow has no 16-bit colour and no 16-bit alpha: such pictures are rounded to 8 bits. Plain 16-bit
        grey stays exact.
        """
        from PIL import Image

        if self.bits == 16 and self.channels == 1 and self.alpha is None:
            image = Image.fromarray(np.ascontiguousarray(self.pixels[..., 0]))
        else:
            alpha = None if self.alpha is None else as_8_bits(self.alpha)
            image = Image.fromarray(interleaved(as_8_bits(self.pixels), alpha))
        if self.metadata.icc:
            image.info["icc_profile"] = self.metadata.icc
        if self.metadata.exif:
            image.info["exif"] = b"Exif\0\0" + self.metadata.exif
        return image


def interleaved(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Colour and alpha as one contiguous array: (H, W) grey, or (H, W, 2), (H, W, 3) or (H, W, 4)."""
    if alpha is not None:
        return np.dstack((pixels, alpha))
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
