"""A canvas with the edges and letters of screens and of drawing programs: smoothed or not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from deltasr.training.data.graphics.fonts import Face

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom; right and bottom are the first outside."""

Lettering = Literal["hinted", "sharp", "smooth", "subpixel"]
"""How letters are rasterised: hinted with greys, hinted without greys, not hinted, or with subpixel colours."""

_FINE = 4
_LARGE = 64
"""Letters from this size in pixels on are drawn at half the oversampling, without a visible difference."""
_LEAST_SIZE = 5.0
_SUBPIXELS = (1, 2, 3, 2, 1)
"""Filter weights of subpixel letters, roughly those of FreeType's default filter."""

_Place = Callable[[float, float], Point]


class Canvas:
    """A picture to draw on, in pixels of the final picture.

    Args:
        width, height: in pixels.
        ground: the colour that it is filled with, or a picture of that size.
        oversampling: factor by which everything is drawn larger until `reduce`.
        smooth: whether edges are smooth where nothing is oversampled.
        lettering: how letters are rasterised where nothing is oversampled.
    """

    def __init__(
        self,
        width: int,
        height: int,
        ground: Colour | Image.Image,
        *,
        oversampling: int = 1,
        smooth: bool = True,
        lettering: Lettering = "hinted",
    ) -> None:
        self.width, self.height, self.oversampling = width, height, oversampling
        self.smooth, self.lettering = smooth, lettering
        size = (width * oversampling, height * oversampling)
        if isinstance(ground, Image.Image):
            self.image = ground.convert("RGB") if oversampling == 1 else ground.resize(size, Image.Resampling.BICUBIC)
        else:
            self.image = Image.new("RGB", size, ground)
        self._draw = ImageDraw.Draw(self.image)

    def reduce(self, filter: Image.Resampling = Image.Resampling.BOX) -> None:
        """Reduce an oversampled canvas to the final size; later shapes are drawn at that size."""
        if self.oversampling > 1:
            box = filter == Image.Resampling.BOX
            size = (self.width, self.height)
            self.image = self.image.reduce(self.oversampling) if box else self.image.resize(size, filter)
            self.oversampling = 1
            self._draw = ImageDraw.Draw(self.image)

    @contextmanager
    def inside(self, box: Box) -> Iterator[None]:
        """A context in which drawing changes nothing outside a box."""
        before = self.image.copy()
        yield
        left, top, right, bottom = (round(edge * self.oversampling) for edge in box)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.image.width), min(bottom, self.image.height)
        kept = self.image.crop((left, top, right, bottom)) if right > left and bottom > top else None
        self.image.paste(before)
        if kept is not None:
            self.image.paste(kept, (left, top))

    def rectangle(
        self,
        box: Box,
        fill: Colour | Image.Image | None = None,
        *,
        outline: Colour | None = None,
        width: float = 1,
        radius: float = 0,
    ) -> None:
        """A rectangle, its corners rounded; the outline lies inside. A picture as fill is fitted to it."""
        if outline is not None:
            self.rectangle(box, outline, radius=radius)
            box = (box[0] + width, box[1] + width, box[2] - width, box[3] - width)
            radius = max(0.0, radius - width)
        if fill is None or box[2] - box[0] < 1 / _FINE or box[3] - box[1] < 1 / _FINE:
            return
        least = min(box[2] - box[0], box[3] - box[1]) / 2

        def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
            (left, top), (right, bottom) = place(box[0], box[1]), place(box[2], box[3])
            left, top = round(left), round(top)
            corners = (left, top, max(left, round(right) - 1), max(top, round(bottom) - 1))
            if radius > 0:
                draw.rounded_rectangle(corners, min(radius, least) * scale, fill=ink)
            else:
                draw.rectangle(corners, fill=ink)

        self._paint(box, fill, paint)

    def frame(self, box: Box, colour: Colour, *, width: float = 1, radius: float = 0) -> None:
        """The outline of a rectangle, nothing inside it."""

        def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
            (left, top), (right, bottom) = place(box[0], box[1]), place(box[2], box[3])
            left, top = round(left), round(top)
            corners = (left, top, max(left, round(right) - 1), max(top, round(bottom) - 1))
            draw.rounded_rectangle(corners, radius * scale, outline=ink, width=max(1, round(width * scale)))

        self._paint(box, colour, paint)

    def ellipse(
        self, box: Box, fill: Colour | Image.Image | None, *, outline: Colour | None = None, width: float = 1
    ) -> None:
        """An ellipse that fills a box; the outline lies inside."""
        if outline is not None and fill is None:
            self.ring(box, outline, width=width)
            return
        if outline is not None:
            self.ellipse(box, outline)
            box = (box[0] + width, box[1] + width, box[2] - width, box[3] - width)
        if fill is None or box[2] <= box[0] or box[3] <= box[1]:
            return

        def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
            draw.ellipse((*place(box[0], box[1]), *place(box[2], box[3])), fill=ink)

        self._paint(box, fill, paint)

    def ring(self, box: Box, colour: Colour, *, width: float = 1, start: float = 0, end: float = 360) -> None:
        """The outline of an ellipse that fills a box, or an arc of it: degrees clockwise from the right."""

        def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
            corners = (*place(box[0], box[1]), *place(box[2], box[3]))
            draw.arc(corners, start, end, fill=ink, width=max(1, round(width * scale)))

        self._paint(box, colour, paint)

    def sector(self, box: Box, colour: Colour, start: float, end: float) -> None:
        """A piece of the pie that fills a box, in degrees clockwise from the right."""

        def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
            draw.pieslice((*place(box[0], box[1]), *place(box[2], box[3])), start, end, fill=ink)

        self._paint(box, colour, paint)

    def polygon(
        self,
        points: Sequence[Point],
        fill: Colour | Image.Image | None,
        *,
        outline: Colour | None = None,
        width: float = 1,
    ) -> None:
        """A closed shape; the outline runs along its edge."""
        if fill is not None:

            def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
                draw.polygon([place(*point) for point in points], fill=ink)

            self._paint(_bounds(points), fill, paint)
        if outline is not None:
            self.line([*points, points[0], points[1]], outline, width=width)

    def line(
        self, points: Sequence[Point], colour: Colour, *, width: float = 1, dash: float = 0, round_ends: bool = False
    ) -> None:
        """A line through points, its bends rounded; with `dash`, in pieces of that length with gaps as long."""
        pieces = [points] if not dash else _dashes(points, dash)
        half = width / 2

        def paint(draw: ImageDraw.ImageDraw, place: _Place, scale: int, ink: Colour | int) -> None:
            for piece in pieces:
                placed = [place(*point) for point in piece]
                draw.line(placed, fill=ink, width=max(1, round(width * scale)), joint="curve")
                if round_ends:
                    radius = half * scale
                    for x, y in (placed[0], placed[-1]):
                        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)

        left, top, right, bottom = _bounds(points)
        self._paint((left - width, top - width, right + width, bottom + width), colour, paint)

    def shadow(self, box: Box, *, radius: float, blur: float, strength: float) -> None:
        """A soft dark shape under a rectangle that is drawn afterwards."""
        scale = self.oversampling
        reach = 3 * blur
        left, top = (math.floor((edge - reach) * scale) for edge in box[:2])
        right, bottom = (math.ceil((edge + reach) * scale) for edge in box[2:])
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.image.width), min(bottom, self.image.height)
        if right <= left or bottom <= top:
            return
        mask = Image.new("L", (right - left, bottom - top))
        inside = [edge * scale - start for edge, start in zip(box, (left, top, left, top), strict=True)]
        ImageDraw.Draw(mask).rounded_rectangle(inside, radius * scale, fill=round(255 * strength))
        self.image.paste((0, 0, 0), (left, top), mask.filter(ImageFilter.GaussianBlur(blur * scale)))

    def paste(self, picture: Image.Image, at: Point) -> None:
        """A picture, in pixels of the final one."""
        scale = self.oversampling
        if scale > 1:
            picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
        self.image.paste(picture, (round(at[0] * scale), round(at[1] * scale)))

    def text_width(self, words: str, face: Face, size: float) -> float:
        """How wide words are in a face at a size in pixels."""
        return face.at(max(size, _LEAST_SIZE) * self.oversampling).getlength(words) / self.oversampling

    def fitting(self, words: str, face: Face, size: float, room: float) -> str:
        """As many of the words as fit, with dots for the rest; none if even one is too wide."""
        parts = words.split(" ")
        shown = words
        while parts and self.text_width(shown, face, size) > room:
            parts.pop()
            shown = " ".join(parts) + "..."
        return shown if parts else ""

    def text(
        self,
        at: Point,
        words: str,
        face: Face,
        size: float,
        colour: Colour,
        *,
        anchor: str = "la",
        angle: float = 0,
        outline: Colour | None = None,
        outline_width: float = 0,
    ) -> None:
        """A line of text.

        Args:
            at: position of its anchor.
            words: without line feeds.
            face: its font.
            size: in pixels.
            colour: of the letters.
            anchor: Pillow's two letters, such as `la` for left and top, `mm` for the middle.
            angle: degrees against the clock, about the middle of the text.
            outline: of the letters.
            outline_width: in pixels.
        """
        size = max(size, _LEAST_SIZE)
        if not words.strip():
            return
        scale = self.oversampling
        if outline is not None:
            stroke = max(1, round(outline_width * scale))
            self._letters(at, words, face, size, outline, anchor, angle, stroke)
        self._letters(at, words, face, size, colour, anchor, angle, 0)

    def _letters(
        self, at: Point, words: str, face: Face, size: float, colour: Colour, anchor: str, angle: float, stroke: int
    ) -> None:
        scale = self.oversampling
        plain = not angle and (scale > 1 or self.lettering in ("hinted", "sharp"))
        if plain:
            self._draw.fontmode = "1" if scale == 1 and self.lettering == "sharp" else "L"
            place = (round(at[0] * scale), round(at[1] * scale))
            self._draw.text(place, words, colour, face.at(size * scale), anchor=anchor, stroke_width=stroke)
            return
        subpixel = scale == 1 and not angle and self.lettering == "subpixel"
        finer = 1 if scale > 1 else 3 if subpixel else _FINE if size < _LARGE else _FINE // 2
        fine = scale * finer
        font = face.at(size * fine)
        left, top, right, bottom = font.getbbox(words, anchor=anchor, stroke_width=stroke * finer)
        x, y = math.floor(left / finer) - 2, math.floor(top / finer) - 2
        width, height = math.ceil(right / finer) - x + 2, math.ceil(bottom / finer) - y + 2
        mask = Image.new("L", (width * finer, height * finer))
        ImageDraw.Draw(mask).text(
            (-x * finer, -y * finer), words, 255, font, anchor=anchor, stroke_width=stroke * finer
        )
        corner = (round(at[0] * scale) + x, round(at[1] * scale) + y)
        if subpixel:
            self._paste_subpixels(mask.reduce((1, finer)), corner, colour)
            return
        if angle:
            before = mask.size
            mask = mask.rotate(angle, Image.Resampling.BICUBIC, expand=True)
            shift = [(old - new) / 2 / finer for old, new in zip(before, mask.size, strict=True)]
            corner = (round(corner[0] + shift[0]), round(corner[1] + shift[1]))
        self.image.paste(colour, corner, mask.reduce(finer) if finer > 1 else mask)

    def _paste_subpixels(self, mask: Image.Image, corner: tuple[int, int], colour: Colour) -> None:
        """Subpixel letters, from a mask of three times the width: a third of a pixel for each of its colours."""
        covered = np.asarray(mask).astype(np.int32)
        padded = np.pad(covered, ((0, 0), (2, 2)))
        spread = sum(
            weight * padded[:, place : place + covered.shape[1]] for place, weight in enumerate(_SUBPIXELS)
        ) // sum(_SUBPIXELS)
        shares = np.asarray(spread).reshape(covered.shape[0], -1, 3)
        left, top = max(corner[0], 0), max(corner[1], 0)
        right = min(corner[0] + shares.shape[1], self.width)
        bottom = min(corner[1] + shares.shape[0], self.height)
        if right <= left or bottom <= top:
            return
        shares = shares[top - corner[1] : bottom - corner[1], left - corner[0] : right - corner[0]]
        under = np.asarray(self.image.crop((left, top, right, bottom))).astype(np.int32)
        mixed = (under * (255 - shares) + np.array(colour) * shares + 127) // 255
        self.image.paste(Image.fromarray(mixed.astype(np.uint8)), (left, top))

    def _paint(
        self,
        bounds: Box,
        fill: Colour | Image.Image,
        paint: Callable[[ImageDraw.ImageDraw, _Place, int, Colour | int], None],
    ) -> None:
        """Paint a shape: directly if it needs no smooth edges, through a finer mask if it does."""
        scale = self.oversampling
        direct = scale > 1 or not self.smooth
        if direct and not isinstance(fill, Image.Image):
            paint(self._draw, lambda x, y: (x * scale, y * scale), scale, fill)
            return
        left, top = (max(math.floor(edge * scale) - 1, 0) for edge in bounds[:2])
        right = min(math.ceil(bounds[2] * scale) + 1, self.image.width)
        bottom = min(math.ceil(bounds[3] * scale) + 1, self.image.height)
        if right <= left or bottom <= top:
            return
        finer = 1 if direct else _FINE
        fine = scale * finer
        mask = Image.new("L", ((right - left) * finer, (bottom - top) * finer))
        paint(ImageDraw.Draw(mask), lambda x, y: (x * fine - left * finer, y * fine - top * finer), fine, 255)
        mask = mask.reduce(finer) if finer > 1 else mask
        if isinstance(fill, Image.Image):
            whole = [round(edge * scale) for edge in bounds]
            fitted = fill.resize((max(whole[2] - whole[0], 1), max(whole[3] - whole[1], 1)), Image.Resampling.BICUBIC)
            part = (left - whole[0], top - whole[1], right - whole[0], bottom - whole[1])
            self.image.paste(fitted.crop(part), (left, top), mask)
        else:
            self.image.paste(fill, (left, top), mask)


def _bounds(points: Sequence[Point]) -> Box:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _dashes(points: Sequence[Point], length: float) -> list[list[Point]]:
    """The dashes of a line through points: every other piece of this length."""
    pieces = []
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        whole = math.hypot(to_x - x, to_y - y)
        for step in range(0, math.ceil(whole / length), 2):
            start, end = step * length / whole, min((step + 1) * length / whole, 1)
            pieces.append(
                [(x + (to_x - x) * start, y + (to_y - y) * start), (x + (to_x - x) * end, y + (to_y - y) * end)]
            )
    return pieces
