"""Monospaced text: code editors and terminals."""

from __future__ import annotations

from PIL import Image

from deltasr.training.data.graphics.colours import mixed, scheme, shade
from deltasr.training.data.graphics.scene import Scene
from deltasr.training.data.graphics.words import Writer


def editor(scene: Scene) -> Image.Image:
    """A program in an editor: syntax colours, line numbers, one line marked."""
    rng = scene.rng
    colours = scheme(rng, dark=rng.random() < 0.65)
    canvas = scene.screen(colours.ground)
    face, writer = scene.face(monospaced=True), Writer(rng)
    size = scene.text_size(10, 15, across=18)
    pitch = round(size * rng.uniform(1.2, 1.6))
    light = 0.7 if colours.dark else 0.35
    inks = {
        kind: shade(rng.random(), light + rng.uniform(-0.08, 0.08), rng.uniform(0.5, 1))
        for kind in ("keyword", "call", "string", "number")
    }
    inks |= {"comment": colours.muted, "name": colours.text, "sign": colours.text}
    bold = scene.fonts.variant(face, bold=True) if rng.random() < 0.4 else face
    italic = scene.fonts.variant(face, italic=True) if rng.random() < 0.5 else face
    gutter = canvas.text_width("0000", face, size) if rng.random() < 0.7 else size / 2
    tab = canvas.text_width(" " * rng.choice([2, 4, 4]), face, size)
    first, marked = rng.randint(1, 800), rng.randint(0, 20)
    y = -rng.randrange(pitch)
    number = 0
    while y < scene.height:
        if number == marked:
            canvas.rectangle((gutter, y, scene.width, y + pitch), mixed(colours.ground, colours.text, 0.1))
        if gutter > size:
            at = (gutter - size * 0.7, y)
            canvas.text(at, str(first + number), face, size, mixed(colours.ground, colours.text, 0.4), anchor="ra")
        indent, tokens = writer.code()
        x = gutter + indent * tab
        for words, kind in tokens:
            used = bold if kind == "keyword" else italic if kind == "comment" else face
            canvas.text((x, y), words, used, size, inks[kind])
            x += canvas.text_width(words, face, size)
        y += pitch
        number += 1
    return canvas.image


def terminal(scene: Scene) -> Image.Image:
    """Commands and their output, in few colours, mostly on black."""
    rng = scene.rng
    dark = rng.random() < 0.8
    ground = (rng.choice([0, 0, 12, 30]),) * 3 if dark else (255, 255, 255)
    ground = rng.choice([ground, ground, ground, (0, 43, 54), (48, 10, 36), (1, 36, 86)]) if dark else ground
    plain = rng.choice([(0, 255, 0), (230, 230, 230), (204, 204, 204), (255, 176, 0)]) if dark else (20, 20, 20)
    loud = [shade(hue / 6, 0.6 if dark else 0.35, 0.9) for hue in range(6)]
    canvas = scene.screen(ground)
    face, writer = scene.face(monospaced=True), Writer(rng)
    size = scene.text_size(10, 15, across=18)
    pitch = round(size * rng.uniform(1.15, 1.35))
    y = -rng.randrange(pitch)
    while y < scene.height:
        ink = rng.choice(loud) if rng.random() < 0.25 else plain
        words = writer.command()
        canvas.text((size / 3, y), words, face, size, ink)
        y += pitch
    if rng.random() < 0.5:
        left = size / 3 + canvas.text_width(words, face, size)
        canvas.rectangle((left, y - pitch, left + size * 0.6, y), plain)
    return canvas.image
