"""How much of each tile is in the strip that two tiles share."""

from __future__ import annotations

import numpy as np
import pytest

from deltasr.inference.blending import weights
from deltasr.inference.tiling import Axis, Span


def spans(**settings: int) -> list[Span]:
    return list(Axis(**{"length": 40, "size": 160, "scale": 4, "overlap": 3, "fade": 2, **settings}).spans(10))


def test_a_tile_s_share_rises_evenly_from_pixel_centre_to_pixel_centre():
    """The strip of 16 pixels is 1/32 to 31/32 the second tile's: neither tile is alone at any pixel of it."""
    first, second, *_ = spans()
    rising = (np.arange(16, dtype=np.float32) + 0.5) / 16
    assert (first.fade_in, first.fade_out, second.fade_in) == (0, 16, 16)
    np.testing.assert_allclose(weights(second)[:16], rising, rtol=1e-6)
    np.testing.assert_allclose(weights(first)[-16:], 1 - rising, rtol=1e-6)
    assert (weights(first)[:-16] == 1).all()


@pytest.mark.parametrize("size", [160, 97, 233])
def test_a_strip_treats_both_its_tiles_alike(size: int):
    """Seen from the other end of the picture, the same weights: a share that leans to one side would not be."""
    for before, after in zip(spans(size=size)[:-1], spans(size=size)[1:], strict=True):
        shared = weights(after)[: after.fade_in]
        np.testing.assert_allclose(shared[::-1], 1 - shared, rtol=1e-6)
        np.testing.assert_allclose(weights(before)[len(weights(before)) - before.fade_out :], shared[::-1], rtol=1e-6)
