"""The inputs of every kind of picture: a generator, a size, fonts and backgrounds."""

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
        rng: source of all random choices.
        width, height: in pixels.
        zoom: pixels of the picture per unit of its design, in which small print is 9 to 12 units high: 1 for an old
            screen, 2 to 3 for a new one or a drawing that is shown large.
        fonts: the available faces.
        backgrounds: (H, W, 3) uint8 pictures to lay under text; without any, backgrounds are drawn.
    """

    rng: Random
    width: int
    height: int
    zoom: float
    fonts: FontSet
    backgrounds: Sequence[np.ndarray] = ()

    def screen(self, ground: Colour | Image.Image) -> Canvas:
        """A canvas for screens: at its final size, with one kind of lettering, seldom without smooth edges."""
        letterings, weights = zip(*_LETTERINGS, strict=True)
        lettering = self.rng.choices(letterings, weights)[0]
        smooth = lettering != "sharp" or self.rng.random() < 0.3
        return Canvas(self.width, self.height, ground, smooth=smooth, lettering=lettering)

    def drawing(self, ground: Colour | Image.Image) -> Canvas:
        """A canvas for drawings: oversampled and then reduced; seldom at its final size, with hard edges."""
        if self.rng.random() < 0.08:
            return Canvas(self.width, self.height, ground, smooth=False, lettering="sharp")
        oversampling = self.rng.choice([2, 3, 4, 4])
        while oversampling > 1 and self.width * self.height * oversampling**2 > _MOST_PIXELS:
            oversampling -= 1
        lettering: Lettering = self.rng.choice(["hinted", "smooth", "smooth"])
        return Canvas(self.width, self.height, ground, oversampling=oversampling, lettering=lettering)

    def text_size(self, low: float, high: float, *, across: float, down: float = 4) -> float:
        """A random text size in pixels, between two bounds at zoom 1, limited to a part of the width and the height."""
        return min(self.rng.uniform(low, high) * self.zoom, self.width / across, self.height / down)

    def reduce(self, canvas: Canvas) -> None:
        """Reduce a drawing to its final size, by one of the filters that programs use."""
        filters = [Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
        canvas.reduce(self.rng.choices(filters, [0.7, 0.15, 0.15])[0])

    def face(self, *, monospaced: bool = False) -> Face:
        """An upright face; sometimes a monospaced one, if `monospaced` is not given."""
        return self.fonts.any(self.rng, monospaced=monospaced or self.rng.random() < 0.06)

    def written(self, *, monospaced: bool = False) -> tuple[Face, Writer]:
        """A face, and a writer in a language whose letters it has."""
        face = self.face(monospaced=monospaced)
        return face, Writer.for_alphabets(self.rng, face.alphabets)
