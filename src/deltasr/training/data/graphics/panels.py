"""Contents of windows: forms, tables, lists, conversations, cards, settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deltasr.training.data.graphics.canvas import Box, Canvas
from deltasr.training.data.graphics.colours import Scheme, mixed, readable_on, shade
from deltasr.training.data.graphics.fonts import Face
from deltasr.training.data.graphics.grounds import gradient, photograph
from deltasr.training.data.graphics.icons import icon, named_icon
from deltasr.training.data.graphics.scene import Scene
from deltasr.training.data.graphics.words import Writer


@dataclass(frozen=True)
class Look:
    """The common style of one interface.

    Attributes:
        scene, canvas, colours, face, writer: the means to draw it.
        unit: size of its text in pixels; every distance follows from it.
        thin: width of its thinnest lines in pixels.
        radius: of the corners of its boxes.
    """

    scene: Scene
    canvas: Canvas
    colours: Scheme
    face: Face
    writer: Writer
    unit: float
    thin: int
    radius: float


def button(look: Look, box: Box, words: str, *, strong: bool) -> None:
    """A button with centred words: filled, or an outline."""
    colours = look.colours
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    if strong:
        look.canvas.rectangle(box, colours.accent, radius=look.radius)
    else:
        fill = mixed(colours.ground, colours.text, 0.06)
        look.canvas.rectangle(box, fill, outline=colours.border, width=look.thin, radius=look.radius)
    ink = colours.on_accent if strong else colours.text
    look.canvas.text(middle, words, look.face, look.unit, ink, anchor="mm")


def form(look: Look, box: Box) -> None:
    """Labelled fields, check boxes, and buttons under each other."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    left, right, y = round(box[0] + unit), min(box[2] - unit, box[0] + 30 * unit), box[1] + unit
    beside = right - left > 18 * unit and rng.random() < 0.5
    while y < box[3]:
        kind = rng.choice(["field", "field", "tick", "choice", "buttons", "heading"])
        high = round(1.9 * unit)
        if kind in ("field", "choice"):
            canvas.text((left, y + (0.4 * unit if beside else 0)), look.writer.label(), look.face, unit, colours.text)
            start = round(left + 7 * unit) if beside else left
            top = round(y if beside else y + 1.5 * unit)
            field = (start, top, round(right), top + high)
            canvas.rectangle(field, colours.surface, outline=colours.border, width=look.thin, radius=look.radius)
            words = look.writer.value() if rng.random() < 0.7 else look.writer.words(2)
            words = canvas.fitting(words, look.face, unit, right - start - 2.5 * unit)
            ink = colours.text if rng.random() < 0.7 else colours.muted
            canvas.text((start + unit / 2, top + high / 2), words, look.face, unit, ink, anchor="lm")
            if kind == "choice":
                named_icon(
                    canvas,
                    "down",
                    right - 1.4 * unit,
                    top + high / 2 - unit * 0.4,
                    unit * 0.8,
                    colours.text,
                    width=look.thin,
                )
            y = top + high + 0.8 * unit
        elif kind == "tick":
            top = round(y + 0.2 * unit)
            _tick(look, left, top)
            words = canvas.fitting(look.writer.words(3), look.face, unit, right - left - 2 * unit)
            canvas.text((left + 1.6 * unit, y + 0.1 * unit), words, look.face, unit, colours.text)
            y += 1.8 * unit
        elif kind == "heading":
            bold = look.scene.fonts.variant(look.face, bold=True)
            words = canvas.fitting(look.writer.title(4), bold, 1.4 * unit, right - left)
            canvas.text((left, y), words, bold, 1.4 * unit, colours.text)
            y += 2.4 * unit
        else:
            x = float(left)
            for number in range(rng.randint(1, 3)):
                words = look.writer.label()
                wide = canvas.text_width(words, look.face, unit) + 2 * unit
                if x + wide < right:
                    button(look, (round(x), round(y), round(x + wide), round(y) + high), words, strong=number == 0)
                x += wide + 0.7 * unit
            y += high + unit


