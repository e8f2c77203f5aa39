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
def test_pixels_move_less_than_shows_and_stay_among_the_visible_ones(height, width, channels, seed, visible):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, channels)).astype(np.uint8)
    alpha = (random.random((height, width)) < visible) * random.integers(1, 256, (height, width))
    alpha = alpha.astype(np.uint8)
    before = pixels.copy()
    filled = fill_transparent(pixels, alpha)
    assert np.array_equal(pixels, before)
    shown = alpha != 0
    opaque = alpha == 255
    assert np.array_equal(filled[opaque], pixels[opaque])
    moved = np.abs(filled.astype(float) - pixels).max(2)[shown]
    assert (moved <= 255 / alpha[shown] - 1 + 0.5).all()
    if shown.any():
        assert (filled >= pixels[shown].min(0)).all()
        assert (filled <= pixels[shown].max(0)).all()


@BOTH_DEPTHS
@pytest.mark.parametrize("rounding", [np.rint, np.floor])
def test_what_rounding_did_to_a_flat_colour_is_taken_back(dtype, rounding):
    """A disc with a soft edge, premultiplied in 8 bits: off by up to 127 levels (rounded) or 230 (cut off)."""
    colour = np.array([230, 120, 30])
    y, x = np.mgrid[:48, :48] - 23.5
    alpha = np.rint(np.clip((20 - np.hypot(y, x)) / 8, 0, 1) * 255)[..., None]
    premultiplied = rounding(colour * alpha / 255)
    stored = np.where(alpha > 0, np.rint(premultiplied * 255 / np.maximum(alpha, 1)), 0).clip(0, 255)
    step = np.iinfo(dtype).max // 255
    pixels, opacity = stored.astype(dtype) * dtype(step), alpha[..., 0].astype(dtype) * dtype(step)
    off = np.abs(fill_transparent(pixels, opacity) / step - colour)
    assert np.abs(stored - colour)[opacity > 0].max() > 20
    assert off.max() <= (1.5 if rounding is np.rint else 6)


def test_detail_in_half_transparent_pictures_stays():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    filled = fill_transparent(pixels, np.full((40, 40), 128, np.uint8))
    assert np.abs(filled.astype(int) - pixels).max() <= 1


@pytest.mark.parametrize("axis", [0, 1])
def test_colours_come_from_both_sides_alike(axis: int):
    """A picture seen in a mirror is filled as the picture is: enlarging the smaller ones moves nothing to one side."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 65536, (64, 32, 3)).astype(np.uint16)
    alpha = (random.random((64, 32)) < 0.2).astype(np.uint16) * 65535
    filled = fill_transparent(pixels, alpha).astype(int)
    seen = fill_transparent(np.flip(pixels, axis).copy(), np.flip(alpha, axis).copy()).astype(int)
    assert np.abs(np.flip(seen, axis) - filled).max() <= 1


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
    assert fill_transparent(pixels, np.full_like(alpha, np.iinfo(alpha.dtype).max)) is pixels


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
