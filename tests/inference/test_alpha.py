"""Alpha planes keep what is flat."""

from __future__ import annotations

import torch

from deltasr.inference.alpha import keep_flat


def test_flat_neighbourhoods_keep_their_value_and_others_the_models():
    lr = torch.ones(1, 5, 6)
    lr[:, :, 4:] = 0.25
    sr = torch.full((1, 15, 18), 0.5)
    result = keep_flat(sr, lr)
    assert (result[:, :, :9] == 1).all()
    assert (result[:, :, 9:15] == 0.5).all()
    assert (result[:, :, 15:] == 0.25).all()


def test_a_single_pixel_is_flat():
    assert torch.equal(keep_flat(torch.rand(1, 2, 2), torch.ones(1, 1, 1)), torch.ones(1, 2, 2))
