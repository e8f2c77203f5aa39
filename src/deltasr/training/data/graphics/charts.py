"""Charts with axes, numbers and legends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from deltasr.training.data.graphics.canvas import Box, Canvas, Colour, Point
from deltasr.training.data.graphics.colours import Scheme, mixed, scheme
from deltasr.training.data.graphics.fonts import Face
from deltasr.training.data.graphics.scene import Scene
from deltasr.training.data.graphics.words import Writer


@dataclass(frozen=True)
class _Plot:
    scene: Scene
    canvas: Canvas
    colours: Scheme
    face: Face
    writer: Writer
    size: float
    thin: float


class _Text(NamedTuple):
    """Arguments of `Canvas.text`: texts are drawn last, some of them after the rest was reduced."""

    at: Point
    words: str
    face: Face
    size: float
    colour: Colour
    anchor: str
    angle: float = 0


def chart(scene: Scene) -> Image.Image:
    """One chart or several: bars, lines, areas, points, a pie."""
    rng = scene.rng
    colours = scheme(rng, dark=rng.random() < 0.25)
    canvas = scene.drawing(colours.ground) if rng.random() < 0.7 else scene.screen(colours.ground)
    face, writer = scene.written()
    size = scene.text_size(9, 14, across=26, down=22)
    plot = _Plot(scene, canvas, colours, face, writer, size, max(0.5, scene.zoom * rng.choice([0.5, 0.8, 1, 1.5])))
    least = 26 * size
    columns = rng.randint(1, max(1, min(3, int(scene.width / least))))
    rows = rng.randint(1, max(1, min(3, int(scene.height / least))))
    late = rng.random() < 0.5
    texts: list[_Text] = []
    for row in range(rows):
        for column in range(columns):
            wide, high = scene.width / columns, scene.height / rows
            box = (column * wide, row * high, (column + 1) * wide, (row + 1) * high)
            texts += _pie(plot, box) if rng.random() < 0.15 else _axes(plot, box)
    if late:
        scene.reduce(canvas)
    for text in texts:
        canvas.text(text.at, text.words, text.face, text.size, text.colour, anchor=text.anchor, angle=text.angle)
    scene.reduce(canvas)
    return canvas.image


def _axes(plot: _Plot, box: Box) -> list[_Text]:
    """A chart with two axes in a box. Returns its texts, which are drawn last."""
    rng, canvas, colours, size, thin = plot.scene.rng, plot.canvas, plot.colours, plot.size, plot.thin
    texts: list[_Text] = []
    left, top, right, bottom = box[0] + 4 * size, box[1] + 2.4 * size, box[2] - size, box[3] - 3 * size
    inner = (left, top, right, bottom)
    if rng.random() < 0.3:
        canvas.rectangle(inner, colours.surface)
    step, ticks = rng.choice([1, 2, 5, 10, 25, 0.5, 100]), rng.randint(3, 7)
    grid = rng.choice(["none", "lines", "lines", "both"])
    dash = size / 4 if rng.random() < 0.4 else 0
    faint = mixed(colours.ground, colours.text, rng.uniform(0.1, 0.3))
    for tick in range(ticks + 1):
        y = bottom - (bottom - top) * tick / ticks
        if grid != "none":
            canvas.line([(left, y), (right, y)], faint, width=thin, dash=dash)
        canvas.line([(left - size / 3, y), (left, y)], colours.text, width=thin)
        texts.append(_Text((left - size / 2, y), f"{tick * step:g}", plot.face, size * 0.9, colours.text, "rm"))
    count = rng.randint(3, 9)
    series = rng.randint(1, 4)
    dates = rng.random() < 0.3
    for place in range(count):
        x = left + (right - left) * (place + 0.5) / count
        if grid == "both":
            canvas.line([(x, top), (x, bottom)], faint, width=thin, dash=dash)
        canvas.line([(x, bottom), (x, bottom + size / 3)], colours.text, width=thin)
        words = str(2000 + place) if dates else plot.writer.label()[: rng.randint(2, 5)]
        if canvas.text_width(words, plot.face, size) * 1.2 < (right - left) / count:
            texts.append(_Text((x, bottom + size / 2), words, plot.face, size * 0.9, colours.text, "ma"))
    rng.choice([_bars, _bars, _lines, _lines, _area, _points])(plot, inner, count, series)
    edge: Colour = colours.text
    if rng.random() < 0.5:
        canvas.frame(inner, edge, width=thin)
    else:
        canvas.line([(left, top), (left, bottom), (right, bottom)], edge, width=thin)
    bold = plot.scene.fonts.variant(plot.face, bold=rng.random() < 0.5)
    middle = (left + right) / 2
    texts.append(_Text((middle, box[1] + size / 2), plot.writer.title(4), bold, size * 1.3, colours.text, "ma"))
    texts.append(_Text((middle, box[3] - size * 1.4), plot.writer.title(2), plot.face, size, colours.text, "ma"))
    texts.append(
        _Text((box[0] + size, (top + bottom) / 2), plot.writer.title(2), plot.face, size, colours.text, "mm", 90)
    )
    if series > 1 and rng.random() < 0.8 and right - left > 14 * size:
        texts += _legend(plot, (right - 8 * size, top + size / 2), series)
    return texts


def _legend(plot: _Plot, at: tuple[float, float], count: int) -> list[_Text]:
    """A legend: the meaning of the colours, in a box."""
    canvas, colours, size = plot.canvas, plot.colours, plot.size
    box = (at[0], at[1], at[0] + 7.5 * size, at[1] + (count * 1.4 + 0.6) * size)
    canvas.rectangle(box, colours.ground, outline=colours.border, width=plot.thin)
    texts: list[_Text] = []
    for number in range(count):
        y = at[1] + (1 + 1.4 * number) * size
        mark = (at[0] + size / 2, y - size / 3, at[0] + 1.7 * size, y + size / 3)
        canvas.rectangle(mark, colours.palette[number])
        words = plot.writer.label()[:9]
        texts.append(_Text((at[0] + 2.2 * size, y), words, plot.face, size * 0.9, colours.text, "lm"))
    return texts


def _bars(plot: _Plot, box: Box, count: int, series: int) -> None:
    rng, canvas = plot.scene.rng, plot.canvas
    left, top, right, bottom = box
    pitch = (right - left) / count
    thick = pitch * rng.uniform(0.5, 0.9)
    stacked, outlined = rng.random() < 0.3, rng.random() < 0.3
    for place in range(count):
        base = bottom
        start = left + place * pitch + (pitch - thick) / 2
        for number in range(series):
            high = (bottom - top) * rng.uniform(0.05, 0.95) / (series if stacked else 1)
            x, wide = (start, thick) if stacked else (start + thick * number / series, thick / series)
            outline = plot.colours.text if outlined else None
            canvas.rectangle(
                (x, base - high, x + wide, base), plot.colours.palette[number], outline=outline, width=plot.thin
            )
            base = base - high if stacked else bottom


def _walk(plot: _Plot, box: Box, count: int) -> list[tuple[float, float]]:
    """Points of a random walk."""
    rng = plot.scene.rng
    left, top, right, bottom = box
    value, points, rough = rng.random(), [], rng.uniform(0.02, 0.3)
    for place in range(count):
        points.append((left + (right - left) * place / (count - 1), bottom - (bottom - top) * (0.05 + 0.9 * value)))
        value = min(max(value + rng.uniform(-rough, rough), 0), 1)
    return points


def _lines(plot: _Plot, box: Box, count: int, series: int) -> None:
    rng, canvas = plot.scene.rng, plot.canvas
    count = rng.choice([count + 1, 40, 150])
    width, marked = plot.scene.zoom * rng.choice([0.7, 1, 1.5, 2.5]), count < 20 and rng.random() < 0.6
    for number in range(series):
        points, colour = _walk(plot, box, count), plot.colours.palette[number]
        canvas.line(points, colour, width=width, dash=plot.size / 2 if rng.random() < 0.2 and count < 50 else 0)
        for x, y in points if marked else []:
            radius = max(1.5, width * 1.8)
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def _area(plot: _Plot, box: Box, count: int, series: int) -> None:
    for number in range(series):
        points, colour = _walk(plot, box, 30), plot.colours.palette[number]
        fill = mixed(plot.colours.ground, colour, 0.5)
        plot.canvas.polygon([*points, (box[2], box[3]), (box[0], box[3])], fill)
        plot.canvas.line(points, colour, width=plot.scene.zoom * 1.5)


def _points(plot: _Plot, box: Box, count: int, series: int) -> None:
    rng, canvas = plot.scene.rng, plot.canvas
    radius = plot.scene.zoom * rng.uniform(1, 4)
    left, top, right, bottom = box
    for number in range(series):
        x0, y0, spread = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.3)
        kind, colour = rng.choice(["disc", "ring", "square", "cross"]), plot.colours.palette[number]
        for _ in range(rng.randint(10, 60)):
            x = left + (right - left) * min(max(x0 + spread * rng.uniform(-1, 1), 0), 1)
            y = top + (bottom - top) * min(max(y0 + spread * rng.uniform(-1, 1), 0), 1)
            mark = (x - radius, y - radius, x + radius, y + radius)
            if kind == "disc":
                canvas.ellipse(mark, colour)
            elif kind == "ring":
                canvas.ring(mark, colour, width=plot.thin)
            elif kind == "square":
                canvas.rectangle(mark, colour)
            else:
                canvas.line([mark[:2], mark[2:]], colour, width=plot.thin)
                canvas.line([(mark[0], mark[3]), (mark[2], mark[1])], colour, width=plot.thin)


def _pie(plot: _Plot, box: Box) -> list[_Text]:
    rng, canvas, size, colours = plot.scene.rng, plot.canvas, plot.size, plot.colours
    shares = [rng.uniform(0.3, 1) for _ in range(rng.randint(3, 7))]
    radius = min(box[2] - box[0], box[3] - box[1] - 3 * size) * 0.36
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3] + 2 * size) / 2
    start = rng.uniform(0, 360)
    texts: list[_Text] = []
    edged = rng.random() < 0.6
    for number, share in enumerate(shares):
        end = start + 360 * share / sum(shares)
        canvas.sector((x - radius, y - radius, x + radius, y + radius), colours.palette[number], start, end)
        turn = math.radians((start + end) / 2)
        at = (x + radius * 1.18 * math.cos(turn), y + radius * 1.18 * math.sin(turn))
        texts.append(_Text(at, f"{100 * share / sum(shares):.0f}%", plot.face, size, colours.text, "mm"))
        start = end
    for share in shares if edged else []:
        start += 360 * share / sum(shares)
        turn = math.radians(start)
        canvas.line(
            [(x, y), (x + radius * math.cos(turn), y + radius * math.sin(turn))], colours.ground, width=plot.thin * 2
        )
    if rng.random() < 0.3:
        hole = radius * rng.uniform(0.4, 0.7)
        canvas.ellipse((x - hole, y - hole, x + hole, y + hole), colours.ground)
    middle = (box[0] + box[2]) / 2
    texts.append(_Text((middle, box[1] + size / 2), plot.writer.title(4), plot.face, size * 1.3, colours.text, "ma"))
    return texts
