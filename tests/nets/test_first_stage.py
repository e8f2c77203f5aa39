"""The first stage loses nothing, and its bicubic upsampling is everybody else's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deltasr.nets.first_stage import BicubicCode, decode, encode
from deltasr.resampling.tensors import imresize


def picture(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@settings(deadline=None, max_examples=30)
@given(
    batch=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9), scale=st.integers(1, 5),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
)  # fmt: skip
def test_code_and_picture_are_the_same_numbers(batch: int, height: int, width: int, scale: int, dtype: torch.dtype):
    hr = picture(batch, 3, scale * height, scale * width).to(dtype)
    code = encode(hr, scale)
    assert code.shape == (batch, 3 * scale**2, height, width)
    assert torch.equal(decode(code, scale), hr)
    assert torch.equal(encode(decode(code, scale), scale), code)


def test_channels_are_colour_then_row_then_column():
    hr = picture(1, 3, 8, 12)
    code = encode(hr, 4)
    for colour, row, column in ((0, 0, 0), (1, 2, 3), (2, 3, 1)):
        assert torch.equal(code[0, colour * 16 + row * 4 + column], hr[0, colour, row::4, column::4])


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_upsampling_is_imresize_away_from_the_borders(scale: int):
    lr = picture(2, 3, 9, 11)
    found = decode(BicubicCode(scale=scale)(lr), scale)
    inside = (..., slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    torch.testing.assert_close(found[inside], imresize(lr, scale=scale)[inside], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (9, 11)])
def test_upsampling_is_torch_s_with_border_values_repeated(scale: int, size: tuple[int, int]):
    lr = picture(2, 3, *size)
    around = F.interpolate(
        F.pad(lr, (4,) * 4, mode="replicate"), scale_factor=scale, mode="bicubic", antialias=True, align_corners=False
    )
    found = decode(BicubicCode(scale=scale)(lr), scale)
    expected = around[..., 4 * scale : -4 * scale, 4 * scale : -4 * scale]
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_one_pixel_becomes_one_colour():
    lr = picture(1, 3, 1, 1)
    torch.testing.assert_close(decode(BicubicCode(scale=4)(lr), 4), lr.expand(1, 3, 4, 4), atol=1e-6, rtol=0)


def test_upsampling_has_no_weights_to_save_or_train():
    upsample = BicubicCode(scale=4)
    assert not list(upsample.parameters())
    assert not upsample.state_dict()


def test_autocast_does_not_reach_inside():
    lr = picture(1, 3, 6, 5)
    upsample = BicubicCode(scale=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = upsample(lr)
    assert under.dtype == torch.float32
    assert torch.equal(under, upsample(lr))


def test_upsampling_follows_the_picture_s_type():
    lr = picture(1, 3, 6, 5, dtype=torch.float64)
    found = BicubicCode(scale=4)(lr)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, BicubicCode(scale=4)(lr.float()).double(), atol=1e-6, rtol=0)
