"""Programs on screens: windows, dialogues and telephone screens."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from deltasr.training.data.graphics.canvas import Box
from deltasr.training.data.graphics.colours import mixed, scheme, shade
from deltasr.training.data.graphics.grounds import pictured
from deltasr.training.data.graphics.icons import icon, named_icon
from deltasr.training.data.graphics.panels import MAIN_PANELS, Look, panel
from deltasr.training.data.graphics.scene import Scene


def desktop(scene: Scene) -> Image.Image:
    """Overlapping windows on a coloured or pictured background, cut off by the picture's edges."""
    rng = scene.rng
    look = _look(scene, pictured(scene) if rng.random() < 0.6 else shade(rng.random(), rng.uniform(0.2, 0.8), 0.4))
    for _ in range(rng.choice([1, 1, 2, 3])):
        width, height = (side * rng.uniform(0.5, 1.1) for side in (scene.width, scene.height))
        left, top = rng.uniform(-0.2, 0.9) * (scene.width - width), rng.uniform(-0.1, 0.9) * (scene.height - height)
        window(look, (round(left), round(top), round(left + width), round(top + height)))
        look = replace(look, colours=scheme(rng)) if rng.random() < 0.5 else look
    return look.canvas.image


def application(scene: Scene) -> Image.Image:
    """A program that fills the screen: bars at the top and the side, panels in the rest."""
    rng = scene.rng
    look = _look(scene)
    top = _bars(look, 0, 0, scene.width)
    _body(look, (0, top, scene.width, scene.height))
    if rng.random() < 0.3:
        _dialogue(look)
    return look.canvas.image


def telephone(scene: Scene) -> Image.Image:
    """A narrow screen: a heading, large rows or bubbles, a bar of icons at the bottom."""
    rng = scene.rng
    look = _look(scene)
    canvas, colours, unit = look.canvas, look.colours, look.unit
    high = round(3 * unit)
    canvas.rectangle((0, 0, scene.width, high), colours.accent if rng.random() < 0.5 else colours.surface)
    ink = colours.on_accent if canvas.image.getpixel((1, 1)) == colours.accent else colours.text
    named_icon(canvas, "left", unit / 2, high / 2 - unit / 2, unit, ink, width=max(1, unit / 9))
    bold = scene.fonts.variant(look.face, bold=True)
    title = canvas.fitting(look.writer.title(3), bold, 1.25 * unit, scene.width - 3 * unit)
    canvas.text((2.2 * unit, high / 2), title, bold, 1.25 * unit, ink, anchor="lm")
    bottom = scene.height - round(3.2 * unit)
    kind = rng.choice([name for name in MAIN_PANELS if name != "table"])
    panel(look, kind, (0, high, scene.width, bottom))
    canvas.rectangle((0, bottom, scene.width, scene.height), colours.surface)
    canvas.rectangle((0, bottom, scene.width, bottom + look.thin), colours.border)
    signs = rng.randint(3, 5)
    for number in range(signs):
        x = scene.width * (number + 0.5) / signs
        icon(
            canvas,
            rng,
            x - 0.8 * unit,
            bottom + 0.4 * unit,
            1.6 * unit,
            colours.accent if number == 0 else colours.muted,
        )
        words = canvas.fitting(look.writer.label(), look.face, 0.7 * unit, scene.width / signs)
        canvas.text((x, bottom + 2.2 * unit), words, look.face, 0.7 * unit, colours.muted, anchor="ma")
    return canvas.image


def window(look: Look, box: Box) -> None:
    """A window: its shadow, its title bar with icons, and its content, cut off at its edges."""
    rng, canvas, unit, colours = look.scene.rng, look.canvas, look.unit, look.colours
    radius = rng.choice([0, 0, unit * 0.4, unit * 0.8])
    if rng.random() < 0.7:
        canvas.shadow((box[0], box[1] + unit / 2, box[2], box[3] + unit / 2), radius=radius, blur=unit, strength=0.4)
    canvas.rectangle(box, colours.ground, outline=colours.border, width=look.thin, radius=radius)
    with canvas.inside(box):
        _in_window(look, box, radius)


