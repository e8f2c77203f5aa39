"""How many bytes of tensors a run holds."""

from __future__ import annotations

import torch

from deltasr.live_bytes import bytes_per_pixel


def test_bytes_are_counted_as_long_as_they_live():
    def run(side: int) -> None:
        kept = torch.zeros(2, side, side)
        for _ in range(3):
            kept = kept + 1

    assert bytes_per_pixel(run, side=16) == 2 * 2 * 4


def test_views_and_results_written_in_place_take_no_memory():
    def run(side: int) -> None:
        values = torch.zeros(side, side)
        values.add_(1).view(-1)[::2].mul_(2)

    assert bytes_per_pixel(run) == 4
