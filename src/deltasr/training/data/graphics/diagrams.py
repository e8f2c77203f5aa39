"""Diagrams: flow charts, maps, plans with measures."""

from __future__ import annotations

import math

from PIL import Image

from deltasr.training.data.graphics.canvas import Canvas, Colour, Point
from deltasr.training.data.graphics.cartoons import blob, curve
from deltasr.training.data.graphics.colours import mixed, readable_on, scheme, shade
from deltasr.training.data.graphics.fonts import Face
from deltasr.training.data.graphics.scene import Scene


def flow_chart(scene: Scene) -> Image.Image:
    """Boxes with words, and arrows between them."""
    rng, zoom = scene.rng, scene.zoom
    colours = scheme(rng, dark=rng.random() < 0.2)
    canvas = scene.drawing(colours.ground)
    face, writer = scene.written()
    size = scene.text_size(9, 14, across=22, down=14)
    columns = max(1, min(5, int(scene.width / (9 * size))))
    rows = max(1, min(6, int(scene.height / (6 * size))))
    wide, high = scene.width / columns, scene.height / rows
    width = max(0.7, zoom * rng.choice([0.7, 1, 1.5, 2]))
    middles = {
        (c, r): ((c + 0.5) * wide, (r + 0.5) * high) for c in range(columns) for r in range(rows) if rng.random() < 0.85
    }
    dash = size / 3 if rng.random() < 0.2 else 0
    for (column, row), (x, y) in middles.items():
        for to in ((column + 1, row), (column, row + 1), (column + 1, row + 1)):
            if to in middles and rng.random() < 0.6:
                end = middles[to]
                bent = to[0] != column and to[1] != row and rng.random() < 0.7
                points = [(x, y), (end[0], y), end] if bent else [(x, y), end]
                canvas.line(points, colours.muted, width=width, dash=dash)
                _arrow_head(canvas, points[-2], end, (wide * 0.38, high * 0.3), size * 0.7, colours.muted)
    for x, y in middles.values():
        half = (wide * 0.36, high * 0.28)
        box = (x - half[0], y - half[1], x + half[0], y + half[1])
        fill = rng.choice(
            [colours.surface, rng.choice(colours.palette), mixed(colours.ground, rng.choice(colours.palette), 0.3)]
        )
        edge: Colour = colours.text if rng.random() < 0.6 else mixed(fill, colours.text, 0.5)
        kind = rng.choice(["box", "box", "round", "ellipse", "diamond", "slanted"])
        if kind == "ellipse":
            canvas.ellipse(box, fill, outline=edge, width=width)
        elif kind == "diamond":
            canvas.polygon([(x, box[1]), (box[2], y), (x, box[3]), (box[0], y)], fill, outline=edge, width=width)
        elif kind == "slanted":
            slant = half[1] / 2
            points = [(box[0] + slant, box[1]), (box[2], box[1]), (box[2] - slant, box[3]), (box[0], box[3])]
            canvas.polygon(points, fill, outline=edge, width=width)
        else:
            canvas.rectangle(box, fill, outline=edge, width=width, radius=size if kind == "round" else 0)
        words = writer.label()
        if canvas.text_width(words, face, size) < 1.9 * half[0]:
            canvas.text((x, y), words, face, size, readable_on(fill), anchor="mm")
    scene.reduce(canvas)
    return canvas.image


