"""Files beside a result: how wrong each of its pixels may be, and which part of it the input determines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deltasr.errors import SettingError
from deltasr.imaging import Picture
from deltasr.imaging.colour import as_8_bits
from deltasr.imaging.picture import OWN_TEXT, Metadata
from deltasr.imaging.write import write_picture
from deltasr.inference import consistency
from deltasr.inference.sizes import Size
from deltasr.inference.upscaler import Upscaler
from deltasr.models.error_map_interface import COVERAGE, STEPS_PER_LEVEL
from deltasr.models.interface import ModelInterface

Map = Literal["error", "determined"]

SUFFIXES: dict[Map, tuple[str, str]] = {
    "error": ("-map.png", "-map-overlay.png"),
    "determined": ("-determined.png", "-added.png"),
}
"""What the names of the files of each map end in."""

_ZERO = 1 << 15
"""What stands for 0 in the added part."""

_RAMP = ((0, 87, 188, 249, 252), (0, 16, 55, 142, 255), (4, 110, 84, 9, 164))
"""Red, green and blue of the overlay's evenly spaced colours, from matplotlib's inferno."""

_BRIGHTEST = 64
"""The half-width in levels from which on the overlay has the last of them."""


def files_of(target: Path, kind: Map) -> tuple[Path, Path]:
    """The two files of a map beside the result's file."""
    first, second = (target.with_name(target.stem + suffix) for suffix in SUFFIXES[kind])
    return first, second


def pictures_of(source: Picture, result: Picture, kind: Map, *, scale: int, tile: int | None = None) -> list[Picture]:
    """The two pictures of a map, in the order of `SUFFIXES`; 16 bits, except for the overlay.

    Args:
        source: the picture that was upscaled.
        result: what it became, with its `error_map` for that one.
        kind: of the map.
        scale: the model's factor, which the result must have for `determined`.
        tile: as an `Upscaler` takes it.

    Raises:
        SettingError: the result has another factor.
    """
    if kind == "error":
        assert result.error_map is not None
        return [_half_widths(result.error_map), overlay(result)]
    require_splittable((source.height, source.width), (result.height, result.width), scale=scale)
    return list(split(source, result, scale=scale, tile=tile))


def require_splittable(source: Size, result: Size, *, scale: int) -> None:
    """Whether what the input determines is known for a result of this size.

    Raises:
        SettingError: the result has another factor than the model's own.
    """
    if result != (scale * source[0], scale * source[1]):
        raise SettingError(
            f"What the input determines is known for the model's own factor of {scale} alone; leave the scale or size "
            "out, or the map."
        )


def overlay(result: Picture) -> Picture:
    """The result in grey, darkened, under the colours of its error map: black for 0 to yellow for 64 levels."""
    assert result.error_map is not None
    share = np.sqrt(np.minimum(result.error_map / (STEPS_PER_LEVEL * _BRIGHTEST), 1))
    places = np.linspace(0, 1, len(_RAMP[0]))
    ramp = np.stack([np.interp(share, places, channel) for channel in _RAMP], axis=2)
    grey = as_8_bits(result.pixels).mean(axis=2, keepdims=True)
    return Picture(pixels=(0.35 * grey + 0.65 * ramp).round().astype(np.uint8))


def split(source: Picture, result: Picture, *, scale: int, tile: int | None = None) -> tuple[Picture, Picture]:
    """The part of a result that its input determines, and the part that was added; 16 bits, without alpha.

    The result in 16 bits is exactly `determined + 2 * (added - 32768)`. Values of the determined part below 0 and
    above 65535 are clipped; the added part then has what was clipped, too.

    Args:
        source: the picture that was upscaled.
        result: `scale` times as large.
        scale: the factor.
        tile: as an `Upscaler` takes it.
    """
    upscaler = Upscaler(_Determined(scale), device="cpu", tile=tile)
    whole = _in_16_bits(result.pixels).astype(np.int32)
    alpha = None if source.alpha is None else _in_16_bits(source.alpha)
    known = upscaler.upscale(Picture(pixels=_in_16_bits(source.pixels), alpha=alpha)).pixels.astype(np.int32)
    known += (whole - known) % 2 * np.where(known < np.iinfo(np.uint16).max, 1, -1)  # so that the rest can be halved
    added = (whole - known) // 2 + _ZERO
    text = {
        f"{OWN_TEXT}map": "result in 16 bits = determined + 2 * (added - 32768); determined is U (D U)^-1 of the "
        "input, D being bicubic downscaling and U bicubic upsampling"
    }
    metadata = replace(result.metadata, exif=None, xmp=None, text=text)
    known_picture, added_picture = (
        Picture(pixels=part.astype(np.uint16), metadata=metadata) for part in (known, added)
    )
    return known_picture, added_picture


def write_maps(pictures: list[Picture], target: Path, kind: Map) -> None:
    """Write the pictures of a map beside a result's file, each whole or not at all.

    Raises:
        PictureError: a file cannot be written.
    """
    for picture, file in zip(pictures, files_of(target, kind), strict=True):
        write_picture(picture, file)


class _Determined(ModelInterface):
    """The part of a result that its input determines, clamped to [0, 1], as a model that an `Upscaler` runs."""

    takes_arrays = True
    name = "determined"
    receptive_field = consistency.DETERMINED_REACH

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, lr: NDArray[np.float32]) -> NDArray[np.float64]:
        return consistency.determined(lr.astype(np.float64), self.scale).clip(0, 1)


def _half_widths(error_map: NDArray[np.uint16]) -> Picture:
    text = {
        f"{OWN_TEXT}map": f"half-widths v in 1/{STEPS_PER_LEVEL} of an 8-bit level: with a probability of "
        f"{COVERAGE:.0%} the true value of a colour is within v of the result's"
    }
    return Picture(pixels=error_map[..., None], metadata=Metadata(text=text))


def _in_16_bits(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257 if pixels.dtype == np.uint8 else pixels.astype(np.uint16)
