"""Pixel losses."""

from __future__ import annotations

import math

import pytest
import torch

from deltasr.training.losses import PIXEL_LOSSES, charbonnier


@pytest.mark.parametrize(
    ("name", "expected"),
    [("l1", 0.3), ("l2", 0.1), ("charbonnier", (math.hypot(0.2, 1e-3) + math.hypot(0.4, 1e-3)) / 2)],
)
def test_values(name: str, expected: float):
    prediction = torch.tensor([0.5, 0.1]).view(1, 1, 1, 2)
    target = torch.tensor([0.3, 0.5]).view(1, 1, 1, 2)
    assert PIXEL_LOSSES[name](prediction, target).item() == pytest.approx(expected, rel=1e-6)


def test_charbonnier_is_smooth_at_zero():
    prediction = torch.zeros(1, 1, 1, 1, requires_grad=True)
    charbonnier(prediction, torch.zeros(1, 1, 1, 1)).backward()
    assert prediction.grad is not None
    assert prediction.grad.item() == 0