def _tick(look: Look, left: float, top: float) -> None:
    """A check box or a radio button, set or not."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    side = round(1.1 * unit)
    square, ticked = (left, top, left + side, top + side), rng.random() < 0.5
    if rng.random() < 0.5:
        fill = colours.accent if ticked else colours.surface
        canvas.rectangle(square, fill, outline=colours.muted, width=look.thin, radius=min(look.radius, unit / 4))
        if ticked:
            named_icon(canvas, "check", left, top, side, colours.on_accent, width=max(1, unit / 7))
        return
    canvas.ellipse(square, colours.surface, outline=colours.accent if ticked else colours.muted, width=look.thin)
    if ticked:
        inset = side * 0.28
        canvas.ellipse((left + inset, top + inset, left + side - inset, top + side - inset), colours.accent)


def table(look: Look, box: Box) -> None:
    """Rows and columns: a list of files, a spreadsheet."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    sheet, banded = rng.random() < 0.4, rng.random() < 0.5
    pitch = round(unit * rng.uniform(1.5, 2.2))
    widths: list[int] = []
    x = box[0]
    while x < box[2]:
        widths.append(round(rng.uniform(5, 10) * unit) if not sheet else round(6 * unit))
        x += widths[-1]
    y, row = round(box[1]), 0
    right = [rng.random() < 0.5 for _ in widths]
    while y < box[3]:
        end = min(y + pitch, box[3])
        chosen = row == 3 and rng.random() < 0.7
        fill = colours.accent if chosen else colours.surface if row == 0 or (banded and row % 2) else colours.ground
        canvas.rectangle((box[0], y, box[2], end), fill)
        ink = readable_on(fill) if chosen else colours.text
        x = box[0]
        for column, wide in enumerate(widths):
            words = look.writer.label() if row == 0 else look.writer.number() if right[column] else look.writer.value()
            if sheet and row and rng.random() < 0.35:
                words = ""
            room = min(x + wide, box[2]) - x
            if canvas.text_width(words, look.face, unit) < room - unit / 2:
                at = (x + wide - unit / 2, y + pitch / 2) if right[column] else (x + unit / 2, y + pitch / 2)
                canvas.text(at, words, look.face, unit, ink, anchor="rm" if right[column] else "lm")
            x += wide
            if sheet and x < box[2]:
                canvas.rectangle((x - look.thin, y, x, end), colours.border)
        canvas.rectangle((box[0], end - look.thin, box[2], end), colours.border)
        y += pitch
        row += 1


def rows(look: Look, box: Box) -> None:
    """A list: a picture or an icon, a name, a line under it, a number at the right."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    pitch, y = round(unit * rng.uniform(3.2, 4.5)), round(box[1])
    bold = look.scene.fonts.variant(look.face, bold=rng.random() < 0.7)
    round_signs = rng.random() < 0.6
    while y < box[3]:
        side = pitch - unit
        square = (box[0] + unit / 2, y + unit / 2, box[0] + unit / 2 + side, y + unit / 2 + side)
        colour = rng.choice(colours.palette)
        if round_signs:
            canvas.ellipse(square, colour)
            at = (square[0] + side / 2, square[1] + side / 2)
            canvas.text(at, look.writer.name()[0], look.face, side * 0.5, readable_on(colour), anchor="mm")
        else:
            canvas.rectangle(square, colour, radius=look.radius)
            icon(canvas, rng, square[0] + side / 4, square[1] + side / 4, side / 2, readable_on(colour))
        x = box[0] + side + 1.4 * unit
        when = look.writer.date()
        room = box[2] - x - canvas.text_width(when, look.face, unit * 0.8) - unit
        name = canvas.fitting(f"{look.writer.name()} {look.writer.word()}", bold, unit * 1.1, room)
        canvas.text((x, y + pitch * 0.16), name, bold, unit * 1.1, colours.text)
        words = canvas.fitting(look.writer.words(6), look.face, unit * 0.9, room)
        canvas.text((x, y + pitch * 0.55), words, look.face, unit * 0.9, colours.muted)
        at = (box[2] - unit / 2, y + pitch / 2)
        canvas.text(at, when, look.face, unit * 0.8, colours.muted, anchor="rm")
        canvas.rectangle((x, y + pitch - look.thin, box[2], y + pitch), colours.border)
        y += pitch


def menu(look: Look, box: Box) -> None:
    """Icons and names under each other, one of them selected."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    pitch, y = round(unit * rng.uniform(1.8, 2.4)), round(box[1] + unit / 2)
    chosen, number, signs = rng.randint(0, 5), 0, rng.random() < 0.7
    while y < box[3]:
        ink = colours.text
        if number == chosen:
            canvas.rectangle((box[0] + unit / 3, y, box[2] - unit / 3, y + pitch), colours.accent, radius=look.radius)
            ink = colours.on_accent
        x = box[0] + 0.8 * unit
        if signs:
            icon(canvas, rng, x, y + pitch / 2 - unit * 0.6, unit * 1.2, ink)
            x += 1.9 * unit
        canvas.text((x, y + pitch / 2), look.writer.label(), look.face, unit, ink, anchor="lm")
        y += pitch
        number += 1


