"""One noise field for a whole picture, of which all tiles use their parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from deltasr.arguments import is_whole, shown
from deltasr.errors import SettingError

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 64
_LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class NoiseField:
    """Standard normal noise on an endless grid: a function of seed, step and position only.

    The grid is drawn in blocks from a counter-based generator (Philox), with seed and step as its key and the block's
    place as its counter. So any part can be drawn alone, equals the same part of the whole, and takes memory for itself
    only. No state is kept.

    Called with a step t and a tensor (N, C, h, w), it gives the noise of `x_t` there: that shape, type and device, the
    same for all N.

    Attributes:
        seed: from 0 to 2^64 - 1.
        top, left: the position of the upper left value of what is drawn, at least 0.

    Raises:
        SettingError: the seed or the position is out of range.
    """

    seed: int = 0
    top: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        if not (is_whole(self.seed) and 0 <= self.seed <= _LARGEST_SEED):
            raise SettingError(f"{shown(self.seed)} is not a seed; give a whole number from 0 to {_LARGEST_SEED}.")
        if self.top < 0 or self.left < 0:
            raise SettingError(f"Noise begins at row 0 and column 0, not at {self.top}, {self.left}.")

    def at(self, top: int, left: int) -> NoiseField:
        """The same noise as seen from another position."""
        return replace(self, top=top, left=left)

    def __call__(self, t: int, like: Tensor) -> Tensor:
        import torch

        channels, height, width = like.shape[1:]
        values = np.empty((channels, height, width), np.float32)
        for block_row in range(self.top // _BLOCK, (self.top + height - 1) // _BLOCK + 1):
            for block_column in range(self.left // _BLOCK, (self.left + width - 1) // _BLOCK + 1):
                block = self._block(t, block_row, block_column, channels)
                rows, block_rows = _overlap(block_row, self.top, height)
                columns, block_columns = _overlap(block_column, self.left, width)
                values[:, rows, columns] = block[:, block_rows, block_columns]
        return torch.from_numpy(values).to(like).expand(like.shape)

    def _block(self, t: int, row: int, column: int, channels: int) -> np.ndarray:
        key, counter = (np.array(words, np.uint64) for words in ([self.seed, t], [0, 0, row, column]))
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        return generator.standard_normal((channels, _BLOCK, _BLOCK), dtype=np.float32)


def _overlap(block: int, start: int, length: int) -> tuple[slice, slice]:
    """The slice of an axis of the drawn noise that a block covers, and the slice of the block there."""
    first, last = max(block * _BLOCK, start), min((block + 1) * _BLOCK, start + length)
    return slice(first - start, last - start), slice(first - block * _BLOCK, last - block * _BLOCK)
