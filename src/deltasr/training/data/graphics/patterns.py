"""Lines at all angles, tiles, pixel art, bar codes."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from deltasr.training.data.graphics.colours import mixed, palette, readable_on, shade, vivid
from deltasr.training.data.graphics.scene import Scene

_RIM = -1
"""The value for black, where 0 means nothing drawn."""


def lines(scene: Scene) -> Image.Image:
    """Thin lines: fans from a point, bundles of parallels, circles about a point, waves, tangles."""
    rng, zoom, width, height = scene.rng, scene.zoom, scene.width, scene.height
    ground = rng.choice([(255, 255, 255), (0, 0, 0), shade(rng.random(), rng.uniform(0.05, 0.95), rng.random())])
    canvas = scene.drawing(ground)
    inks = [readable_on(ground), readable_on(ground), mixed(readable_on(ground), vivid(rng), 0.6), vivid(rng)]
    for _ in range(rng.randint(1, 4)):
        ink, thin = rng.choice(inks), max(0.5, zoom * rng.choice([0.4, 0.7, 1, 1, 1.5, 2.5]))
        x, y, far = width * rng.uniform(-0.1, 1.1), height * rng.uniform(-0.1, 1.1), width + height
        kind = rng.choice(["fan", "parallels", "circles", "waves", "tangle", "star"])
        if kind == "fan":
            count, start, spread = rng.randint(8, 60), rng.uniform(0, 6.28), rng.uniform(0.3, 6.28)
            for step in range(count):
                turn = start + spread * step / count
                canvas.line([(x, y), (x + far * math.cos(turn), y + far * math.sin(turn))], ink, width=thin)
        elif kind == "parallels":
            turn, pitch = (
                rng.choice([0, math.pi / 2, math.pi / 4, rng.uniform(0, math.pi)]),
                thin * rng.uniform(2, 12) + 1,
            )
            along, across = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
            for step in range(rng.randint(5, 40)):
                px, py = x + across[0] * pitch * step, y + across[1] * pitch * step
                canvas.line(
                    [(px - far * along[0], py - far * along[1]), (px + far * along[0], py + far * along[1])],
                    ink,
                    width=thin,
                )
        elif kind == "circles":
            pitch = thin * rng.uniform(2, 10) + 1
            for step in range(1, rng.randint(5, 30)):
                canvas.ring((x - step * pitch, y - step * pitch, x + step * pitch, y + step * pitch), ink, width=thin)
        elif kind == "waves":
            high, long, phase = rng.uniform(4, 30) * zoom, rng.uniform(20, 120) * zoom, rng.uniform(0, 6.28)
            pitch = thin * rng.uniform(3, 10) + 2
            for step in range(rng.randint(3, 16)):
                at = y + step * pitch
                points = [
                    (px, at + high * math.sin(px / long * 6.28 + phase))
                    for px in np.arange(-5, width + 10, max(2, long / 24)).tolist()
                ]
                canvas.line(points, ink, width=thin)
        elif kind == "tangle":
            points = [(width * rng.random(), height * rng.random()) for _ in range(rng.randint(4, 24))]
            canvas.line(points, ink, width=thin)
        else:
            spokes, radius = rng.choice([12, 24, 36]), min(width, height) * rng.uniform(0.2, 0.6)
            box = (x - radius, y - radius, x + radius, y + radius)
            for step in range(spokes):
                canvas.sector(box, ink, 360 * step / spokes, 360 * (step + 0.5) / spokes)
    scene.reduce(canvas)
    return canvas.image


def tiles(scene: Scene) -> Image.Image:
    """A small figure in every cell of a grid: squares, triangles, arcs, hexagons, crosses."""
    rng, zoom, width, height = scene.rng, scene.zoom, scene.width, scene.height
    colours = palette(rng)[: rng.randint(2, 5)]
    canvas = scene.drawing(colours[0])
    side = rng.uniform(10, 40) * zoom
    kind = rng.choice(["squares", "triangles", "arcs", "discs", "crosses", "bricks"])
    outline = (0, 0, 0) if rng.random() < 0.3 else None
    thick = max(0.6, side * rng.uniform(0.03, 0.15))
    for row in range(int(height / side) + 2):
        for column in range(int(width / side) + 2):
            x, y, colour = column * side, row * side, rng.choice(colours)
            if kind == "squares":
                canvas.rectangle((x, y, x + side, y + side), colour, outline=outline, width=thick / 2)
            elif kind == "triangles":
                corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
                del corners[rng.randrange(4)]
                canvas.polygon(corners, colour, outline=outline, width=thick / 2)
            elif kind == "arcs":
                for cx, cy, start in (
                    ((x, y, 0), (x + side, y + side, 180))
                    if rng.random() < 0.5
                    else ((x + side, y, 90), (x, y + side, 270))
                ):
                    box = (cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2)
                    canvas.ring(box, colours[-1], width=thick * 2, start=start, end=start + 90)
            elif kind == "discs":
                canvas.ellipse(
                    (x + side * 0.1, y + side * 0.1, x + side * 0.9, y + side * 0.9),
                    colour,
                    outline=outline,
                    width=thick / 2,
                )
            elif kind == "crosses":
                canvas.line([(x, y), (x + side, y + side)], colour, width=thick)
                canvas.line([(x + side, y), (x, y + side)], colour, width=thick)
            else:
                begin = x - (side / 2 if row % 2 else 0)
                canvas.rectangle((begin, y, begin + side - thick, y + side / 2 * 1.9 - thick), colour)
    scene.reduce(canvas)
    return canvas.image


def pixel_art(scene: Scene) -> Image.Image:
    """Small mirrored figures and terrain of large square pixels, as in old games."""
    rng = scene.rng
    numbers = np.random.default_rng(rng.getrandbits(63))
    block = max(1, round(rng.choice([2, 3, 4, 5, 6, 8]) * scene.zoom))
    wide, high = -(-scene.width // block), -(-scene.height // block)
    colours = np.array([(0, 0, 0), *palette(rng)], dtype=np.uint8)
    field = np.full((high, wide), numbers.integers(1, len(colours)))
    if rng.random() < 0.6:
        cell = rng.choice([4, 8])
        shape = (-(-high // cell), -(-wide // cell))
        speckled = numbers.integers(0, 8, (3, cell, cell)) == 0
        tile = np.where(speckled, numbers.integers(1, 4, (3, cell, cell)), numbers.integers(1, len(colours), (3, 1, 1)))
        chosen = tile[numbers.integers(0, 3, shape)]
        field = chosen.transpose(0, 2, 1, 3).reshape(shape[0] * cell, shape[1] * cell)[:high, :wide].copy()
    for _ in range(rng.randint(1, max(1, wide * high // 400))):
        half, tall = rng.choice([3, 4, 6, 8]), rng.choice([6, 8, 12, 16])
        width_of_row = np.clip(np.cumsum(numbers.integers(-1, 2, tall)) + half // 2, 1, half)
        body = np.arange(half) >= half - width_of_row[:, None]
        details = np.where(
            numbers.integers(0, 5, (tall, half)) == 0, numbers.integers(0, len(colours), (tall, half)), 0
        )
        rim = body & ~np.roll(body, 1, axis=1) & (np.arange(half) > 0)
        figure = np.where(details > 0, details, numbers.integers(1, len(colours))) * body
        figure = np.where(rim, _RIM, figure)
        figure = np.concatenate([figure, figure[:, ::-1]], axis=1)
        top = rng.randint(-(tall // 2), max(high - tall // 2, 0))
        left = rng.randint(-half, max(wide - half, 0))
        rows, columns = slice(max(top, 0), max(top + tall, 0)), slice(max(left, 0), max(left + 2 * half, 0))
        under = field[rows, columns]
        over = figure[max(-top, 0) :, max(-left, 0) :][: under.shape[0], : under.shape[1]]
        field[rows, columns] = np.where(over == _RIM, 0, np.where(over > 0, over, under))
    large = np.repeat(np.repeat(field, block, axis=0), block, axis=1)[: scene.height, : scene.width]
    return Image.fromarray(colours[large])


def machine_code(scene: Scene) -> Image.Image:
    """A bar code or matrix code in black and white, with a number under it, on a label."""
    rng = scene.rng
    numbers = np.random.default_rng(rng.getrandbits(63))
    ground = rng.choice([(255, 255, 255), (255, 255, 255), shade(rng.random(), 0.9, 0.5)])
    ink = rng.choice([(0, 0, 0), (0, 0, 0), shade(rng.random(), 0.2, 0.6)])
    canvas = scene.screen(ground)
    face, writer = scene.written()
    least = min(scene.width, scene.height)
    if rng.random() < 0.5:
        count = rng.choice([21, 25, 29, 33])
        block = max(1, int(least * rng.uniform(0.5, 0.85) / count))
        modules = numbers.integers(0, 2, (count, count))
        for top, left in ((0, 0), (0, count - 7), (count - 7, 0)):
            modules[max(top - 1, 0) : top + 8, max(left - 1, 0) : left + 8] = 0
            modules[top : top + 7, left : left + 7] = 1
            modules[top + 1 : top + 6, left + 1 : left + 6] = 0
            modules[top + 2 : top + 5, left + 2 : left + 5] = 1
        wide = high = count * block
        made = np.repeat(np.repeat(modules, block, axis=0), block, axis=1)
    else:
        block = max(1, round(scene.zoom * rng.choice([1, 2])))
        bars = np.repeat(numbers.integers(0, 2, max(8, int(scene.width * 0.8 / block))), block)
        wide, high = len(bars), max(8, int(scene.height * rng.uniform(0.3, 0.6)))
        made = np.broadcast_to(bars, (high, wide))
    left, top = (scene.width - wide) // 2, int((scene.height - high) * 0.4)
    coloured = np.where(made[..., None] > 0, np.array(ink), np.array(ground)).astype(np.uint8)
    canvas.paste(Image.fromarray(coloured), (left, top))
    size = min(14 * scene.zoom, scene.height * 0.08)
    digits = " ".join(f"{rng.randint(0, 999_999):06}" for _ in range(2))
    canvas.text((scene.width / 2, top + high + size / 2), digits, face, size, ink, anchor="ma")
    canvas.text((scene.width / 2, max(0, top - 1.6 * size)), writer.title(3), face, size, ink, anchor="ma")
    return canvas.image
