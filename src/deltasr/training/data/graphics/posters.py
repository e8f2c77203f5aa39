"""Few large words: captions on pictures, banners, logos."""

from __future__ import annotations

import math

from PIL import Image

from deltasr.training.data.graphics.canvas import Canvas, Colour, Point
from deltasr.training.data.graphics.colours import brightness, mixed, readable_on, scheme, shade, vivid
from deltasr.training.data.graphics.fonts import Face
from deltasr.training.data.graphics.grounds import pictured, ramp
from deltasr.training.data.graphics.icons import icon
from deltasr.training.data.graphics.pages import broken
from deltasr.training.data.graphics.scene import Scene


def caption(scene: Scene) -> Image.Image:
    """Lines of large text on a picture: plain, outlined, shadowed, or on a band."""
    rng, zoom = scene.rng, scene.zoom
    ground = pictured(scene)
    canvas = scene.drawing(ground) if rng.random() < 0.4 else scene.screen(ground)
    typical = ground.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(typical, tuple)
    ink = readable_on((typical[0], typical[1], typical[2]))
    y = scene.height * rng.uniform(-0.05, 0.3)
    while y < scene.height:
        face, writer = scene.written()
        face = scene.fonts.variant(face, bold=rng.random() < 0.6, italic=rng.random() < 0.15)
        size = min(rng.choice([12, 16, 24, 32, 48, 72]) * rng.uniform(0.8, 1.2) * zoom, scene.height * 0.3)
        words = rng.choice([writer.title(6), writer.title(3), writer.sentence(), writer.number(), writer.date()])
        room = scene.width * 0.92
        longest = max(canvas.text_width(word, face, size) for word in words.split())
        size = min(size, size * room / longest)
        colour = vivid(rng) if rng.random() < 0.25 else ink
        anchor, x = rng.choice([("la", 0.04), ("ma", 0.5), ("ra", 0.96)])
        look = rng.choice(["plain", "plain", "outline", "shadow", "band"])
        for line in broken(canvas, words, face, size, room):
            _caption_line(canvas, (x * scene.width, y), line, face, size, colour, anchor, look)
            y += 1.3 * size
        y += size * rng.uniform(0, 1.5)
    if rng.random() < 0.2:
        face, writer = scene.written()
        at = (scene.width * rng.uniform(0.3, 0.7), scene.height * rng.uniform(0.3, 0.7))
        size = scene.text_size(20, 60, across=8)
        canvas.text(at, writer.title(2), face, size, vivid(rng), anchor="mm", angle=rng.uniform(-45, 45))
    scene.reduce(canvas)
    return canvas.image


def _caption_line(
    canvas: Canvas, at: Point, words: str, face: Face, size: float, colour: Colour, anchor: str, look: str
) -> None:
    against = readable_on(colour)
    if look == "band":
        wide = canvas.text_width(words, face, size)
        left = at[0] - {"l": 0, "m": wide / 2, "r": wide}[anchor[0]]
        canvas.rectangle((left - size / 3, at[1] - size / 20, left + wide + size / 3, at[1] + size * 1.25), against)
    if look == "shadow":
        step = max(1, size / 18)
        canvas.text((at[0] + step, at[1] + step), words, face, size, against, anchor=anchor)
    outline = against if look == "outline" else None
    canvas.text(at, words, face, size, colour, anchor=anchor, outline=outline, outline_width=max(1, size / 16))


def logo(scene: Scene) -> Image.Image:
    """Emblems with names beside or under them, on a flat background."""
    rng = scene.rng
    ground = rng.choice([(255, 255, 255), (255, 255, 255), shade(rng.random(), 0.95, 0.4), vivid(rng), (16, 16, 20)])
    canvas = scene.drawing(ground)
    inks = [colour for colour in (vivid(rng) for _ in range(8)) if abs(brightness(colour) - brightness(ground)) > 0.2]
    inks = inks or [readable_on(ground)]
    columns = rng.choice([1, 1, 2, 3])
    cell = scene.width / columns
    rows = max(1, round(scene.height / cell))
    pitch = scene.height / rows
    for row in range(rows):
        for column in range(columns):
            _logo(scene, canvas, column * cell, row * pitch, cell, pitch, ground, rng.sample(inks, min(2, len(inks))))
    scene.reduce(canvas)
    return canvas.image


def _logo(
    scene: Scene,
    canvas: Canvas,
    left: float,
    top: float,
    width: float,
    height: float,
    ground: Colour,
    inks: list[Colour],
) -> None:
    """One emblem and its name in a cell."""
    rng = scene.rng
    face, writer = scene.written()
    face = scene.fonts.variant(face, bold=rng.random() < 0.7, italic=rng.random() < 0.15)
    beside = width > 1.4 * height or rng.random() < 0.3
    side = min(width, height) * (rng.uniform(0.3, 0.45) if beside else rng.uniform(0.4, 0.6))
    name = writer.title(2 if beside else 3)
    room = width * 0.86 - (side * 1.2 if beside else 0)
    size = min(side * rng.uniform(0.25, 0.6), side * room / max(canvas.text_width(name, face, side), 1))
    ink = inks[-1] if rng.random() < 0.6 else readable_on(ground)
    if beside:
        whole = side * 1.2 + canvas.text_width(name, face, size)
        x, y = left + (width - whole) / 2, top + (height - side) / 2
        emblem(scene, canvas, (x, y), side, ground, inks)
        canvas.text((x + side * 1.2, y + side / 2), name, face, size, ink, anchor="lm")
        return
    x, y = left + (width - side) / 2, top + (height - side * 1.5) / 2
    emblem(scene, canvas, (x, y), side, ground, inks)
    canvas.text((left + width / 2, y + side * 1.3), name, face, size, ink, anchor="mm")


