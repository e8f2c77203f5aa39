"""What every kind of picture is drawn from: a generator, a size, fonts and pictures to lay under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from deltasr.training.data.graphics.canvas import Canvas, Colour, Lettering
from deltasr.training.data.graphics.fonts import Face, FontSet
from deltasr.training.data.graphics.words import Writer

_MOST_PIXELS = 24_000_000
_LETTERINGS: tuple[tuple[Lettering, float], ...] = (
    ("hinted", 0.35),
    ("smooth", 0.3),
    ("subpixel", 0.2),
    ("sharp", 0.15),
)


@dataclass(frozen=True)
class Scene:
    """The means to draw one picture.

    Attributes:
        rng: where all its choices come from.
        width, height: in pixels.
        zoom: pixels of the picture for one unit of its design, in which small print is 9 to 12 units high: 1 for an
            old screen, 2 to 3 for a new one or a drawing that is shown large.
        fonts: the faces it may use.
        backgrounds: (H, W, 3) uint8 pictures to lay under text; it draws its own where there are none.
    """

    rng: Random
    width: int
    height: int
    zoom: float
    fonts: FontSet
    backgrounds: Sequence[np.ndarray] = ()

    def screen(self, ground: Colour | Image.Image) -> Canvas:
        """A canvas as screens are: at its final size, with letters of one kind, seldom without any smooth edge."""
        letterings, weights = zip(*_LETTERINGS, strict=True)
        lettering = self.rng.choices(letterings, weights)[0]
        smooth = lettering != "sharp" or self.rng.random() < 0.3
        return Canvas(self.width, self.height, ground, smooth=smooth, lettering=lettering)

    def drawing(self, ground: Colour | Image.Image) -> Canvas:
        """A canvas for what is drawn larger and reduced; seldom drawn as it is, with hard edges."""
        if self.rng.random() < 0.08:
            return Canvas(self.width, self.height, ground, smooth=False, lettering="sharp")
        oversampling = self.rng.choice([2, 3, 4, 4])
        while oversampling > 1 and self.width * self.height * oversampling**2 > _MOST_PIXELS:
            oversampling -= 1
        lettering: Lettering = self.rng.choice(["hinted", "smooth", "smooth"])
        return Canvas(self.width, self.height, ground, oversampling=oversampling, lettering=lettering)

    def text_size(self, low: float, high: float, *, across: float, down: float = 4) -> float:
        """A size of text in pixels, between two at zoom 1, at most so small a part of the width and of the height."""
        return min(self.rng.uniform(low, high) * self.zoom, self.width / across, self.height / down)

    def reduce(self, canvas: Canvas) -> None:
        """Bring a drawing to its final size, by one of the filters that programs use."""
        filters = [Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
        canvas.reduce(self.rng.choices(filters, [0.7, 0.15, 0.15])[0])

    def face(self, *, monospaced: bool = False) -> Face:
        """An upright face; a monospaced one now and then if none is asked for."""
        return self.fonts.any(self.rng, monospaced=monospaced or self.rng.random() < 0.06)

    def written(self, *, monospaced: bool = False) -> tuple[Face, Writer]:
        """A face, and a writer in a language that it has the letters of."""
        face = self.face(monospaced=monospaced)
        return face, Writer.for_alphabets(self.rng, face.alphabets)