def conversation(look: Look, box: Box) -> None:
    """Bubbles of text at the left and at the right."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    y, radius = round(box[1] + unit), unit * rng.uniform(0.3, 1)
    most = max(6 * unit, (box[2] - box[0]) * 0.7)
    while y < box[3]:
        lines = [look.writer.words(rng.randint(1, 5)) for _ in range(rng.randint(1, 3))]
        wide = min(max(canvas.text_width(words, look.face, unit) for words in lines), most) + 1.4 * unit
        high = round(len(lines) * 1.4 * unit + unit)
        own = rng.random() < 0.5
        left = round(box[2] - unit - wide if own else box[0] + unit)
        canvas.rectangle(
            (left, y, round(left + wide), y + high), colours.accent if own else colours.surface, radius=radius
        )
        for number, line in enumerate(lines):
            words = canvas.fitting(line, look.face, unit, wide - unit)
            at = (left + 0.7 * unit, y + unit / 2 + 1.4 * unit * number)
            canvas.text(at, words, look.face, unit, colours.on_accent if own else colours.text)
        y += high + round(rng.uniform(0.4, 1.2) * unit)


def cards(look: Look, box: Box) -> None:
    """Boxes side by side, each with a picture, a name and a few words."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    columns = max(1, int((box[2] - box[0]) / (rng.uniform(9, 16) * unit)))
    gap = round(unit * rng.uniform(0.5, 1))
    wide = round((box[2] - box[0] - gap * (columns + 1)) / columns)
    high = round(wide * rng.uniform(0.7, 1.2)) + round(3 * unit)
    y = round(box[1] + gap)
    bold = look.scene.fonts.variant(look.face, bold=True)
    shadowed = rng.random() < 0.4
    while y < box[3]:
        for column in range(columns):
            left = round(box[0] + gap + column * (wide + gap))
            card = (left, y, left + wide, y + high)
            if shadowed:
                canvas.shadow(card, radius=look.radius, blur=unit / 2, strength=0.3)
            canvas.rectangle(card, colours.surface, outline=colours.border, width=look.thin, radius=look.radius)
            bottom = y + high - round(3 * unit)
            size = (wide - 2 * look.thin, max(8, bottom - y - look.thin))
            pictured = look.scene.backgrounds or rng.random() < 0.5
            picture = photograph(look.scene, *size) if pictured else gradient(rng, *size)
            canvas.paste(picture, (left + look.thin, y + look.thin))
            for line, (words, face) in enumerate(
                ((look.writer.words(2).capitalize(), bold), (look.writer.number(), look.face))
            ):
                if canvas.text_width(words, face, unit) < wide - unit:
                    canvas.text(
                        (left + unit / 2, bottom + unit * (0.3 + 1.3 * line)),
                        words,
                        face,
                        unit,
                        (colours.text, colours.muted)[line],
                    )
        y += high + gap


