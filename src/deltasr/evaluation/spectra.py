"""Ratios of power spectra of results to those of HR pictures, which show patterns that a model adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.errors import PictureError

Floats = NDArray[np.float64]

TILE = 64
"""Side of the tiles that are transformed, in pixels; spectra have as many frequencies each way."""

LEAST_RADIUS = 1 / 16
"""Cycles per pixel below which a frequency counts as near 0: half of what the LR grid of scale 4 holds."""

_SMOOTHED = 3
"""Frequencies each way over which power is averaged; a wave fills about as many through the window."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The largest ratio among some frequencies.

    Attributes:
        ratio: of the result's power to that of HR.
        frequency: vertical and horizontal, in cycles per pixel, from -1/2 to 1/2; of two opposite ones, whose power is
            the same, the one whose vertical part is above 0, or is 0 and the horizontal part above it.
        spread: standard error of the ratio at that frequency, by leaving out one picture at a time; None for one.
    """

    ratio: float
    frequency: tuple[float, float]
    spread: float | None


def power_spectrum(luma: Floats) -> Floats:
    """Mean power of a picture's tiles by frequency.

    Tiles overlap by half, lose their mean, and fade out at their edges by Hann's window.

    Args:
        luma: (H, W), of any range.

    Returns:
        (64, 64); the vertical and the horizontal frequency rise from -1/2 cycles per pixel in steps of 1/64, so that 0
        is in the middle.

    Raises:
        PictureError: a side is below 64 pixels.
    """
    if min(luma.shape) < TILE:
        raise PictureError(f"A picture of {luma.shape[1]}x{luma.shape[0]} pixels has no tile of {TILE}x{TILE}.")
    power: Floats = torch.fft.fft2(faded_tiles(torch.from_numpy(luma), TILE)).abs().square().mean(dim=(0, 1)).numpy()
    return np.fft.fftshift(power)


def faded_tiles(pictures: Tensor, side: int) -> Tensor:
    """Tiles that overlap by half, without their means, that fade out at their edges by Hann's window.

    Args:
        pictures: (..., H, W), of any range, both sides at least `side`.
        side: of the tiles, in pixels.

    Returns:
        (..., rows, columns, side, side).
    """
    line = torch.hann_window(side, dtype=pictures.dtype, device=pictures.device)
    step = (side + 1) // 2
    tiles = pictures.unfold(-2, side, step).unfold(-2, side, step)
    return (tiles - tiles.mean(dim=(-2, -1), keepdim=True)) * (line[:, None] * line)


def frequencies() -> Floats:
    """Vertical and horizontal frequency of a spectrum's places, (2, 64, 64), in cycles per pixel."""
    line = np.fft.fftshift(np.fft.fftfreq(TILE))
    return np.stack(np.meshgrid(line, line, indexing="ij"))


def radii() -> Floats:
    """Distance of a spectrum's places from frequency 0, (64, 64), in cycles per pixel."""
    return np.hypot(*frequencies())


def ratio(results: Sequence[Floats], references: Sequence[Floats]) -> Floats:
    """Mean power of results over that of HR pictures, (64, 64), both averaged over 3x3 frequencies.

    Args:
        results: the spectrum of each picture.
        references: the same of the HR pictures.
    """
    return _smoothed(np.mean(results, axis=0)) / _smoothed(np.mean(references, axis=0))


def away_from_zero() -> NDArray[np.bool_]:
    """The frequencies, (64, 64), that are not near 0."""
    return radii() >= LEAST_RADIUS


def repeating(scale: int) -> NDArray[np.bool_]:
    """The frequencies, (64, 64), of patterns with the period of the LR grid: multiples of 1/scale in both axes, but 0.

    Args:
        scale: divides 64.
    """
    multiple: NDArray[np.bool_] = (frequencies() * scale % 1 == 0).all(axis=0)
    return multiple & away_from_zero()


def largest(results: Sequence[Floats], references: Sequence[Floats], among: NDArray[np.bool_]) -> Peak:
    """The largest ratio of power and its frequency.

    Args:
        results, references: as `ratio` takes them.
        among: the frequencies to compare, (64, 64).
    """
    ratios = ratio(results, references)
    place = np.unravel_index(np.argmax(np.where(among, ratios, -np.inf)), ratios.shape)
    vertical, horizontal = (part[place] for part in frequencies())
    sign = -1 if (vertical, horizontal) < (0, 0) else 1
    return Peak(
        ratio=float(ratios[place]),
        frequency=(float(sign * vertical) + 0.0, float(sign * horizontal) + 0.0),  # no minus before 0
        spread=_spread_at(results, references, place),
    )


def _spread_at(results: Sequence[Floats], references: Sequence[Floats], place: tuple[np.intp, ...]) -> float | None:
    """The jackknife's standard error over pictures."""
    count = len(results)
    if count < 2:
        return None
    of_results, of_references = (np.array([_smoothed(one)[place] for one in many]) for many in (results, references))
    without = (of_results.sum() - of_results) / (of_references.sum() - of_references)
    return float(np.sqrt((count - 1) * without.var()))


def _smoothed(power: Floats) -> Floats:
    """The mean over neighbouring frequencies; spectra are periodic."""
    reach = _SMOOTHED // 2
    shifts = [(v, h) for v in range(-reach, reach + 1) for h in range(-reach, reach + 1)]
    smoothed: Floats = np.mean([np.roll(power, shift, axis=(0, 1)) for shift in shifts], axis=0)
    return smoothed
