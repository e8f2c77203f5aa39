"""How much of each tile is in the strip that two tiles share."""

from __future__ import annotations

import pytest
import torch

from deltasr.inference.blending import weights
from deltasr.inference.tiling import Axis, Span


def spans(**settings: int) -> list[Span]:
    return list(Axis(**{"length": 40, "size": 160, "scale": 4, "overlap": 3, "fade": 2, **settings}).spans(10))


def test_a_tile_s_share_rises_evenly_from_pixel_centre_to_pixel_centre():
    """The strip of 16 pixels is 1/32 to 31/32 the second tile's: neither tile is alone at any pixel of it."""
    first, second, *_ = spans()
    rising = (torch.arange(16) + 0.5) / 16
    assert (first.fade_in, first.fade_out, second.fade_in) == (0, 16, 16)
    torch.testing.assert_close(weights(second)[:16], rising)
    torch.testing.assert_close(weights(first)[-16:], 1 - rising)
    assert (weights(first)[:-16] == 1).all()


@pytest.mark.parametrize("size", [160, 97, 233])
def test_a_strip_treats_both_its_tiles_alike(size: int):
    """Seen from the other end of the picture, the same weights: a share that leans to one side would not be."""
    for before, after in zip(spans(size=size)[:-1], spans(size=size)[1:], strict=True):
        shared = weights(after)[: after.fade_in]
        torch.testing.assert_close(shared.flip(0), 1 - shared)
        torch.testing.assert_close(weights(before)[len(weights(before)) - before.fade_out :], shared.flip(0))
