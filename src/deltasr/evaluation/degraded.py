"""One LR picture made from an HR one, and its line in a list."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from deltasr.degradation.draws import derived_seed
from deltasr.degradation.kinds import degrade_with_history
from deltasr.imaging import Picture, fill_transparent


@dataclass(frozen=True, kw_only=True)
class Line:
    """The line of one degraded picture in a list.

    Attributes:
        name: of the picture in its set: its path below the set's folder, without suffix.
        kind, scale, seed: of the degradation; with the name and the HR picture they determine the LR picture.
        width, height: of the LR picture, in pixels.
        operations: its history, in order, separated by `; `.
        sha256: of the LR picture's pixels: rows from the top, RGB, 8 or 16 bits (low byte first) each.
        hr_sha256: the same of the HR picture it was made from, before anything was cut off.
        strength: of the degradation, if it was given.
    """

    name: str
    kind: str
    scale: int
    seed: int
    width: int
    height: int
    operations: str
    sha256: str
    hr_sha256: str
    strength: float | None = None


@dataclass(frozen=True, kw_only=True)
class Degraded:
    """An LR picture, its line, and a sentence for each thing of the HR picture that was left out."""

    picture: Picture
    line: Line
    notes: tuple[str, ...]


def degrade_picture(
    picture: Picture, *, name: str, kind: str, scale: int, seed: int, strength: float | None = None
) -> Degraded:
    """Degrade one picture of a set; the result is the same whatever else is in the set.

    Args:
        picture: the HR picture, any depth; grey becomes RGB, transparent places take the colour beside them.
        name: its name in the set; see `Line`.
        kind: a name in `degradation.KINDS`.
        scale: a whole factor, at least 1. Rows at the bottom and columns at the right beyond a multiple are left out.
        seed: of the set.
        strength: as `degradation.degrade` takes it.

    Raises:
        SettingError: there is no such kind, or the scale is not possible for this picture or the strength for the
            kind.
    """
    notes = []
    if picture.alpha is not None:
        picture = replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha), alpha=None)
        notes.append("Its transparency was left out.")
    hr = picture.to_tensor()
    lr, (history,) = degrade_with_history(hr, kind=kind, scale=scale, seed=derived_seed(seed, name), strength=strength)
    height, width = lr.shape[-2:]
    if (height * scale, width * scale) != (picture.height, picture.width):
        notes.append(f"It was cut to {width * scale}x{height * scale} pixels, multiples of {scale}.")
    largest = int(np.iinfo(picture.pixels.dtype).max)
    levels = (lr[0].permute(1, 2, 0) * largest).round().numpy().astype(picture.pixels.dtype)
    pixels = np.ascontiguousarray(levels)
    line = Line(
        name=name,
        kind=kind,
        scale=scale,
        seed=seed,
        width=width,
        height=height,
        operations="; ".join(map(str, history)),
        sha256=_sha256(pixels),
        hr_sha256=_sha256(np.broadcast_to(picture.pixels, (*picture.pixels.shape[:2], 3))),
        strength=strength,
    )
    return Degraded(picture=replace(picture, pixels=pixels, notes=(), compression=None), line=line, notes=tuple(notes))


def _sha256(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()