def _in_window(look: Look, box: Box, radius: float) -> None:
    rng, canvas, unit, colours = look.scene.rng, look.canvas, look.unit, look.colours
    high = round(2 * unit)
    left, top, right, bottom = (box[0] + look.thin, box[1] + look.thin, box[2] - look.thin, box[3] - look.thin)
    bar = rng.choice([colours.surface, colours.accent, colours.ground, mixed(colours.ground, colours.text, 0.15)])
    canvas.rectangle((left, top, right, top + high), bar, radius=max(0, radius - look.thin))
    canvas.rectangle((left, top + high / 2, right, top + high), bar)
    ink = colours.on_accent if bar == colours.accent else colours.text
    middle = top + high / 2
    title = canvas.fitting(look.writer.title(3), look.face, unit, right - left - 9 * unit)
    if rng.random() < 0.45:
        for number, colour in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
            x, radius_of = left + unit * (0.9 + 1.2 * number), unit * 0.38
            canvas.ellipse((x - radius_of, middle - radius_of, x + radius_of, middle + radius_of), colour)
        canvas.text(((left + right) / 2, middle), title, look.face, unit, ink, anchor="mm")
    else:
        canvas.text((left + unit * 0.6, middle), title, look.face, unit, ink, anchor="lm")
        side = unit * 0.8
        for number, name in enumerate(("close", "grid", "down")):
            named_icon(canvas, name, right - unit * (1.4 + 2 * number), middle - side / 2, side, ink, width=look.thin)
    _body(look, (left, _bars(look, left, top + high, right), right, bottom))


def _look(scene: Scene, ground: Image.Image | tuple[int, int, int] | None = None) -> Look:
    colours = scheme(scene.rng)
    face, writer = scene.written()
    canvas = scene.screen(ground if ground is not None else colours.ground)
    unit = scene.text_size(9, 13, across=17, down=14)
    thin = max(1, round(scene.zoom * scene.rng.choice([0.5, 1, 1])))
    radius = scene.rng.choice([0, 0, 0.25, 0.5]) * unit
    return Look(scene, canvas, colours, face, writer, unit, thin, radius)


def _bars(look: Look, left: float, top: float, right: float) -> float:
    """Menus, icons and tabs under each other, each of them optional. Returns where they end."""
    rng, canvas, unit, colours = look.scene.rng, look.canvas, look.unit, look.colours
    if rng.random() < 0.5:
        high = round(1.8 * unit)
        canvas.rectangle((left, top, right, top + high), colours.surface)
        x = left + unit * 0.6
        for number in range(rng.randint(3, 8)):
            words = look.writer.label()
            wide = canvas.text_width(words, look.face, unit)
            if number == 1 and rng.random() < 0.3:
                canvas.rectangle((x - unit * 0.4, top, x + wide + unit * 0.4, top + high), colours.accent)
                canvas.text((x, top + high / 2), words, look.face, unit, colours.on_accent, anchor="lm")
            else:
                canvas.text((x, top + high / 2), words, look.face, unit, colours.text, anchor="lm")
            x += wide + unit
        top += high
        canvas.rectangle((left, top, right, top + look.thin), colours.border)
    if rng.random() < 0.5:
        high = round(2.4 * unit)
        canvas.rectangle((left, top, right, top + high), colours.surface)
        x = left + unit * 0.6
        while x < right - 2 * unit:
            icon(canvas, rng, x, top + high / 2 - unit * 0.7, unit * 1.4, rng.choice([colours.text, colours.accent]))
            x += unit * rng.choice([2, 2, 2.2, 3.5])
        top += high
        canvas.rectangle((left, top, right, top + look.thin), colours.border)
    return top


def _body(look: Look, box: Box) -> None:
    """One or two panels, sometimes with a list at the side."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    left, top, right, bottom = box
    if right - left > 24 * unit and rng.random() < 0.6:
        wide = round(rng.uniform(8, 12) * unit)
        side = mixed(colours.surface, colours.accent, rng.choice([0, 0, 0.1]))
        canvas.rectangle((left, top, left + wide, bottom), side)
        panel(look, "menu", (left, top, left + wide, bottom))
        canvas.rectangle((left + wide, top, left + wide + look.thin, bottom), colours.border)
        left += wide + look.thin
    if bottom - top > 22 * unit and rng.random() < 0.5:
        middle = round(top + (bottom - top) * rng.uniform(0.35, 0.65))
        panel(look, rng.choice(MAIN_PANELS), (left, top, right, middle))
        canvas.rectangle((left, middle, right, middle + look.thin), colours.border)
        top = middle + look.thin
    panel(look, rng.choice(MAIN_PANELS), (left, top, right, bottom))


def _dialogue(look: Look) -> None:
    """A modal dialogue, with everything under it darkened."""
    scene, unit, canvas = look.scene, look.unit, look.canvas
    if scene.rng.random() < 0.6:
        dark = Image.new("RGB", canvas.image.size)
        canvas.paste(Image.blend(canvas.image, dark, 0.5), (0, 0))
    colours = scheme(scene.rng)
    wide, high = min(24 * unit, scene.width * 0.9), 10 * unit
    left, top = round((scene.width - wide) / 2), round((scene.height - high) / 2)
    box = (left, top, left + round(wide), top + round(high))
    canvas.shadow(box, radius=look.radius, blur=unit, strength=0.5)
    canvas.rectangle(box, colours.ground, outline=colours.border, width=look.thin, radius=look.radius)
    inner = replace(look, colours=colours)
    panel(inner, "question", box)
