"""What memory there is, what a run takes, and the tile that follows from both."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from deltasr.inference import memory

CPU = torch.device("cpu")


def test_the_free_memory_of_this_machine_is_a_sensible_number():
    assert 1 << 20 < memory.free_bytes(CPU) < 1 << 50


@pytest.mark.parametrize(
    ("device", "free", "tile"),
    [("cpu", 1 << 40, 256), ("cuda", 1 << 40, 1024), ("cpu", 2 * 1000 * 168**2, 128), ("cpu", 10, 32), ("cpu", -5, 32)],
)
def test_the_default_tile_follows_the_free_memory(device, free, tile):
    assert memory.default_tile(torch.device(device), free=free, pixel_bytes=1000, margin=20) == tile


def test_a_tile_takes_half_of_the_free_memory_and_no_more():
    """A tile of 128 with 20 on either side has 168 x 168 pixels."""
    needed = 1000 * 168**2
    for free, tile in ((2 * needed, 128), (2 * needed - 1000, 64)):
        assert memory.default_tile(CPU, free=free, pixel_bytes=1000, margin=20) == tile


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("could not execute a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for the matmul primitive. Run workload with"), False),
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


UNDER_A_LIMIT = """
import resource
import torch
import torch.nn.functional as F
from deltasr.inference.memory import is_out_of_memory

torch.set_num_threads(1)
weights, pixels = torch.zeros(32, 32, 5, 5), torch.zeros(2, 32, 12, 12)
F.conv2d(pixels, weights)
spare = [bytearray(60_000) for _ in range(400)]
del spare[::2]  # holes for small tensors, too small for the code that oneDNN generates
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken, taken))
for channels in range(1, 32):
    for side in range(5, 12):
        try:
            F.conv2d(pixels[:, :channels, :side, :side], weights[:channels, :channels])
        except (MemoryError, RuntimeError) as error:
            print(is_out_of_memory(error), str(error).splitlines()[0])
"""
"""Convolutions of many shapes where the address space may not grow."""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space hold on Linux")
def test_onednns_refusal_is_recognised():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch is built without oneDNN")
    printed = subprocess.run([sys.executable, "-c", UNDER_A_LIMIT], capture_output=True, text=True, check=True).stdout
    assert "could not create a primitive" in printed
    assert [line for line in printed.splitlines() if not line.startswith("True ")] == []
