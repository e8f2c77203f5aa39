"""Draws whole pictures, each determined by a seed, a size and the fonts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from deltasr.degradation.draws import derived_seed
from deltasr.errors import SettingError
from deltasr.training.data.graphics.cartoons import cartoon
from deltasr.training.data.graphics.charts import chart
from deltasr.training.data.graphics.diagrams import flow_chart, plan, street_map
from deltasr.training.data.graphics.editors import editor, terminal
from deltasr.training.data.graphics.fonts import FontSet
from deltasr.training.data.graphics.interfaces import application, desktop, telephone
from deltasr.training.data.graphics.pages import page, receipt, slide
from deltasr.training.data.graphics.patterns import lines, machine_code, pixel_art, tiles
from deltasr.training.data.graphics.posters import banner, caption, logo
from deltasr.training.data.graphics.scene import Scene

KINDS: dict[str, tuple[float, dict[Callable[[Scene], Image.Image], float]]] = {
    "text": (0.34, {page: 6, caption: 5, editor: 3, terminal: 1, slide: 2, receipt: 1, banner: 2}),
    "interface": (0.22, {application: 3, desktop: 4, telephone: 2}),
    "chart": (0.12, {chart: 1}),
    "drawing": (0.2, {cartoon: 4, flow_chart: 2, street_map: 2, plan: 2}),
    "logo": (0.06, {logo: 1}),
    "pattern": (0.06, {lines: 4, tiles: 2, pixel_art: 2, machine_code: 1}),
}
"""Name to its share of all pictures, and to the functions that draw it with their weights."""

SMALLEST_SIDE = 32
_LEAST_DRAWN, _LEAST_UNITS = 256, 140
"""Smaller pictures, in pixels or in units of design, are cut from larger ones, since no window is that small."""
_ZOOMS = ((1, 0.15), (1.5, 0.15), (2, 0.25), (3, 0.22), (4, 0.18), (6, 0.05))
"""Values of `Scene.zoom` with their weights."""
_TRIES = 6


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture and its kind.

    Attributes:
        kind: a key of `KINDS`.
        pixels: (H, W, 3) uint8.
    """

    kind: str
    pixels: np.ndarray


def draw(
    seed: int,
    *,
    height: int,
    width: int,
    fonts: FontSet,
    backgrounds: Sequence[np.ndarray] = (),
    kinds: Sequence[str] = tuple(KINDS),
) -> Drawn:
    """Draw one picture. The same arguments give the same bytes, given the same versions of Pillow and NumPy.

    Args:
        seed: of all random choices.
        height, width: in pixels, at least `SMALLEST_SIDE`. Small ones are parts of larger pictures.
        fonts: for all text; see `fonts.find_fonts`.
        backgrounds: (H, W, 3) uint8 photographs that may lie under text and windows.
        kinds: the possible kinds, keys of `KINDS`.

    Raises:
        SettingError: the size is too small, or a kind has no such name.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SettingError(f"There is no kind of picture named {', '.join(unknown)}; kinds are {', '.join(KINDS)}.")
    if not kinds:
        raise SettingError(f"There is nothing to draw; name at least one kind of {', '.join(KINDS)}.")
    if min(height, width) < SMALLEST_SIDE:
        raise SettingError(f"{width}x{height} is too small to draw in; give at least {SMALLEST_SIDE} pixels a side.")
    rng = Random(f"graphics/{seed}")
    kind = rng.choices(kinds, [KINDS[kind][0] for kind in kinds])[0]
    scenes = KINDS[kind][1]
    make = rng.choices(list(scenes), list(scenes.values()))[0]
    zooms, weights = zip(*_ZOOMS, strict=True)
    zoom = rng.choices(zooms, weights)[0] * rng.choice([1, rng.uniform(0.9, 1.1)])
    least = max(_LEAST_DRAWN, round(_LEAST_UNITS * zoom))
    picture = make(Scene(rng, max(width, least), max(height, least), zoom, fonts, backgrounds))
    return Drawn(kind, _part(np.asarray(picture), height, width, rng))


def render(
    count: int,
    seed: int,
    *,
    height: int,
    width: int,
    fonts: FontSet,
    backgrounds: Sequence[np.ndarray] = (),
    kinds: Sequence[str] = tuple(KINDS),
) -> Iterator[Drawn]:
    """Draw pictures one after the other; the k-th is the same however many there are.

    Args:
        count: how many.
        seed: pictures of different seeds are independent.
        height, width, fonts, backgrounds, kinds: as `draw` has them.

    Raises:
        SettingError: as `draw` does.
    """
    for number in range(count):
        yield draw(
            derived_seed(seed, f"graphics/{number}"),
            height=height,
            width=width,
            fonts=fonts,
            backgrounds=backgrounds,
            kinds=kinds,
        )


def _part(pixels: np.ndarray, height: int, width: int, rng: Random) -> np.ndarray:
    """A part of this size at a random place: of a few, the first that is not all of one colour."""
    part = pixels
    for _ in range(_TRIES):
        top, left = rng.randint(0, pixels.shape[0] - height), rng.randint(0, pixels.shape[1] - width)
        part = pixels[top : top + height, left : left + width]
        if (part != part[0, 0]).mean() > 0.02:
            break
    return np.ascontiguousarray(part)