def _arrow_head(
    canvas: Canvas, start: Point, end: Point, half: tuple[float, float], size: float, colour: Colour
) -> None:
    """A triangle where a line meets the box round its end."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = max(math.hypot(dx, dy), 1e-6)
    dx, dy = dx / length, dy / length
    back = min(half[0] / max(abs(dx), 1e-6), half[1] / max(abs(dy), 1e-6))
    x, y = end[0] - dx * back, end[1] - dy * back
    sides = [(x - dx * size + side * dy * size / 2, y - dy * size - side * dx * size / 2) for side in (-1, 1)]
    canvas.polygon([(x, y), *sides], colour)


def street_map(scene: Scene) -> Image.Image:
    """Water and parks, blocks of houses, streets of several widths with edges, names along them."""
    rng, zoom, width, height = scene.rng, scene.zoom, scene.width, scene.height
    dark = rng.random() < 0.2
    land = shade(rng.uniform(0.05, 0.2), 0.15 if dark else rng.uniform(0.88, 0.96), rng.uniform(0.05, 0.4))
    canvas = scene.drawing(land)
    houses = mixed(land, (90, 80, 70), 0.18)
    for _ in range(int(width * height / (30 * zoom) ** 2)):
        x, y, side, turn = width * rng.random(), height * rng.random(), zoom * rng.uniform(5, 14), rng.uniform(0, 1.57)
        corners = [(x + side * math.cos(turn + 1.57 * k), y + side * math.sin(turn + 1.57 * k)) for k in range(4)]
        canvas.polygon(corners, houses, outline=mixed(houses, (60, 50, 40), 0.3), width=max(0.5, zoom * 0.4))
    for hue, light in ((0.57, 0.75), (0.33, 0.8), (0.33, 0.8)):
        colour = shade(hue, light - (0.5 if dark else 0), 0.5)
        canvas.polygon(blob(scene, width * rng.random(), height * rng.random(), width * rng.uniform(0.1, 0.4)), colour)
    streets = []
    turn = rng.uniform(0, math.pi)
    for _ in range(rng.randint(5, 14)):
        along = turn + rng.choice([0, math.pi / 2, rng.uniform(0, math.pi)])
        x, y, far = width * rng.random(), height * rng.random(), width + height
        points = [
            (
                x + far * step / 4 * math.cos(along) + rng.uniform(-1, 1) * width * 0.06,
                y + far * step / 4 * math.sin(along) + rng.uniform(-1, 1) * height * 0.06,
            )
            for step in range(-4, 5)
        ]
        main = rng.random() < 0.3
        colour = rng.choice([(252, 214, 164), (249, 178, 156), (255, 242, 175)]) if main else (255, 255, 255)
        streets.append(
            (
                curve(points, closed=False),
                zoom * (rng.uniform(7, 11) if main else rng.uniform(2.5, 6)),
                mixed(colour, (0, 0, 0), 0.6) if dark else colour,
            )
        )
    edge = mixed(land, (255, 255, 255) if dark else (90, 80, 80), 0.4)
    for points, wide, _ in streets:
        canvas.line(points, edge, width=wide + 1.5 * zoom)
    for points, wide, colour in streets:
        canvas.line(points, colour, width=wide)
    if rng.random() < 0.5:
        points = streets[0][0]
        canvas.line([(x + 20 * zoom, y) for x, y in points], (90, 90, 90), width=zoom * 2)
        canvas.line([(x + 20 * zoom, y) for x, y in points], (255, 255, 255), width=zoom * 1.2, dash=6 * zoom)
    face, writer = scene.written()
    for points, *_ in streets:
        place = rng.randrange(1, len(points))
        (x0, y0), (x, y) = points[place - 1], points[place]
        angle = -math.degrees(math.atan2(y - y0, x - x0))
        angle = angle - 180 if angle > 90 else angle + 180 if angle < -90 else angle
        ink = (230, 230, 230) if dark else (60, 60, 60)
        canvas.text(
            (x, y),
            writer.title(2),
            face,
            9 * zoom,
            ink,
            anchor="mm",
            angle=round(angle, 3),
            outline=land,
            outline_width=zoom,
        )
    scene.reduce(canvas)
    return canvas.image


def plan(scene: Scene) -> Image.Image:
    """Walls, doors, hatching, circles with centre lines, lines of measures with numbers: thin lines on one ground."""
    rng, zoom, width, height = scene.rng, scene.zoom, scene.width, scene.height
    ground, ink = rng.choice(
        [
            ((255, 255, 255), (0, 0, 0)),
            ((255, 255, 255), (0, 0, 0)),
            ((20, 60, 120), (235, 240, 255)),
            ((20, 22, 26), (200, 255, 200)),
            ((250, 246, 235), (60, 40, 40)),
        ]
    )
    canvas = scene.drawing(ground)
    face, writer = scene.written()
    thin, thick = zoom * rng.uniform(0.4, 0.9), zoom * rng.uniform(1.5, 3)
    pale, size = mixed(ground, ink, 0.2), rng.uniform(8, 11) * zoom
    if rng.random() < 0.4:
        step = rng.uniform(8, 20) * zoom
        for line in range(int(max(width, height) / step) + 1):
            canvas.line([(line * step, 0), (line * step, height)], pale, width=thin)
            canvas.line([(0, line * step), (width, line * step)], pale, width=thin)
    for _ in range(max(2, int(width * height / (110 * zoom) ** 2))):
        x, y = width * rng.uniform(-0.1, 0.8), height * rng.uniform(-0.1, 0.8)
        wide, high = rng.uniform(40, 140) * zoom, rng.uniform(40, 140) * zoom
        part = rng.choice(["room", "room", "circle", "hatched", "gear"])
        if part == "room":
            canvas.frame((x, y, x + wide, y + high), ink, width=thick)
            door = 14 * zoom
            canvas.rectangle((x + door, y + high - thick, x + 2 * door, y + high), ground)
            canvas.line([(x + door, y + high), (x + door, y + high - door)], ink, width=thin)
            canvas.ring((x, y + high - door, x + 2 * door, y + high + door), ink, width=thin, start=270, end=360)
            canvas.text((x + wide / 2, y + high / 2), writer.label(), face, size, ink, anchor="mm")
        elif part == "circle":
            box = (x, y, x + wide, y + wide)
            canvas.ring(box, ink, width=thick)
            canvas.ring((x + wide / 4, y + wide / 4, x + wide * 0.75, y + wide * 0.75), ink, width=thin)
            canvas.line(
                [(x - 8 * zoom, y + wide / 2), (x + wide + 8 * zoom, y + wide / 2)], ink, width=thin, dash=7 * zoom
            )
            canvas.line(
                [(x + wide / 2, y - 8 * zoom), (x + wide / 2, y + wide + 8 * zoom)], ink, width=thin, dash=7 * zoom
            )
        elif part == "hatched":
            canvas.frame((x, y, x + wide, y + high), ink, width=thick)
            pitch = rng.uniform(3, 9) * zoom
            for line in range(1, int((wide + high) / pitch)):
                along = line * pitch
                start = (x + min(along, wide), y + max(0, along - wide))
                end = (x + max(0, along - high), y + min(along, high))
                canvas.line([start, end], ink, width=thin)
        else:
            teeth, radius = rng.randint(8, 20), wide / 2
            turns = [2 * math.pi * k / (2 * teeth) for k in range(2 * teeth)]
            points = [
                (
                    x + (radius * (0.85 + 0.15 * (k % 2))) * math.cos(t + shift),
                    y + (radius * (0.85 + 0.15 * (k % 2))) * math.sin(t + shift),
                )
                for k, t in enumerate(turns)
                for shift in (0, 0.6 * math.pi / teeth)
            ]
            canvas.polygon(points, None, outline=ink, width=thick)
            canvas.ring((x - radius / 3, y - radius / 3, x + radius / 3, y + radius / 3), ink, width=thin)
        if rng.random() < 0.6:
            _measure(
                canvas, (x, y - 9 * zoom), wide, f"{rng.uniform(5, 900):.{rng.randint(0, 1)}f}", face, size, ink, thin
            )
    scene.reduce(canvas)
    return canvas.image


def _measure(
    canvas: Canvas, at: Point, length: float, words: str, face: Face, size: float, ink: Colour, thin: float
) -> None:
    """A line with arrows at both ends and a number over it."""
    (x, y), head = at, size * 0.5
    canvas.line([at, (x + length, y)], ink, width=thin)
    for end, side in ((x, 1), (x + length, -1)):
        canvas.polygon([(end, y), (end + side * head, y - head / 3), (end + side * head, y + head / 3)], ink)
        canvas.line([(end, y - head), (end, y + head * 1.5)], ink, width=thin)
    canvas.text((x + length / 2, y - size / 6), words, face, size, ink, anchor="mb")
