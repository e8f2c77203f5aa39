from __future__ import annotations

import numpy as np

from deltasr.imaging.colour import as_8_bits, row_blocks


def test_every_16_bit_level_is_rounded_to_the_nearest():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(as_8_bits(levels), np.rint(levels / 257).astype(np.uint8))


def test_8_bits_and_back_is_the_identity():
    levels = np.arange(256, dtype=np.uint16)[:, None] * 257
    assert np.array_equal(as_8_bits(levels)[:, 0], np.arange(256))
    eight = np.zeros((2, 2), np.uint8)
    assert as_8_bits(eight) is eight


def test_row_blocks_cover_every_row_once():
    array = np.zeros((1000, 10_000, 1), np.uint8)
    rows = [row for block in row_blocks(array) for row in range(block.start, block.stop)]
    assert rows == list(range(1000))
