"""Icons of interfaces, drawn with lines and shapes."""

from __future__ import annotations

import math
from random import Random

from deltasr.training.data.graphics.canvas import Canvas, Colour, Point


def icon(canvas: Canvas, rng: Random, left: float, top: float, side: float, colour: Colour) -> None:
    """A random icon, in a square."""
    named_icon(
        canvas, rng.choice(list(_ICONS)), left, top, side, colour, width=max(1.0, side * rng.uniform(0.07, 0.13))
    )


def named_icon(
    canvas: Canvas, name: str, left: float, top: float, side: float, colour: Colour, *, width: float
) -> None:
    """An icon by its name, in a square, with lines of this width in pixels."""
    strokes, shapes, rings = _ICONS[name]

    def place(x: float, y: float) -> Point:
        return left + x * side, top + y * side

    for points in shapes:
        canvas.polygon([place(*point) for point in points], colour)
    for points in strokes:
        canvas.line([place(*point) for point in points], colour, width=width, round_ends=width > 2)
    for x, y, radius, start, end in rings:
        box = (*place(x - radius, y - radius), *place(x + radius, y + radius))
        canvas.ring(box, colour, width=width, start=start, end=end)


_Points = list[Point]
_Ring = tuple[float, float, float, float, float]
"""Middle, radius, and the part drawn: degrees clockwise from the right."""


def _star(spikes: int, inner: float) -> _Points:
    turns = [(math.pi * step / spikes - math.pi / 2, 0.45 if step % 2 == 0 else inner) for step in range(2 * spikes)]
    return [
        (round(0.5 + radius * math.cos(turn), 4), round(0.5 + radius * math.sin(turn), 4)) for turn, radius in turns
    ]


def _spokes(count: int, inner: float, outer: float) -> list[_Points]:
    turns = [2 * math.pi * step / count for step in range(count)]
    return [
        [
            (round(0.5 + radius * math.cos(turn), 4), round(0.5 + radius * math.sin(turn), 4))
            for radius in (inner, outer)
        ]
        for turn in turns
    ]


_HEART = [(0.5, 0.9), (0.08, 0.45), (0.08, 0.28), (0.2, 0.15), (0.36, 0.15), (0.5, 0.3), (0.64, 0.15), (0.8, 0.15),
          (0.92, 0.28), (0.92, 0.45)]  # fmt: skip
_ALL = (0.0, 360.0)
_ICONS: dict[str, tuple[list[_Points], list[_Points], list[_Ring]]] = {
    "menu": ([[(0.15, y), (0.85, y)] for y in (0.25, 0.5, 0.75)], [], []),
    "plus": ([[(0.5, 0.15), (0.5, 0.85)], [(0.15, 0.5), (0.85, 0.5)]], [], []),
    "close": ([[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)]], [], []),
    "check": ([[(0.15, 0.55), (0.4, 0.8), (0.85, 0.2)]], [], []),
    "search": ([[(0.64, 0.64), (0.9, 0.9)]], [], [(0.42, 0.42, 0.32, *_ALL)]),
    "left": ([[(0.62, 0.2), (0.32, 0.5), (0.62, 0.8)]], [], []),
    "right": ([[(0.38, 0.2), (0.68, 0.5), (0.38, 0.8)]], [], []),
    "down": ([[(0.2, 0.38), (0.5, 0.68), (0.8, 0.38)]], [], []),
    "back": ([[(0.9, 0.5), (0.12, 0.5)], [(0.42, 0.2), (0.12, 0.5), (0.42, 0.8)]], [], []),
    "play": ([], [[(0.25, 0.15), (0.85, 0.5), (0.25, 0.85)]], []),
    "pause": ([], [[(x, 0.15), (x + 0.18, 0.15), (x + 0.18, 0.85), (x, 0.85)] for x in (0.25, 0.57)], []),
    "home": ([[(0.1, 0.5), (0.5, 0.15), (0.9, 0.5)], [(0.22, 0.42), (0.22, 0.85), (0.78, 0.85), (0.78, 0.42)]], [], []),
    "mail": ([[(0.1, 0.22), (0.9, 0.22), (0.9, 0.78), (0.1, 0.78), (0.1, 0.22), (0.5, 0.55), (0.9, 0.22)]], [], []),
    "person": ([], [], [(0.5, 0.32, 0.18, *_ALL), (0.5, 0.95, 0.36, 180.0, 360.0)]),
    "clock": ([[(0.5, 0.25), (0.5, 0.5), (0.68, 0.6)]], [], [(0.5, 0.5, 0.42, *_ALL)]),
    "target": ([], [], [(0.5, 0.5, 0.42, *_ALL), (0.5, 0.5, 0.2, *_ALL)]),
    "gear": (_spokes(8, 0.3, 0.46), [], [(0.5, 0.5, 0.3, *_ALL), (0.5, 0.5, 0.12, *_ALL)]),
    "sun": (_spokes(8, 0.33, 0.46), [], [(0.5, 0.5, 0.2, *_ALL)]),
    "star": ([], [_star(5, 0.19)], []),
    "heart": ([], [_HEART], []),
    "folder": ([], [[(0.1, 0.2), (0.4, 0.2), (0.48, 0.3), (0.9, 0.3), (0.9, 0.82), (0.1, 0.82)]], []),
    "file": ([[(0.25, 0.1), (0.6, 0.1), (0.78, 0.28), (0.78, 0.9), (0.25, 0.9), (0.25, 0.1)],
              [(0.6, 0.1), (0.6, 0.28), (0.78, 0.28)]], [], []),
    "trash": ([[(0.15, 0.25), (0.85, 0.25)], [(0.25, 0.25), (0.3, 0.9), (0.7, 0.9), (0.75, 0.25)],
               [(0.42, 0.4), (0.42, 0.75)], [(0.58, 0.4), (0.58, 0.75)],
               [(0.4, 0.25), (0.4, 0.12), (0.6, 0.12), (0.6, 0.25)]], [], []),
    "bars": ([],
             [[(x, y), (x + 0.16, y), (x + 0.16, 0.88), (x, 0.88)]
              for x, y in ((0.14, 0.55), (0.42, 0.15), (0.7, 0.36))], []),
    "power": ([[(0.5, 0.1), (0.5, 0.48)]], [], [(0.5, 0.54, 0.36, -60.0, 240.0)]),
    "download": ([[(0.5, 0.1), (0.5, 0.62)], [(0.28, 0.42), (0.5, 0.64), (0.72, 0.42)],
                  [(0.12, 0.66), (0.12, 0.88), (0.88, 0.88), (0.88, 0.66)]], [], []),
    "grid": ([],
             [[(x, y), (x + 0.3, y), (x + 0.3, y + 0.3), (x, y + 0.3)]
              for x in (0.14, 0.56) for y in (0.14, 0.56)], []),
    "bolt": ([], [[(0.58, 0.06), (0.2, 0.56), (0.46, 0.56), (0.4, 0.94), (0.8, 0.42), (0.54, 0.42)]], []),
}  # fmt: skip
"""Name to its lines, its filled shapes and its rings, in a square of side 1."""
