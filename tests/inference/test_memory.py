"""What memory there is, what a run takes, and the tile that follows from both."""

from __future__ import annotations

import pytest
import torch

from deltasr.inference import memory

CPU = torch.device("cpu")


def test_the_free_memory_of_this_machine_is_a_sensible_number():
    assert 1 << 20 < memory.free_bytes(CPU) < 1 << 50


def test_bytes_are_counted_as_long_as_they_live():
    def run(side: int) -> None:
        kept = torch.zeros(2, side, side)
        for _ in range(3):
            kept = kept + 1

    assert memory.bytes_per_pixel(run, side=16) == 2 * 2 * 4


def test_views_and_results_written_in_place_take_no_memory():
    def run(side: int) -> None:
        values = torch.zeros(side, side)
        values.add_(1).view(-1)[::2].mul_(2)

    assert memory.bytes_per_pixel(run) == 4


@pytest.mark.parametrize(
    ("device", "free", "tile"),
    [("cpu", 1 << 40, 256), ("cuda", 1 << 40, 1024), ("cpu", 2 * 1000 * 168**2, 128), ("cpu", 10, 32), ("cpu", -5, 32)],
)
def test_the_default_tile_follows_the_free_memory(device, free, tile):
    assert memory.default_tile(torch.device(device), free=free, pixel_bytes=1000, margin=20) == tile


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("The size of tensor a must match the size of tensor b"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_recognised(error, expected):
    assert memory.is_out_of_memory(error) is expected


def test_torchs_own_refusal_is_recognised():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert memory.is_out_of_memory(refused.value)
