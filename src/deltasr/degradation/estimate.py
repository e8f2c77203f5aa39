"""How degraded a picture is: its strength on the scale of the degradation `web`, from its file and its pixels.

The estimate has two parts. The quality of the last JPEG compression is read from the file's quantisation table and
estimated from the pixels (`jpeg_traces`), which may have been a JPEG before; the lower of the two is taken. Whether
there is more (noise, blur or earlier compressions), and how much, is estimated from statistics of the pixels by a
small regression, which `scripts/calibrate_estimator.py` fits to pictures degraded by `web`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deltasr.degradation.jpeg_traces import (
    BLOCK,
    FEWEST_LEVELS,
    Floats,
    Traces,
    find_traces,
    median,
    quality_of_table,
    transformed,
)
from deltasr.degradation.strength import JPEG_ALONE, strength_of
from deltasr.errors import SettingError

COEFFICIENTS = Path(__file__).with_name("estimator.json")
"""The fitted regression."""

FARTHEST = 4.0
"""Standard deviations from the mean to which features are clipped, so that the regression does not extrapolate far."""

_WINDOW, _WINDOWS = 128, 3
"""Of sides above 384 pixels, three windows of 128 are used."""

_LEAST_SIDE = 2 * BLOCK
"""Smaller pictures are estimated from the file's table alone."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_LEVEL = 0.15
"""Added to noise before logarithms are taken, in 8-bit levels."""

_VISIBLE = 1.5
"""Least magnitude of a coefficient that rounding does not explain, in 8-bit levels."""

_DOUBTFUL, _CERTAIN = 0.6, 0.9
"""Probabilities that there is more than JPEG: up to the first one it is ignored, from the second one counted in full,
and between them in part, so that similar pictures have similar strengths."""

_BANDS = ((1, 2), (3, 5), (6, 8), (9, 14))
"""Least and largest sum of the two frequencies of a coefficient."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A strength from 0 to 1, and how it was estimated.

    Attributes:
        strength: in hundredths; `web` makes pictures like this one at it.
        quality: of the last JPEG compression; None where none was found, or only one of nearly the best quality.
        from_file: whether the quality is that of the file's own table.
        further: whether there is more than one compression: noise, blur, or others before.
    """

    strength: float
    quality: int | None
    from_file: bool
    further: bool

    def __str__(self) -> str:
        """In words, such as `JPEG of quality 75`."""
        signs = []
        if self.quality is not None:
            signs.append(f"JPEG of quality {self.quality}{'' if self.from_file else ', by its pixels'}")
        if self.further:
            signs.append("noise, blur or earlier compressions")
        return "; ".join(signs) or "no sign of compression or noise"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What an estimate is computed from: attributes of `Estimate`, and the inputs of the regression.

    `features` is None for pictures that are too small or have too few levels for the regression.
    """

    quality: int | None
    from_file: bool
    features: NDArray[np.float64] | None


def estimate_strength(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], luma_table: Sequence[int] | None = None
) -> Estimate:
    """Estimate the strength of a picture's degradation; the same for the same picture.

    Args:
        pixels: (H, W, 1) grey or (H, W, 3) RGB, uint8 or uint16 over the type's whole range, of any size.
        luma_table: the 64 quantisation steps of the JPEG file that they were read from, row by row, as
            `imaging.Picture.compression` has them; None for all others.

    Raises:
        SettingError: the pixels have another shape or type.
    """
    return estimate_from(observe(pixels, luma_table))


def observe(pixels: NDArray[np.uint8] | NDArray[np.uint16], luma_table: Sequence[int] | None = None) -> Observation:
    """The observation from which `estimate_strength` computes its estimate."""
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.dtype not in (np.uint8, np.uint16):
        raise SettingError(
            f"The degradation of pixels of shape {pixels.shape} and type {pixels.dtype} cannot be estimated; give "
            "(H, W, 1) or (H, W, 3) of uint8 or uint16."
        )
    stated = None if luma_table is None else quality_of_table(luma_table)
    if min(pixels.shape[:2]) < _LEAST_SIDE:
        return Observation(quality=stated, from_file=stated is not None, features=None)
    windows = _windows(pixels)
    lumas = [window @ _LUMA for window in windows]
    traces = find_traces(windows, lumas)
    found = [quality for quality in (stated, traces.quality) if quality is not None]
    quality = min(found) if found else None
    return Observation(
        quality=quality,
        from_file=stated is not None and quality == stated,
        features=_features(windows, lumas, traces, quality) if traces.levels >= FEWEST_LEVELS else None,
    )


def estimate_from(observation: Observation) -> Estimate:
    """The estimate from an observation."""
    alone = 0.0 if observation.quality is None else strength_of(observation.quality)
    probability, severity = (0.0, 0.0) if observation.features is None else _regression().of(observation.features)
    share = min(max((probability - _DOUBTFUL) / (_CERTAIN - _DOUBTFUL), 0.0), 1.0)
    further = JPEG_ALONE + (1 - JPEG_ALONE) * severity
    strength = alone + share * max(further - alone, 0.0)
    return Estimate(
        strength=round(min(strength, 1.0), 2),
        quality=observation.quality,
        from_file=observation.from_file,
        further=share > 0.5,
    )


@dataclass(frozen=True)
class _Regression:
    """A network of one hidden layer from the features to the probability and the severity of more than JPEG.

    Arrays: `mean` and `scale` (features), `hidden` (units, features), `output` (2, units), and the biases of both.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    hidden: NDArray[np.float64]
    hidden_bias: NDArray[np.float64]
    output: NDArray[np.float64]
    output_bias: NDArray[np.float64]

    def of(self, features: NDArray[np.float64]) -> tuple[float, float]:
        """The probability, and the severity from 0 (strength `JPEG_ALONE`) to 1 (strength 1)."""
        scaled = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        units = np.tanh(self.hidden @ scaled + self.hidden_bias)
        probability, severity = 1 / (1 + np.exp(-(self.output @ units + self.output_bias)))
        return float(probability), float(severity)


