"""Colour schemes of pages and interfaces."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from random import Random

from deltasr.training.data.graphics.canvas import Colour

_PALETTES = (
    ("1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b", "e377c2", "7f7f7f", "bcbd22", "17becf"),
    ("4e79a7", "f28e2b", "e15759", "76b7b2", "59a14f", "edc948", "b07aa1", "ff9da7", "9c755f", "bab0ac"),
    ("4472c4", "ed7d31", "a5a5a5", "ffc000", "5b9bd5", "70ad47", "264478", "9e480e"),
    ("e41a1c", "377eb8", "4daf4a", "984ea3", "ff7f00", "ffff33", "a65628", "f781bf"),
    ("000000", "e69f00", "56b4e9", "009e73", "f0e442", "0072b2", "d55e00", "cc79a7"),
    ("0000ff", "ff0000", "00aa00", "ff00ff", "00aaaa", "aa5500", "000000", "888888"),
)
"""Colours of charts in common use: matplotlib, Tableau, an office program, ColorBrewer, Okabe and Ito, pure ones."""


@dataclass(frozen=True)
class Scheme:
    """The colours of one picture.

    Attributes:
        dark: whether text is lighter than its background.
        ground, surface, border: of pages, of the elements on them, and of their edges.
        text, muted: of main text, and of secondary text.
        accent, on_accent: of highlighted elements, and of text on them.
        palette: for categories.
    """

    dark: bool
    ground: Colour
    surface: Colour
    border: Colour
    text: Colour
    muted: Colour
    accent: Colour
    on_accent: Colour
    palette: tuple[Colour, ...]


def shade(hue: float, lightness: float, saturation: float) -> Colour:
    """A colour from hue, lightness and saturation, each 0 to 1."""
    red, green, blue = colorsys.hls_to_rgb(hue % 1, min(max(lightness, 0.0), 1.0), min(max(saturation, 0.0), 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """The weighted mean of two colours; `share`, 0 to 1, is the weight of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def brightness(colour: Colour) -> float:
    """Perceived brightness, from 0 for black to 1 for white."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


def readable_on(ground: Colour) -> Colour:
    """Black or white, whichever is more readable on a colour."""
    return (0, 0, 0) if brightness(ground) > 0.55 else (255, 255, 255)


def vivid(rng: Random) -> Colour:
    """A strong colour."""
    return shade(rng.random(), rng.uniform(0.3, 0.65), rng.uniform(0.5, 1))


def palette(rng: Random) -> tuple[Colour, ...]:
    """Eight or ten different colours: a common palette, or shades around one hue."""
    if rng.random() < 0.7:
        chosen = [_from_hex(code) for code in rng.choice(_PALETTES)]
        rng.shuffle(chosen)
        return tuple(chosen)
    hue, spread = rng.random(), rng.choice([0.08, 0.3, 1.0])
    return tuple(shade(hue + spread * rng.random(), rng.uniform(0.25, 0.8), rng.uniform(0.3, 0.95)) for _ in range(8))


def scheme(rng: Random, *, dark: bool | None = None) -> Scheme:
    """A light or dark scheme; black and white ones, tinted ones and coloured grounds among them."""
    dark = rng.random() < 0.35 if dark is None else dark
    hue, tint = rng.random(), rng.choice([0.0, 0.0, 0.1, 0.3, 0.8])
    accent = vivid(rng)
    if dark:
        ground = shade(hue, rng.choice([0.0, 0.06, 0.1, 0.14, 0.2]), tint * 0.7)
        surface = mixed(ground, (255, 255, 255), rng.uniform(0.03, 0.12))
        text = shade(hue, rng.choice([1.0, 0.95, 0.85, 0.75]), tint * 0.4)
    else:
        ground = shade(hue, rng.choice([1.0, 1.0, 0.98, 0.96, 0.93, 0.88]), tint)
        surface = rng.choice([(255, 255, 255), mixed(ground, (0, 0, 0), 0.03), mixed(ground, (255, 255, 255), 0.6)])
        text = shade(hue, rng.choice([0.0, 0.0, 0.1, 0.15, 0.25]), tint * 0.6)
    border = mixed(ground, text, rng.choice([0.1, 0.2, 0.3, 0.6]))
    muted = mixed(ground, text, rng.uniform(0.45, 0.7))
    return Scheme(dark, ground, surface, border, text, muted, accent, readable_on(accent), palette(rng))


def _from_hex(code: str) -> Colour:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)