def settings(look: Look, box: Box) -> None:
    """Labels with switches, sliders, progress bars and numbers."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    y, left, right = round(box[1] + unit / 2), box[0] + unit, box[2] - unit
    track = mixed(colours.ground, colours.text, 0.2)
    while y < box[3]:
        middle = round(y + 1.3 * unit)
        start = max((left + right) / 2, right - 14 * unit)
        words = canvas.fitting(look.writer.words(2).capitalize(), look.face, unit, start - left - unit)
        canvas.text((left, middle), words, look.face, unit, colours.text, anchor="lm")
        kind = rng.choice(["switch", "slider", "progress", "number"])
        if kind == "switch":
            on = rng.random() < 0.5
            wide, high = 2.2 * unit, 1.2 * unit
            canvas.rectangle(
                (right - wide, middle - high / 2, right, middle + high / 2),
                colours.accent if on else track,
                radius=high / 2,
            )
            x, knob = (right - high / 2 if on else right - wide + high / 2), high * 0.4
            canvas.ellipse((x - knob, middle - knob, x + knob, middle + knob), (255, 255, 255))
        elif kind == "number":
            canvas.text((right, middle), look.writer.number(), look.face, unit, colours.muted, anchor="rm")
        else:
            high = round(unit * (0.25 if kind == "slider" else 0.6))
            x = start + (right - start) * rng.random()
            top = middle - high // 2
            canvas.rectangle((start, top, right, top + high), track, radius=look.radius and high / 2)
            canvas.rectangle((start, top, x, top + high), colours.accent, radius=look.radius and high / 2)
            if kind == "slider":
                knob = unit * 0.5
                canvas.ellipse(
                    (x - knob, middle - knob, x + knob, middle + knob),
                    (255, 255, 255),
                    outline=colours.accent,
                    width=look.thin,
                )
        y += round(2.6 * unit)
        if rng.random() < 0.7:
            canvas.rectangle((left, y - look.thin, right, y), colours.border)


def question(look: Look, box: Box) -> None:
    """An icon, a heading, a line of text and two buttons."""
    rng, unit, canvas, colours = look.scene.rng, look.unit, look.canvas, look.colours
    bold = look.scene.fonts.variant(look.face, bold=True)
    icon(canvas, rng, box[0] + unit, box[1] + unit, 2 * unit, shade(rng.random(), 0.5, 0.8))
    room = box[2] - box[0] - 4.5 * unit
    title = canvas.fitting(look.writer.title(3), bold, 1.3 * unit, room)
    words = canvas.fitting(look.writer.words(8), look.face, unit, room)
    canvas.text((box[0] + 4 * unit, box[1] + unit), title, bold, 1.3 * unit, colours.text)
    canvas.text((box[0] + 4 * unit, box[1] + 3.2 * unit), words, look.face, unit, colours.text)
    for number in range(2):
        left, top = round(box[2] - (number + 1) * 7 * unit), round(box[3] - 3 * unit)
        button(
            look, (left, top, left + round(6.2 * unit), top + round(2 * unit)), look.writer.label(), strong=number == 0
        )


_PANELS: dict[str, Callable[[Look, Box], None]] = {
    "form": form,
    "table": table,
    "rows": rows,
    "menu": menu,
    "conversation": conversation,
    "cards": cards,
    "settings": settings,
    "question": question,
}
"""Each draws over the existing background, and beyond the lower edge of its box."""

MAIN_PANELS = tuple(name for name in _PANELS if name not in ("menu", "question"))
"""Names of panels that fill a window."""


def panel(look: Look, name: str, box: Box) -> None:
    """Draw a panel by its name into a box, cut off at its edges."""
    with look.canvas.inside(box):
        _PANELS[name](look, box)
