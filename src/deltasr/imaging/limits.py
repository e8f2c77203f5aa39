"""Whether a picture of the size that its file states may be decoded: a small file can state any size."""

from __future__ import annotations

import os

from deltasr.errors import PictureTooLargeError, SettingError
from deltasr.free_memory import free_bytes

DEFAULT_MAX_PIXELS = 1 << 30
"""1,073,741,824 pixels, 3.2 GB in 8-bit RGB. The largest cameras take 150 million at once and 400 in several shots;
an x4 result of a 60-megapixel picture has 963 million and can be read again."""

_WHOLE_COPIES = 2
"""The decoded picture, and a second copy while alpha is split off or the picture is turned."""


def require_possible(max_pixels: int) -> None:
    """Refuse a limit that is not a number of pixels.

    Raises:
        SettingError: it is no whole number of pixels from 1 up.
    """
    if isinstance(max_pixels, bool) or not isinstance(max_pixels, int) or max_pixels < 1:
        raise SettingError(f"A picture cannot be limited to {max_pixels!r} pixels; give a whole number above 0.")


def require_decodable(
    name: str | os.PathLike[str],
    *,
    width: int,
    height: int,
    pixel_bytes: int,
    max_pixels: int,
    decoder_bytes: int = 0,
) -> None:
    """Refuse a picture before it is decoded where it is over the limit or does not fit into the free memory.

    Args:
        name: of the picture, for the message.
        width, height: as its header states them.
        pixel_bytes: what a decoded pixel takes.
        max_pixels: the most pixels that may be decoded.
        decoder_bytes: what the decoder holds for a pixel beside that, if it works on the picture as a whole.

    Raises:
        PictureTooLargeError: it is too large.
    """
    pixels = width * height
    size = f"{name} states a size of {width} x {height} pixels"
    if pixels > max_pixels:
        raise PictureTooLargeError(
            f"{size}, {pixels:,} in all, which is over the limit of {max_pixels:,}; if it really is that large, "
            "allow it by --max-pixels (max_pixels in Python)."
        )
    needed = pixels * (_WHOLE_COPIES * pixel_bytes + decoder_bytes)
    free = free_bytes()
    if needed > free:
        raise PictureTooLargeError(
            f"{size}, which takes {_gigabytes(needed)} of memory to decode, and {_gigabytes(free)} are free; "
            "close other programs, or make the picture smaller."
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB"
