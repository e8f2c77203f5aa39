from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltasr.imaging import alpha as alpha_module
from deltasr.imaging import colour, fill_transparent
from deltasr.imaging.alpha import over_white

BOTH_DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def half_hidden(dtype) -> tuple[np.ndarray, np.ndarray]:
    """A flat orange square in the middle, transparent black around it."""
    top = np.iinfo(dtype).max
    pixels = np.zeros((37, 53, 3), dtype)
    alpha = np.zeros((37, 53), dtype)
    pixels[10:20, 20:30] = top, top // 2, 7
    alpha[10:20, 20:30] = top
    return pixels, alpha


@BOTH_DEPTHS
def test_flat_colour_spreads_exactly(dtype):
    pixels, alpha = half_hidden(dtype)
    filled = fill_transparent(pixels, alpha)
    assert filled.dtype == dtype
    assert (filled == pixels[15, 25]).all()


@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 10**6),
    visible=st.floats(0.02, 0.98),
)
def test_visible_pixels_stay_and_the_rest_lies_among_them(height, width, channels, seed, visible):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, channels)).astype(np.uint8)
    alpha = (random.random((height, width)) < visible) * random.integers(1, 256, (height, width))
    alpha = alpha.astype(np.uint8)
    before = pixels.copy()
    filled = fill_transparent(pixels, alpha)
    assert np.array_equal(pixels, before)
    shown = alpha != 0
    assert np.array_equal(filled[shown], pixels[shown])
    if shown.any():
        assert (filled >= pixels[shown].min(0)).all()
        assert (filled <= pixels[shown].max(0)).all()


def test_near_neighbours_count_most():
    pixels = np.zeros((8, 64, 1), np.uint8)
    pixels[:, 32:] = 200
    alpha = np.full((8, 64), 255, np.uint8)
    alpha[:, 4:12] = alpha[:, 50:58] = 0
    filled = fill_transparent(pixels, alpha)
    assert (filled[:, :20] < 5).all()
    assert (filled[:, 45:] > 195).all()


def test_nothing_to_do_returns_the_same_array():
    pixels, alpha = half_hidden(np.uint8)
    assert fill_transparent(pixels, np.zeros_like(alpha)) is pixels
    assert fill_transparent(pixels, np.full_like(alpha, 1)) is pixels


def test_blocks_of_rows_leave_no_trace(monkeypatch):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 65536, (301, 97, 3)).astype(np.uint16)
    alpha = random.integers(0, 4, (301, 97)).astype(np.uint16) * 20000
    alpha[100:220] = 0
    whole = fill_transparent(pixels, alpha), over_white(pixels, alpha), colour.as_8_bits(pixels)
    monkeypatch.setattr(colour, "_BLOCK_VALUES", 97 * 3 * 7)
    monkeypatch.setattr(alpha_module, "_BLOCK_VALUES", 97 * 3 * 6)
    pieces = fill_transparent(pixels, alpha), over_white(pixels, alpha), colour.as_8_bits(pixels)
    for one, other in zip(whole, pieces, strict=True):
        assert np.array_equal(one, other)


@BOTH_DEPTHS
def test_over_white(dtype):
    top = int(np.iinfo(dtype).max)
    random = np.random.default_rng(0)
    pixels = random.integers(0, top + 1, (40, 40, 3)).astype(dtype)
    alpha = random.integers(0, top + 1, (40, 40)).astype(dtype)
    alpha.flat[:3] = 0, top, 1
    share = alpha[..., None] / top
    assert np.array_equal(over_white(pixels, alpha), np.rint(pixels * share + top * (1 - share)).astype(dtype))
