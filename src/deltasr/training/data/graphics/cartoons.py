"""Drawings: flat colours with outlines, as in comics, picture books and colouring books."""

from __future__ import annotations

import math
from contextlib import nullcontext

from PIL import Image

from deltasr.training.data.graphics.canvas import Box, Canvas, Colour, Point
from deltasr.training.data.graphics.colours import mixed, shade, vivid
from deltasr.training.data.graphics.grounds import ramp
from deltasr.training.data.graphics.scene import Scene

_SKINS = ((255, 224, 196), (241, 194, 150), (198, 134, 90), (141, 85, 54), (255, 213, 79), (170, 220, 150))


def curve(points: list[Point], *, closed: bool = True, pieces: int = 8) -> list[Point]:
    """A smooth line through points (Catmull-Rom)."""
    count = len(points)
    smooth: list[Point] = []
    for place in range(count if closed else count - 1):
        a, b, c, d = (
            points[(place + step) % count] if closed else points[min(max(place + step, 0), count - 1)]
            for step in (-1, 0, 1, 2)
        )
        for piece in range(pieces):
            t = piece / pieces
            x, y = (
                0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)
                for p, q, r, s in zip(a, b, c, d, strict=True)
            )
            smooth.append((x, y))
    return smooth if closed else [*smooth, points[-1]]


def blob(scene: Scene, x: float, y: float, radius: float, *, rough: float = 0.3, corners: int = 9) -> list[Point]:
    """A smooth closed shape about a point."""
    rng = scene.rng
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    radii = [radius * rng.uniform(1 - rough, 1 + rough) for _ in turns]
    return curve([(x + r * math.cos(turn), y + r * math.sin(turn)) for turn, r in zip(turns, radii, strict=True)])


def cartoon(scene: Scene) -> Image.Image:
    """Faces, animals, houses and landscapes; coloured or as lines alone; sometimes in frames as in a comic."""
    rng = scene.rng
    lines_alone = rng.random() < 0.25
    ink: Colour = rng.choice([(0, 0, 0), (0, 0, 0), (30, 20, 40), shade(rng.random(), 0.2, 0.6)])
    canvas = scene.drawing((255, 255, 255))
    width = scene.zoom * rng.choice([0.7, 1, 1.5, 2, 3])
    columns, rows = rng.choice([(1, 1), (1, 1), (1, 1), (2, 1), (2, 2), (3, 2)])
    gap = 0 if columns * rows == 1 else 3 * scene.zoom
    for row in range(rows):
        for column in range(columns):
            wide, high = scene.width / columns, scene.height / rows
            box = (column * wide + gap, row * high + gap, (column + 1) * wide - gap, (row + 1) * high - gap)
            panel = _Panel(scene, canvas, box, ink, min(width, min(wide, high) / 60), lines_alone)
            with canvas.inside(box) if gap else nullcontext():
                rng.choice([panel.landscape, panel.landscape, panel.faces, panel.shapes])()
                if rng.random() < 0.3:
                    panel.speech()
            if gap:
                canvas.frame(box, ink, width=max(1, width))
    scene.reduce(canvas)
    return canvas.image