@lru_cache(maxsize=1)
def _regression() -> _Regression:
    stored = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    return _Regression(**{name: np.array(values) for name, values in stored.items()})


def _windows(pixels: NDArray) -> list[Floats]:
    """The windows of a picture: parts (H, W, 3) in [0, 255] that begin at multiples of 8."""
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    rows, columns = (_spans(side) for side in pixels.shape[:2])
    factor = np.float32(255 / np.iinfo(pixels.dtype).max)
    return [pixels[row, column].astype(np.float32) * factor for row in rows for column in columns]


def _spans(side: int) -> list[slice]:
    if side <= _WINDOWS * _WINDOW:
        return [slice(0, side)]
    starts = [(side - _WINDOW) * number // (_WINDOWS - 1) // BLOCK * BLOCK for number in range(_WINDOWS)]
    return [slice(start, start + _WINDOW) for start in starts]


def _features(
    windows: Sequence[Floats], lumas: Sequence[Floats], traces: Traces, quality: int | None
) -> NDArray[np.float64]:
    """The inputs of the regression: noise, sharpness and compression."""
    fine, coarse = (np.concatenate([_noise(luma, distance) for luma in lumas]) for distance in (1, 2))
    differences = [window[..., channel] - window[..., 1] for window in windows for channel in (0, 2)]
    colour = np.concatenate([_noise(difference, 1) for difference in differences])
    values = [*_percentiles(fine, (5, 20, 50, 80)), *_percentiles(coarse, (5, 20, 50)), *_percentiles(colour, (10, 50))]
    coefficients = np.concatenate([transformed(luma, traces.offset) for luma in lumas])
    coefficients = coefficients.reshape(len(coefficients), -1)
    activity = (coefficients[:, 1:] ** 2).sum(axis=1)
    smooth = coefficients[np.argsort(activity, kind="stable")[: max(1, len(coefficients) // 4)]]
    frequencies = np.add.outer(np.arange(BLOCK), np.arange(BLOCK)).ravel()
    for low, high in _BANDS:
        band = (frequencies >= low) & (frequencies <= high)
        everywhere, quiet = coefficients[:, band] ** 2, smooth[:, band] ** 2
        typical = median(everywhere.mean(axis=1))
        values += [float(np.log(energy + 0.1)) for energy in (everywhere.mean(), quiet.mean(), typical)]
        values += [float((energies > _VISIBLE**2).mean()) for energies in (quiet, everywhere)]
    alone = 0.0 if quality is None else strength_of(quality)
    return np.array([*values, alone, float(quality is not None), traces.contrast, alone**2], dtype=np.float64)


def _noise(plane: Floats, distance: int) -> Floats:
    """The high frequencies of a plane (H, W), by block: root mean squares of its fourth mixed differences / 6."""
    down = plane[: -2 * distance] - 2 * plane[distance:-distance] + plane[2 * distance :]
    both = (down[:, : -2 * distance] - 2 * down[:, distance:-distance] + down[:, 2 * distance :]) / 6
    rows, columns = (side // BLOCK for side in both.shape)
    squares = both[: BLOCK * rows, : BLOCK * columns].reshape(rows, BLOCK, columns, BLOCK) ** 2
    return np.sqrt(squares.mean(axis=(1, 3))).ravel()


def _percentiles(noise: Floats, percentages: Sequence[int]) -> list[float]:
    """Logarithms of percentiles, which are those of `np.percentile`; see `jpeg_traces.median`."""
    ordered = np.sort(noise)
    places = np.array(percentages) / 100 * (len(ordered) - 1)
    below = places.astype(np.intp)
    lower, upper = ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)]
    share, step = places - below, upper - lower
    values = np.where(share < 0.5, lower + step * share, upper - step * (1 - share))
    return [float(np.log(value + _LEVEL)) for value in values]