def emblem(scene: Scene, canvas: Canvas, at: Point, side: float, ground: Colour, inks: list[Colour]) -> None:
    """An emblem in a square: a filled shape with a letter or an icon, rings, rays, petals or bars."""
    rng = scene.rng
    (x, y), first, last = at, inks[0], inks[-1]
    box = (x, y, x + side, y + side)
    middle = (x + side / 2, y + side / 2)
    kind = rng.choice(["badge", "badge", "rings", "rays", "petals", "bars", "polygon"])
    if kind == "badge":
        fill = ramp(rng, 64, 64, [first, mixed(first, last, 0.7)]) if rng.random() < 0.3 else first
        if rng.random() < 0.5:
            canvas.ellipse(box, fill)
        else:
            canvas.rectangle(box, fill, radius=side * rng.choice([0, 0.12, 0.22]))
        if rng.random() < 0.5:
            face = scene.fonts.variant(scene.face(), bold=True)
            canvas.text(middle, rng.choice("ABCDEFGHKMNPRSTVWXZ"), face, side * 0.7, readable_on(first), anchor="mm")
        else:
            icon(canvas, rng, x + side * 0.22, y + side * 0.22, side * 0.56, readable_on(first))
    elif kind == "rings":
        count = rng.randint(2, 5)
        for ring in range(count):
            inset = side * ring / (2 * count)
            colour = (first, ground, last)[ring % 3] if rng.random() < 0.7 else (first, ground)[ring % 2]
            canvas.ellipse((x + inset, y + inset, x + side - inset, y + side - inset), colour)
    elif kind in ("rays", "petals"):
        count = rng.randint(5, 16)
        for step in range(count):
            colour = first if step % 2 else last
            start = 360 * step / count
            if kind == "rays":
                canvas.sector(box, colour, start, start + 180 / count * rng.choice([1, 1, 2]))
            else:
                turn = math.radians(start)
                petal = side / 6
                px, py = middle[0] + side / 3 * math.cos(turn), middle[1] + side / 3 * math.sin(turn)
                canvas.ellipse((px - petal, py - petal, px + petal, py + petal), colour)
        inner = side * rng.uniform(0.1, 0.3)
        canvas.ellipse((middle[0] - inner, middle[1] - inner, middle[0] + inner, middle[1] + inner), ground)
    elif kind == "bars":
        count = rng.randint(3, 6)
        for bar in range(count):
            pitch, tall = side / count, side * rng.uniform(0.3, 1)
            corners = (x + bar * pitch, y + side - tall, x + (bar + 0.7) * pitch, y + side)
            canvas.rectangle(corners, first if bar % 2 else last, radius=rng.choice([0, pitch / 3]))
    else:
        corners_of = rng.randint(3, 8)
        turns = [2 * math.pi * step / corners_of - math.pi / 2 for step in range(corners_of)]
        points = [(middle[0] + side / 2 * math.cos(turn), middle[1] + side / 2 * math.sin(turn)) for turn in turns]
        canvas.polygon(points, first if rng.random() < 0.6 else None, outline=last, width=side * rng.uniform(0.03, 0.1))
        icon(canvas, rng, x + side * 0.3, y + side * 0.3, side * 0.4, readable_on(first))


def banner(scene: Scene) -> Image.Image:
    """Blocks of colour with a heading, a line under it and buttons, as the tops of web pages and advertisements."""
    rng = scene.rng
    colours = scheme(rng)
    canvas = scene.screen(colours.ground)
    y = 0.0
    while y < scene.height:
        tall = scene.height * rng.uniform(0.25, 0.6)
        plain: Colour = rng.choice([colours.accent, colours.surface, rng.choice(colours.palette)])
        ramped = ramp(rng, 256, 128, [plain, mixed(plain, vivid(rng), 0.5)]) if rng.random() < 0.25 else None
        if rng.random() < 0.9 or y == 0:
            canvas.rectangle((0, round(y), scene.width, round(y + tall)), ramped or plain)
        ink = readable_on(plain)
        face, writer = scene.written()
        size = min(rng.uniform(20, 48) * scene.zoom, tall * 0.25)
        left, bold = scene.width * rng.uniform(0.03, 0.3), scene.fonts.variant(face, bold=True)
        room = scene.width * 0.97 - left
        canvas.text((left, y + tall * 0.1), canvas.fitting(writer.title(4), bold, size, room), bold, size, ink)
        words = canvas.fitting(writer.sentence(), face, size * 0.45, room)
        canvas.text((left, y + tall * 0.1 + 1.4 * size), words, face, size * 0.45, ink)
        words, high = writer.label(), size * 0.9
        wide = canvas.text_width(words, face, size * 0.45) + size
        button = (left, y + tall * 0.1 + 2.2 * size, left + wide, y + tall * 0.1 + 2.2 * size + high)
        canvas.rectangle(button, ink, radius=rng.choice([0, high / 5, high / 2]))
        middle = ((button[0] + button[2]) / 2, (button[1] + button[3]) / 2)
        canvas.text(middle, words, face, size * 0.45, plain, anchor="mm")
        y += tall
    return canvas.image
