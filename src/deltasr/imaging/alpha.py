"""Transparency: colour for pixels that have none, and pictures laid on white."""

from __future__ import annotations

import numpy as np

from deltasr.imaging.colour import row_blocks

_BLOCK_VALUES = 1 << 20


def fill_transparent(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give fully transparent pixels the colour of the visible ones around them, so that none bleeds in.

    Pull-push interpolation (Gortler et al., "The Lumigraph", 1996): colours are averaged, weighted by alpha,
    into ever smaller pictures; on the way back each empty pixel takes its colour from the next smaller
    picture. Beyond its result it needs memory for float pictures of a quarter of the pixels and less.

    Args:
        pixels: (H, W, C), uint8 or uint16, not premultiplied.
        alpha: (H, W) of the same type.

    Returns:
        An array like `pixels`, equal to it wherever `alpha` is not zero; `pixels` itself if no pixel is
        transparent or none is visible.
    """
    if alpha.all() or not alpha.any():
        return pixels
    result = pixels.copy()
    _fill(result, alpha)
    return result


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay `pixels` (H, W, C) on white by `alpha` (H, W), both uint8 or both uint16, rounded to nearest."""
    top = int(np.iinfo(pixels.dtype).max)
    result = np.empty_like(pixels)
    for rows in row_blocks(pixels):
        cover = alpha[rows, :, None].astype(np.uint32)
        result[rows] = (pixels[rows] * cover + top * (top - cover) + top // 2) // top
    return result


def _fill(colour: np.ndarray, weight: np.ndarray) -> None:
    """Fill `colour` (h, w, C) in place where `weight` (h, w) is zero, from its own smaller versions."""
    if weight.all():
        return
    smaller, smaller_weight = _halved(colour, weight)
    _fill(smaller, smaller_weight)
    for rows in row_blocks(colour):
        empty = weight[rows] == 0
        if empty.any():
            guess = _doubled_rows(smaller, rows.start, rows.stop, colour.shape[1])[empty]
            colour[rows][empty] = np.rint(guess) if colour.dtype.kind == "u" else guess


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
