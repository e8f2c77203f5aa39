"""Alpha planes keep what is flat, and logos on transparency come out flat, without dots along their edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deltasr
from deltasr.imaging import Picture
from deltasr.inference.alpha import keep_flat


def test_flat_neighbourhoods_keep_their_value_and_others_the_models():
    lr = torch.full((1, 5, 6), 0.75)
    lr[:, :, 4:] = 0.25
    sr = torch.full((1, 15, 18), 0.5)
    result = keep_flat(sr, lr)
    assert (result[:, :, :9] == 0.75).all()
    assert (result[:, :, 9:15] == 0.5).all()
    assert (result[:, :, 15:] == 0.25).all()


def test_a_single_pixel_is_flat():
    assert torch.equal(keep_flat(torch.rand(1, 2, 2), torch.ones(1, 1, 1)), torch.ones(1, 2, 2))


def test_pixels_whose_neighbours_are_partly_covered_are_wholly_in_or_out():
    lr = torch.tensor([[1, 1, 0.6, 0, 0], [1, 1, 0.2, 0, 0], [1, 0.9, 0, 0, 0]])[None]
    kept = keep_flat(torch.full((1, 12, 20), 0.5), lr)[0, ::4, ::4]
    assert kept.tolist() == [[1, 1, 0.5, 0, 0], [1, 1, 0.5, 0, 0], [1, 0.5, 0, 0, 0]]


def test_where_opposites_touch_the_edge_is_the_models():
    """A staircase of a mask without anti-aliasing, which would otherwise come out as larger steps."""
    lr = torch.ones(6, 6).tril()[None]
    kept = keep_flat(torch.full((1, 24, 24), 0.5), lr)[0, ::4, ::4]
    y, x = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
    beside_an_opposite = (x == y) & (y + x > 0) & (y + x < 10) | (x == y + 1)
    assert (kept[beside_an_opposite] == 0.5).all()
    assert (kept[(y - x > 1) | (x - y > 2)] != 0.5).all()


@pytest.fixture(scope="module")
def upscaler() -> deltasr.Upscaler:
    return deltasr.Upscaler(deltasr.load("deltadiff-x4"), device="cpu")


def logo(side: int, dtype: type, colours: np.ndarray) -> Picture:
    """Rings and a bar with anti-aliased edges, in colours (side, side, 3), premultiplied in 8 bits."""
    y, x = (np.mgrid[: 8 * side, : 8 * side] + 0.5) / 8
    radius = np.hypot(y - side / 2, x - side / 2) / side
    inside = (radius < 0.45) & ~((radius > 0.2) & (radius < 0.28)) & (np.abs(x + 0.3 * y - 0.7 * side) > 0.6)
    alpha = np.rint(inside.reshape(side, 8, side, 8).mean((1, 3)) * 255)[..., None]
    stored = np.where(alpha > 0, np.rint(np.rint(colours * alpha / 255) * 255 / np.maximum(alpha, 1)), 0)
    step = dtype(np.iinfo(dtype).max // 255)
    return Picture(pixels=stored.clip(0, 255).astype(dtype) * step, alpha=alpha[..., 0].astype(dtype) * step)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colour", [(230, 120, 30), (25, 30, 60)])
def test_a_flat_logo_stays_flat(upscaler, dtype, colour):
    result = upscaler.upscale(logo(40, dtype, np.broadcast_to(colour, (40, 40, 3))))
    shown = result.alpha > 0
    assert np.abs(result.pixels / (np.iinfo(dtype).max // 255) - colour).max(2)[shown].max() <= 8


def test_a_logo_of_two_colours_is_flat_away_from_their_border(upscaler):
    colours = np.empty((40, 40, 3))
    colours[:, :20], colours[:, 20:] = (230, 120, 30), (20, 90, 200)
    result = upscaler.upscale(logo(40, np.uint8, colours))
    off = np.abs(result.pixels - colours.repeat(4, 0).repeat(4, 1)).max(2)
    away = np.abs(np.arange(160) - 79.5) > 24
    assert off[:, away][result.alpha[:, away] > 0].max() <= 8


def test_there_are_no_dots_beside_the_edge_of_a_logo(upscaler):
    """More than a pixel inside a logo its result is opaque, and more than a pixel outside it is not there."""
    picture = logo(40, np.uint8, np.broadcast_to((230, 120, 30), (40, 40, 3)))
    result = upscaler.upscale(picture).alpha
    covered = picture.alpha.astype(float)
    around = np.pad(covered, 1, mode="edge")
    beside = np.stack([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
    whole = (covered == 255) & (beside.min(0) > 0)
    none = (covered == 0) & (beside.max(0) < 255)
    large = [mask.repeat(4, 0).repeat(4, 1) for mask in (whole, none)]
    assert whole.sum() > 400
    assert none.sum() > 400
    assert (result[large[0]] == 255).all()
    assert (result[large[1]] == 0).all()
