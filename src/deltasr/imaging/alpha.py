"""Transparency: colour for transparent pixels, and pictures composited over white."""

from __future__ import annotations

import numpy as np

from deltasr.imaging.colour import row_blocks

_BLOCK_VALUES = 1 << 20
_LEVELS = 255
"""Of 8 bits, in which most premultiplied colours are rounded, also those of files that have 16 now."""


def fill_transparent(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give transparent pixels the colour of the more opaque ones around them, so that no hidden colour bleeds in.

    Nearly transparent pixels hold rounding noise where a file was made from premultiplied colours of 8 bits, 127
    levels of it where alpha is 1 of 255, and a model would amplify it. Each pixel is therefore drawn
    towards its surroundings by at most the error that rounding can have made, 255 / alpha - 1 levels of 8 bits. Over
    any ground that changes what is seen by less than one level.

    The surroundings come from pull-push interpolation (Gortler et al., "The Lumigraph", 1996): colours are averaged,
    weighted by alpha, into ever smaller pictures; on the way back each pixel takes from the next smaller picture what
    its own weight lacks. Beyond its result it needs memory for float pictures of a quarter of the pixels and less.

    Args:
        pixels: (H, W, C), uint8 or uint16, not premultiplied.
        alpha: (H, W) of the same type.

    Returns:
        An array like `pixels`, equal to it wherever `alpha` is full; `pixels` itself if it is so everywhere or no
        pixel is visible.
    """
    full = np.iinfo(alpha.dtype).max
    if alpha.min() == full or not alpha.any():
        return pixels
    result = pixels.copy()
    around, weight = _halved(pixels, alpha)
    _fill(around, weight)
    for rows in row_blocks(pixels):
        partly = alpha[rows] < full
        if partly.any():
            guess = _doubled_rows(around, rows.start, rows.stop, pixels.shape[1])[partly]
            own = pixels[rows][partly].astype(np.float32)
            opacity = alpha[rows][partly, None] / np.float32(full)
            with np.errstate(divide="ignore"):
                error = full / _LEVELS * (1 / opacity - 1)
            result[rows][partly] = np.rint(own + np.clip(guess - own, -error, error))
    return result


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Composite `pixels` (H, W, C) over white by `alpha` (H, W), both uint8 or both uint16, rounded to nearest."""
    top = int(np.iinfo(pixels.dtype).max)
    result = np.empty_like(pixels)
    for rows in row_blocks(pixels):
        cover = alpha[rows, :, None].astype(np.uint32)
        result[rows] = (pixels[rows] * cover + top * (top - cover) + top // 2) // top
    return result


def _fill(colour: np.ndarray, weight: np.ndarray) -> None:
    """Fill float `colour` (h, w, C) in place as far as `weight` (h, w), of 1 at most, is too small."""
    if weight.min() >= 1 or weight.size == 1:
        return
    smaller, smaller_weight = _halved(colour, weight)
    _fill(smaller, smaller_weight)
    for rows in row_blocks(colour):
        lacking = weight[rows] < 1
        if lacking.any():
            guess = _doubled_rows(smaller, rows.start, rows.stop, colour.shape[1])[lacking]
            trust = weight[rows][lacking, None]
            colour[rows][lacking] = guess + trust * (colour[rows][lacking] - guess)


def _halved(colour: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted 2x2 means of `colour`, (h, w, C), and their weights in [0, 1], (h, w); float32.

    An odd last row or column stands alone.
    """
    height, width, channels = colour.shape
    half = ((height + 1) // 2, (width + 1) // 2)
    means, totals = np.empty((*half, channels), np.float32), np.empty(half, np.float32)
    full = np.iinfo(weight.dtype).max if weight.dtype.kind == "u" else 1
    step = max(1, _BLOCK_VALUES // (2 * width * channels))
    for top in range(0, half[0], step):
        rows = slice(2 * top, 2 * (top + step))
        share = weight[rows, :, None].astype(np.float32) / full
        total = _sums_2x2(share)
        weighted = _sums_2x2(colour[rows] * share)
        means[top : top + step] = weighted / np.where(total > 0, total, 1)
        totals[top : top + step] = np.minimum(total[..., 0], 1)
    return means, totals


def _sums_2x2(array: np.ndarray) -> np.ndarray:
    array = np.pad(array, ((0, array.shape[0] % 2), (0, array.shape[1] % 2), (0, 0)))
    rows: np.ndarray = array[0::2] + array[1::2]
    result: np.ndarray = rows[:, 0::2] + rows[:, 1::2]
    return result


def _doubled_rows(small: np.ndarray, start: int, stop: int, width: int) -> np.ndarray:
    """Rows `start` to `stop`, cut to `width` columns, of `small` (h, w, C) enlarged twofold, bilinearly."""
    above, below, share = _doubling(start, stop, small.shape[0])
    rows = small[above] * (1 - share)[:, None, None] + small[below] * share[:, None, None]
    left, right, share = _doubling(0, width, small.shape[1])
    result: np.ndarray = rows[:, left] * (1 - share)[:, None] + rows[:, right] * share[:, None]
    return result


def _doubling(start: int, stop: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For places `start` to `stop` of a line enlarged twofold: two neighbours, and the second one's share."""
    place = (np.arange(start, stop) - 0.5) / 2
    first = np.floor(place).astype(np.intp)
    share = (place - first).astype(np.float32)
    return np.clip(first, 0, length - 1), np.clip(first + 1, 0, length - 1), share
