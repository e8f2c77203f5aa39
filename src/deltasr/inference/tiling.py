"""How a picture is cut into tiles.

Everything is planned for one axis at a time; a tile is a pair of spans. Along each axis a span says which
result pixels it makes, which pixels of the model's own output these need, and which LR pixels the model must
have for that: the tile with an overlap on either side, cut off at the picture's borders, so that borders are as
without tiles.

The results of models with a bounded receptive field, whose overlap is at least as large, are cropped: tiled
then equals untiled. Those of all others are cross-faded linearly where tiles meet
(`inference.blending`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from deltasr.resampling.kernels import Floats, Integers, as_matrix, resize_taps

FADE = 8
"""Half the width, in LR pixels, of the strip over which tiles of models without a receptive field are
blended."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """One tile along one axis.

    Attributes:
        core: LR pixels that no other tile has.
        result: pixels of the final picture that this tile makes; wider than its core where it is cross-faded.
        output: pixels of the model's whole output that `result` is made from.
        window: LR pixels that the model sees.
        fade_in: number of first result pixels shared with the tile before.
        fade_out: number of last result pixels shared with the tile after.
    """

    core: slice
    result: slice
    output: slice
    window: slice
    fade_in: int
    fade_out: int

    @property
    def empty(self) -> bool:
        """Whether the tile makes no pixel at all, as happens when a picture shrinks a lot."""
        return bool(self.result.start == self.result.stop)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One side of a picture on its way through a model.

    Attributes:
        length: LR pixels.
        size: pixels of the final picture.
        scale: the model's scale; where `size` is not `scale * length`, its output is resized.
        overlap: LR pixels that the model must see on either side of what is used of its output.
        multiple_of: the model's window starts must be multiples of this.
        fade: LR pixels on either side of a cut over which tiles are blended; 0 to crop them.
    """

    length: int
    size: int
    scale: int
    overlap: int
    multiple_of: int = 1
    fade: int = 0

    @property
    def resized(self) -> bool:
        """Whether the model's output has another size than the final picture."""
        return self.size != self.scale * self.length

    def first(self, tile: int, start: int = 0) -> Span:
        """The span that starts at LR pixel `start`, when the rest is cut evenly into spans of at most `tile`.

        A side that is no longer than a tile with its overlaps is not cut at all.
        """
        if start == 0 and self.length <= tile + 2 * self.overlap:
            return self._span(0, self.length)
        left = self.length - start
        return self._span(start, start + ceil(left / ceil(left / tile)))

    def spans(self, tile: int) -> Iterator[Span]:
        """All spans of a side, from the first to the last, as `first` cuts them."""
        start = 0
        while start < self.length:
            span = self.first(tile, start)
            yield span
            start = span.core.stop

    def crop(self, span: Span) -> slice:
        """Where a span's output lies in what the model makes of the span's window."""
        start = self.scale * span.window.start
        return slice(span.output.start - start, span.output.stop - start)

    def resize(self, span: Span) -> Floats | None:
        """(result, output): the matrix from a span's output to its result; None where equal."""
        if not self.resized:
            return None
        indices, weights = self._taps
        length = span.output.stop - span.output.start
        return as_matrix(indices[span.result] - span.output.start, weights[span.result], length)

    @property
    def _taps(self) -> tuple[Integers, Floats]:
        length = self.scale * self.length
        return resize_taps(length, self.size, self.size / length, True)

    def _edge(self, position: int) -> int:
        return round(min(max(position, 0), self.length) * self.size / self.length)

    def _span(self, start: int, stop: int) -> Span:
        before = self.fade if start else 0
        after = self.fade if stop < self.length else 0
        result = slice(self._edge(start - before), self._edge(stop + after))
        output = self._output(result)
        first = max(output.start // self.scale - self.overlap, 0) // self.multiple_of * self.multiple_of
        last = min(ceil(output.stop / self.scale) + self.overlap, self.length)
        return Span(
            core=slice(start, stop),
            result=result,
            output=output,
            window=slice(first, last),
            fade_in=self._edge(start + before) - result.start,
            fade_out=result.stop - self._edge(stop - after),
        )

    def _output(self, result: slice) -> slice:
        if not self.resized:
            return result
        if result.start == result.stop:
            return slice(0, 0)
        indices = self._taps[0][result]
        return slice(int(indices.min()), int(indices.max()) + 1)
