"""Pages of text: articles, letters, books, slides, receipts."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from deltasr.training.data.graphics.canvas import Canvas, Colour
from deltasr.training.data.graphics.colours import Scheme, mixed, scheme, vivid
from deltasr.training.data.graphics.fonts import Face
from deltasr.training.data.graphics.grounds import gradient, photograph
from deltasr.training.data.graphics.scene import Scene
from deltasr.training.data.graphics.words import LANGUAGES, Writer


def page(scene: Scene) -> Image.Image:
    """A part of a page: headings, paragraphs in one or two columns, lists, quotations, tables, figures."""
    rng = scene.rng
    colours = scheme(rng, dark=rng.random() < 0.2)
    canvas = scene.drawing(colours.ground) if rng.random() < 0.35 else scene.screen(colours.ground)
    body, writer = scene.written()
    style = _Style(
        scene=scene,
        canvas=canvas,
        colours=colours,
        writer=writer,
        body=body,
        heading=scene.fonts.any(rng, alphabet=_alphabet_of(body, writer)) if rng.random() < 0.4 else body,
        size=scene.text_size(9, 14, across=12),
        leading=rng.uniform(1.25, 1.7),
        justified=rng.random() < 0.35,
    )
    margin = rng.uniform(0.02, 0.1) * scene.width
    columns = 2 if scene.width > 42 * style.size and rng.random() < 0.4 else 1
    gap = 2 * style.size
    width = (scene.width - 2 * margin - (columns - 1) * gap) / columns
    for column in range(columns):
        _fill_column(style, margin + column * (width + gap), width)
    scene.reduce(canvas)
    return canvas.image


def slide(scene: Scene) -> Image.Image:
    """A heading and a few points, large, with a band or a picture at one side."""
    rng = scene.rng
    colours = scheme(rng)
    coloured = rng.random() < 0.3
    canvas = scene.screen(gradient(rng, scene.width, scene.height) if coloured else colours.ground)
    ink = (255, 255, 255) if coloured and rng.random() < 0.7 else colours.text
    face, writer = scene.written()
    size = scene.text_size(14, 24, across=16, down=9)
    left, y = scene.width * rng.uniform(0.04, 0.12), scene.height * rng.uniform(0.05, 0.15)
    if rng.random() < 0.5:
        canvas.rectangle((0, 0, scene.width, y + 2.4 * size), colours.accent)
        title_ink = colours.on_accent
    else:
        title_ink = colours.accent if rng.random() < 0.5 else ink
    bold = scene.fonts.variant(face, bold=rng.random() < 0.6)
    title = canvas.fitting(writer.title(), bold, size * 1.6, scene.width - 2 * left)
    canvas.text((left, y), title, bold, size * 1.6, title_ink)
    y += 3.4 * size
    right = scene.width * (0.55 if rng.random() < 0.4 else 0.95)
    if right < scene.width * 0.9:
        box = (right + size, y, scene.width - left, max(y + 4 * size, scene.height - left))
        _picture(scene, canvas, box)
    mark = rng.choice(["•", "-", "1.", "■", ">"]) if "latin" in face.alphabets else "-"
    while y < scene.height:
        for number, words in enumerate(broken(canvas, writer.sentence(), face, size, right - left - 1.5 * size)):
            if number == 0:
                canvas.text((left, y), mark, face, size, colours.accent)
            canvas.text((left + 1.5 * size, y), words, face, size, ink)
            y += 1.35 * size
        y += rng.uniform(0.3, 1) * size
    return canvas.image


def receipt(scene: Scene) -> Image.Image:
    """Lines of names and numbers, the numbers at the right: a receipt, an invoice, a table of contents."""
    rng, zoom = scene.rng, scene.zoom
    colours = scheme(rng, dark=False)
    canvas = scene.screen(colours.ground)
    face, writer = scene.written(monospaced=rng.random() < 0.6)
    size = scene.text_size(9, 16, across=18)
    left, right = scene.width * 0.05, scene.width * 0.95
    y = rng.uniform(-1, 1) * size
    dotted = rng.random() < 0.4
    canvas.text(
        (scene.width / 2, y),
        writer.title(3),
        scene.fonts.variant(face, bold=True),
        size * 1.5,
        colours.text,
        anchor="ma",
    )
    y += 2.5 * size
    while y < scene.height:
        random_number = rng.random()
        if random_number < 0.1:
            canvas.line([(left, y + size / 2), (right, y + size / 2)], colours.text, width=max(1, zoom), dash=size / 3)
        else:
            bold = scene.fonts.variant(face, bold=random_number > 0.9)
            name, value = writer.words(rng.randint(1, 3)).capitalize(), writer.number()
            room = right - left - canvas.text_width(value, bold, size) - size
            name = canvas.fitting(name, bold, size, room)
            if dotted:
                free = right - left - canvas.text_width(name + value, bold, size)
                dots = int(free / max(canvas.text_width(".", bold, size), 1)) - 2
                name += " " + "." * max(dots, 0)
            canvas.text((left, y), name, bold, size, colours.text)
            canvas.text((right, y), value, bold, size, colours.text, anchor="ra")
        y += 1.4 * size
    return canvas.image


@dataclass(frozen=True)
class _Style:
    scene: Scene
    canvas: Canvas
    colours: Scheme
    writer: Writer
    body: Face
    heading: Face
    size: float
    leading: float
    justified: bool


def _alphabet_of(face: Face, writer: Writer) -> str:
    """The alphabet that another face must have to be used beside this one."""
    alphabet = LANGUAGES[writer.language][0]
    return alphabet if alphabet in face.alphabets else "ascii"


def _fill_column(style: _Style, left: float, width: float) -> None:
    """Fill a column with blocks, from above the upper edge to below the lower one."""
    rng = style.scene.rng
    y = rng.uniform(-3, 2) * style.size
    blocks = [_heading, _paragraph, _list, _quotation, _rule, _figure, _table]
    y = rng.choice([_heading, _paragraph])(style, left, y, width)
    while y < style.scene.height:
        y = rng.choices(blocks, [3, 10, 2, 1, 0.5, 1, 1])[0](style, left, y + style.size * 0.8, width)


def _heading(style: _Style, left: float, y: float, width: float) -> float:
    size = style.size * style.scene.rng.choice([1.15, 1.4, 1.8, 2.4])
    face = style.scene.fonts.variant(style.heading, bold=style.scene.rng.random() < 0.8)
    colour = style.colours.accent if style.scene.rng.random() < 0.25 else style.colours.text
    for words in broken(style.canvas, style.writer.title(8), face, size, width):
        style.canvas.text((left, y), words, face, size, colour)
        y += 1.25 * size
    return y


def _paragraph(style: _Style, left: float, y: float, width: float) -> float:
    text = style.writer.paragraph(style.scene.rng.randint(2, 6))
    lines = broken(style.canvas, text, style.body, style.size, width)
    for number, words in enumerate(lines):
        if y > style.scene.height:
            break
        if y > -2 * style.size:
            _line(style, left, y, width, words, last=number == len(lines) - 1)
        y += style.leading * style.size
    return y


def _line(style: _Style, left: float, y: float, width: float, words: str, *, last: bool) -> None:
    """A line of a paragraph; word by word where it is justified or has emphasised words."""
    rng, canvas, size = style.scene.rng, style.canvas, style.size
    emphasis = rng.random() < 0.2
    if not (emphasis or (style.justified and not last)):
        canvas.text((left, y), words, style.body, size, style.colours.text)
        return
    parts = words.split(" ")
    widths = [canvas.text_width(part, style.body, size) for part in parts]
    gap = canvas.text_width(" ", style.body, size)
    if style.justified and not last and len(parts) > 1:
        gap = max(gap, (width - sum(widths)) / (len(parts) - 1))
    standing_out = rng.randrange(len(parts)) if emphasis else -1
    for number, (part, part_width) in enumerate(zip(parts, widths, strict=True)):
        if number == standing_out:
            _standing_out(style, left, y, part, part_width)
        else:
            canvas.text((left, y), part, style.body, size, style.colours.text)
        left += part_width + gap


def _standing_out(style: _Style, left: float, y: float, word: str, width: float) -> None:
    """An emphasised word: bold or italic, marked, underlined as a link, or struck out."""
    rng, canvas, size, colours = style.scene.rng, style.canvas, style.size, style.colours
    kind = rng.choice(["bold", "italic", "link", "mark", "struck"])
    thick = max(1.0, round(size / 14))
    face = style.scene.fonts.variant(style.body, bold=kind == "bold", italic=kind == "italic")
    if kind == "mark":
        canvas.rectangle((left, y, left + width, y + 1.2 * size), mixed(colours.ground, (255, 230, 0), 0.6))
    canvas.text((left, y), word, face, size, colours.accent if kind == "link" else colours.text)
    if kind in ("link", "struck"):
        under = y + size * (1.12 if kind == "link" else 0.7)
        canvas.rectangle((left, round(under), left + width, round(under) + thick), colours.accent)


def _list(style: _Style, left: float, y: float, width: float) -> float:
    rng, size = style.scene.rng, style.size
    kind = rng.choice(["dot", "square", "number", "box"])
    for number in range(rng.randint(2, 5)):
        middle, side = y + 0.65 * size, 0.18 * size
        mark = (left + size * 0.5 - side, middle - side, left + size * 0.5 + side, middle + side)
        if kind == "number":
            style.canvas.text((left, y), f"{number + 1}.", style.body, size, style.colours.text)
        elif kind == "dot":
            style.canvas.ellipse(mark, style.colours.text)
        elif kind == "square":
            style.canvas.rectangle(mark, style.colours.accent)
        else:
            box = (left, y + 0.2 * size, left + 0.8 * size, y + size)
            style.canvas.frame(box, style.colours.text, width=max(1, size / 14))
        for words in broken(style.canvas, style.writer.sentence(), style.body, size, width - 1.6 * size):
            style.canvas.text((left + 1.6 * size, y), words, style.body, size, style.colours.text)
            y += style.leading * size
    return y


def _quotation(style: _Style, left: float, y: float, width: float) -> float:
    size = style.size
    face = style.scene.fonts.variant(style.body, italic=True)
    lines = broken(style.canvas, style.writer.paragraph(2), face, size, width - 2 * size)
    end = y + style.leading * size * len(lines)
    style.canvas.rectangle((left, y, left + size / 4, end), style.colours.accent)
    for words in lines:
        style.canvas.text((left + size, y), words, face, size, style.colours.muted)
        y += style.leading * size
    return y


def _rule(style: _Style, left: float, y: float, width: float) -> float:
    thick = max(1, round(style.scene.zoom * style.scene.rng.choice([0.5, 1, 2])))
    style.canvas.rectangle((left, round(y), left + width, round(y) + thick), style.colours.border)
    return y + thick


def _figure(style: _Style, left: float, y: float, width: float) -> float:
    height = width * style.scene.rng.uniform(0.3, 0.6)
    _picture(style.scene, style.canvas, (left, y, left + width, y + height))
    small = style.size * 0.85
    words = f"Fig. {style.scene.rng.randint(1, 20)}: {style.writer.words(4)}"
    style.canvas.text((left, y + height + small / 2), words, style.body, small, style.colours.muted)
    return y + height + 2 * small


def _table(style: _Style, left: float, y: float, width: float) -> float:
    """Rows of values between lines, the first one emphasised."""
    rng, size, thick = style.scene.rng, style.size, max(1, round(style.scene.zoom))
    columns, rows = rng.randint(2, 5), rng.randint(3, 7)
    pitch, grid = width / columns, rng.random() < 0.5
    bold = style.scene.fonts.variant(style.body, bold=True)
    for row in range(rows):
        if row == 0 and rng.random() < 0.6:
            style.canvas.rectangle((left, round(y), left + width, round(y + 1.6 * size)), style.colours.surface)
        for column in range(columns):
            words = style.writer.label() if row == 0 or column == 0 else style.writer.number()
            at = (left + column * pitch + 0.4 * size, y + 0.2 * size)
            face = bold if row == 0 else style.body
            words = style.canvas.fitting(words, face, size, pitch - 0.6 * size)
            style.canvas.text(at, words, face, size, style.colours.text)
        y = round(y + 1.6 * size)
        style.canvas.rectangle((left, y, left + width, y + thick), style.colours.border)
    if grid:
        for column in range(columns + 1):
            x = round(left + column * pitch)
            style.canvas.rectangle((x, y - rows * 1.6 * size, x + thick, y), style.colours.border)
    return y + size


def _picture(scene: Scene, canvas: Canvas, box: tuple[float, float, float, float]) -> None:
    """A photograph or a drawn background in a box, sometimes with a border."""
    rng = scene.rng
    width, height = max(8, round(box[2] - box[0])), max(8, round(box[3] - box[1]))
    make = photograph if scene.backgrounds or rng.random() < 0.4 else lambda s, w, h: gradient(s.rng, w, h)
    canvas.paste(make(scene, width, height), (round(box[0]), round(box[1])))
    if rng.random() < 0.3:
        edge: Colour = (0, 0, 0) if rng.random() < 0.5 else vivid(rng)
        canvas.frame(box, edge, width=max(1, round(scene.zoom)))


def broken(canvas: Canvas, text: str, face: Face, size: float, width: float) -> list[str]:
    """A text broken into lines that are no wider than this, unless a single word is."""
    lines: list[str] = []
    gap, used = canvas.text_width(" ", face, size), 0.0
    for word in text.split():
        wide = canvas.text_width(word, face, size)
        if lines and used + gap + wide <= width:
            lines[-1] += f" {word}"
            used += gap + wide
        else:
            lines.append(word)
            used = wide
    return lines
