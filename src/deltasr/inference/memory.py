"""How much memory there is, how much a model takes, and so how large a tile may be."""

from __future__ import annotations

from math import isqrt

import torch

from deltasr import free_memory

MINIMUM_TILE = 32
"""The smallest tile, in LR pixels, that running out of memory leads to."""

_LARGEST_TILE = {"cpu": 256}
_LARGEST_ELSEWHERE = 1024
_SHARE = 0.5
_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "could not create a primitive",  # by oneDNN, which computes convolutions on CPUs; so are those below
    "could not create a memory object",
    "could not execute a primitive",
)
_NOT_OF_MEMORY = "primitive descriptor"
"""In what oneDNN says of an operation that it does not know."""


def free_bytes(device: torch.device) -> int:
    """How many bytes of a device's memory are free now."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return max(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(), 0)
    return free_memory.free_bytes()


def default_tile(device: torch.device, *, free: int, pixel_bytes: float, margin: int) -> int:
    """The largest usual tile that fits into half of the free memory.

    Usual tiles are 1024, 512, 256, 128, 64 and 32 LR pixels, at most 256 on the CPU, where larger ones fall
    out of its caches and are no faster in all. There are few sizes so that a picture gets the same tiles, and
    so the same bytes, unless memory is really short.

    Args:
        device: what the model runs on.
        free: bytes.
        pixel_bytes: what one LR pixel takes, from `bytes_per_pixel`.
        margin: LR pixels on either side of a tile that the model sees as well.
    """
    side = isqrt(int(max(free, 0) * _SHARE / pixel_bytes))
    tile = _LARGEST_TILE.get(device.type, _LARGEST_ELSEWHERE)
    while tile > MINIMUM_TILE and tile + 2 * margin > side:
        tile //= 2
    return tile


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, the machine's or the accelerator's, ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return (
        isinstance(error, RuntimeError)
        and any(phrase in text for phrase in _OUT_OF_MEMORY)
        and _NOT_OF_MEMORY not in text
    )