class _Panel:
    """A frame and what is drawn into it."""

    def __init__(self, scene: Scene, canvas: Canvas, box: Box, ink: Colour, width: float, lines_alone: bool) -> None:
        self.scene, self.canvas, self.box, self.rng = scene, canvas, box, scene.rng
        self.ink, self.width, self.lines_alone = ink, width, lines_alone
        self.wide, self.high = box[2] - box[0], box[3] - box[1]
        self.outlined = lines_alone or self.rng.random() < 0.7

    def fill(self, colour: Colour) -> Colour:
        """This colour, or white in a drawing of lines alone."""
        return (255, 255, 255) if self.lines_alone else colour

    def shape(self, points: list[Point], colour: Colour) -> None:
        self.canvas.polygon(points, self.fill(colour), outline=self.ink if self.outlined else None, width=self.width)

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, squash: float = 1) -> None:
        box = (x - radius, y - radius * squash, x + radius, y + radius * squash)
        self.canvas.ellipse(box, self.fill(colour), outline=self.ink if self.outlined else None, width=self.width)

    def landscape(self) -> None:
        """Sky, sun or moon, clouds, hills, houses and trees."""
        rng, (left, top, right, bottom) = self.rng, self.box
        night, hue = rng.random() < 0.25, rng.uniform(0.5, 0.65)
        sky = shade(hue, rng.uniform(0.1, 0.3) if night else rng.uniform(0.6, 0.9), rng.uniform(0.3, 0.9))
        graded = ramp(rng, 64, 64, [sky, mixed(sky, (255, 240, 220), 0.6)])
        self.canvas.rectangle(self.box, self.fill(sky) if self.lines_alone or rng.random() < 0.6 else graded)
        self.disc(
            left + self.wide * rng.random(),
            top + self.high * rng.uniform(0.1, 0.4),
            self.high * rng.uniform(0.05, 0.15),
            (255, 235, 120),
        )
        for _ in range(rng.randint(0, 5)):
            x, y, size = (
                left + self.wide * rng.random(),
                top + self.high * rng.uniform(0.05, 0.4),
                self.high * rng.uniform(0.03, 0.07),
            )
            self.shape(
                curve(
                    [
                        (x - 2 * size, y),
                        (x - 1.4 * size, y - size),
                        (x, y - 1.6 * size),
                        (x + 1.5 * size, y - size),
                        (x + 2.2 * size, y),
                        (x, y + 0.3 * size),
                    ]
                ),
                (255, 255, 255),
            )
        ground = rng.choice([0.3, 0.3, 0.1, 0.55])
        for layer in range(rng.randint(2, 4)):
            y = top + self.high * (0.45 + 0.15 * layer)
            crest = [(left + self.wide * step / 5, y + self.high * rng.uniform(-0.1, 0.1)) for step in range(-1, 7)]
            crest = curve(crest, closed=False) if rng.random() < 0.7 else crest
            colour = shade(ground + rng.uniform(-0.05, 0.05), 0.6 - 0.12 * layer, rng.uniform(0.3, 0.7))
            self.shape(
                [*crest, (right + self.wide, bottom + self.high), (left - self.wide, bottom + self.high)], colour
            )
            for _ in range(rng.randint(0, 3)):
                x, size = left + self.wide * rng.random(), self.high * rng.uniform(0.05, 0.1) * (1 + layer)
                rng.choice([self._house, self._tree, self._tree])(x, y + self.high * 0.1, size)

    def _house(self, x: float, y: float, size: float) -> None:
        wall, roof = shade(self.rng.random(), 0.8, 0.5), vivid(self.rng)
        self.shape([(x, y), (x, y - size), (x + size * 1.3, y - size), (x + size * 1.3, y)], wall)
        self.shape([(x - size * 0.15, y - size), (x + size * 0.65, y - size * 1.6), (x + size * 1.45, y - size)], roof)
        for column in range(2):
            at = x + size * (0.2 + 0.6 * column)
            self.shape(
                [
                    (at, y - size * 0.7),
                    (at + size * 0.3, y - size * 0.7),
                    (at + size * 0.3, y - size * 0.4),
                    (at, y - size * 0.4),
                ],
                (255, 250, 170),
            )
            if size > 20 * self.width:
                self.canvas.line(
                    [(at + size * 0.15, y - size * 0.7), (at + size * 0.15, y - size * 0.4)], self.ink, width=self.width
                )

    def _tree(self, x: float, y: float, size: float) -> None:
        trunk, green = (120, 80, 50), shade(self.rng.uniform(0.2, 0.4), self.rng.uniform(0.25, 0.5), 0.6)
        self.shape(
            [(x - size / 10, y), (x - size / 14, y - size), (x + size / 14, y - size), (x + size / 10, y)], trunk
        )
        if self.rng.random() < 0.5:
            self.shape(blob(self.scene, x, y - size * 1.3, size * 0.5), green)
            return
        for part in range(3):
            base, half = y - size * (0.3 + 0.45 * part), size * (0.5 - 0.12 * part)
            self.shape([(x - half, base), (x, base - size * 0.7), (x + half, base)], green)

    def faces(self) -> None:
        """One head or several on flat or graded ground."""
        rng, (left, top, _, _) = self.rng, self.box
        self.canvas.rectangle(self.box, self.fill(shade(rng.random(), rng.uniform(0.6, 0.95), rng.uniform(0.2, 0.8))))
        count = rng.choice([1, 1, 2, 3])
        for number in range(count):
            radius = min(self.wide / count, self.high) * rng.uniform(0.28, 0.4)
            self._face(left + self.wide * (number + 0.5) / count, top + self.high * rng.uniform(0.45, 0.55), radius)

    def _face(self, x: float, y: float, radius: float) -> None:
        rng, skin, hair = self.rng, self.rng.choice(_SKINS), shade(self.rng.random(), self.rng.uniform(0.1, 0.6), 0.6)
        thick, animal = max(self.width, radius / 25), rng.random() < 0.4
        if not animal:
            self.shape(blob(self.scene, x, y - radius * 0.15, radius * 1.12, rough=rng.choice([0.05, 0.15])), hair)
            self.shape(
                curve(
                    [
                        (x - radius, y + 2.2 * radius),
                        (x - 0.6 * radius, y + 1.2 * radius),
                        (x + 0.6 * radius, y + 1.2 * radius),
                        (x + radius, y + 2.2 * radius),
                    ],
                    closed=False,
                ),
                vivid(rng),
            )
        for side in (-1, 1):
            ear = x + side * radius * (0.65 if animal else 0.95)
            if animal and rng.random() < 0.6:
                self.shape(
                    [
                        (ear - radius * 0.3, y - radius * 0.5),
                        (ear + side * radius * 0.15, y - radius * 1.35),
                        (ear + radius * 0.3, y - radius * 0.5),
                    ],
                    skin,
                )
            else:
                self.disc(ear, y - (0.75 * radius if animal else 0), radius * (0.35 if animal else 0.18), skin)
        self.disc(x, y, radius, skin, squash=rng.uniform(0.9, 1.15))
        if not animal:
            fringe = [(x + radius * step / 3, y - radius * rng.uniform(0.35, 0.6)) for step in range(-2, 3)]
            self.shape(
                [
                    (x - radius * 0.9, y - radius * 0.45),
                    (x - radius * 0.5, y - radius * 1.05),
                    (x + radius * 0.5, y - radius * 1.05),
                    (x + radius * 0.9, y - radius * 0.45),
                    *fringe[::-1],
                ],
                hair,
            )
        iris, size = vivid(rng), radius * rng.uniform(0.12, 0.24)
        for side in (-1, 1):
            eye = x + side * radius * 0.4
            self.disc(eye, y - radius * 0.08, size, (255, 255, 255), squash=rng.choice([1, 1.3]))
            self.canvas.ellipse(
                (eye - size * 0.6, y - radius * 0.08 - size * 0.6, eye + size * 0.6, y - radius * 0.08 + size * 0.6),
                self.fill(iris) if not self.lines_alone else self.ink,
            )
            self.canvas.ellipse(
                (eye - size * 0.3, y - radius * 0.08 - size * 0.3, eye + size * 0.3, y - radius * 0.08 + size * 0.3),
                (0, 0, 0),
            )
            self.canvas.ellipse(
                (eye + size * 0.05, y - radius * 0.08 - size * 0.4, eye + size * 0.35, y - radius * 0.08 - size * 0.1),
                (255, 255, 255),
            )
            self.canvas.line(
                curve(
                    [
                        (eye - size, y - radius * 0.38),
                        (eye, y - radius * rng.uniform(0.4, 0.5)),
                        (eye + size, y - radius * 0.38),
                    ],
                    closed=False,
                ),
                self.ink,
                width=thick * 1.5,
                round_ends=True,
            )
        if animal:
            self.shape(
                [(x - radius * 0.1, y + radius * 0.2), (x + radius * 0.1, y + radius * 0.2), (x, y + radius * 0.32)],
                (40, 30, 40),
            )
            for side in (-1, 1):
                for step in (-1, 0, 1):
                    self.canvas.line(
                        [
                            (x + side * radius * 0.3, y + radius * (0.35 + 0.06 * step)),
                            (x + side * radius * 1.1, y + radius * (0.3 + 0.15 * step)),
                        ],
                        self.ink,
                        width=thick,
                    )
        else:
            self.canvas.line(
                [(x, y), (x - radius * 0.08, y + radius * 0.25), (x + radius * 0.05, y + radius * 0.27)],
                self.ink,
                width=thick,
            )
        self.canvas.line(
            curve(
                [
                    (x - radius * 0.3, y + radius * 0.48),
                    (x, y + radius * rng.uniform(0.4, 0.7)),
                    (x + radius * 0.3, y + radius * 0.48),
                ],
                closed=False,
            ),
            self.ink,
            width=thick * 1.4,
            round_ends=True,
        )

    def shapes(self) -> None:
        """Smooth and straight shapes over each other, some of them shaded at one side or hatched."""
        rng, (left, top, _, _) = self.rng, self.box
        self.canvas.rectangle(self.box, self.fill(shade(rng.random(), rng.uniform(0.3, 0.98), rng.random())))
        for _ in range(rng.randint(4, 16)):
            x, y = left + self.wide * rng.random(), top + self.high * rng.random()
            radius, colour = min(self.wide, self.high) * rng.uniform(0.05, 0.3), vivid(rng)
            points = blob(self.scene, x, y, radius, rough=rng.uniform(0.05, 0.5), corners=rng.randint(3, 11))
            if rng.random() < 0.3:
                points = points[:: rng.choice([8, 8, 4])]
            self.shape(points, colour)
            random_number = rng.random()
            if random_number < 0.3:
                inner = [(x + (px - x) * 0.7 - radius * 0.1, y + (py - y) * 0.7 - radius * 0.1) for px, py in points]
                self.canvas.polygon(inner, self.fill(mixed(colour, (255, 255, 255), 0.35)))
            elif random_number < 0.5 and radius > 30 * self.width:
                for step in range(-4, 5):
                    at = x + radius * step / 8
                    self.canvas.line(
                        [(at, y - radius * 0.3), (at + radius * 0.25, y + radius * 0.3)], self.ink, width=self.width
                    )

    def speech(self) -> None:
        """A bubble with a few words."""
        rng, (left, top, _, _) = self.rng, self.box
        face, writer = self.scene.written()
        size = max(6, min(self.wide, self.high) * rng.uniform(0.05, 0.09))
        lines = [writer.words(rng.randint(1, 3)).upper() for _ in range(rng.randint(1, 3))]
        longest = max(self.canvas.text_width(words, face, size) for words in lines)
        size = min(size, size * self.wide * 0.6 / longest)
        wide = max(self.canvas.text_width(words, face, size) for words in lines) * 0.7 + size
        high = (len(lines) * 1.2 + 1.4) * size / 1.3
        x, y = left + self.wide * rng.uniform(0.45, 0.55), top + high + self.high * 0.03
        tail = [
            (x - size, y + high * 0.5),
            (x + size, y + high * 0.5),
            (x + size * rng.uniform(-3, 3), y + high + 2 * size),
        ]
        self.canvas.polygon(tail, (255, 255, 255), outline=self.ink, width=self.width)
        self.canvas.ellipse(
            (x - wide, y - high, x + wide, y + high), (255, 255, 255), outline=self.ink, width=self.width
        )
        self.canvas.polygon(
            [(x - size * 0.8, y + high * 0.4), (x + size * 0.8, y + high * 0.4), (x, y + high * 0.8)], (255, 255, 255)
        )
        for number, words in enumerate(lines):
            at = (x, y + (number - (len(lines) - 1) / 2) * 1.2 * size)
            self.canvas.text(at, words, face, size, (0, 0, 0), anchor="mm")
