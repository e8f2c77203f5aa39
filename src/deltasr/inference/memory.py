"""How much memory is free, whether a result fits into it, and how large a tile may be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from typing import TYPE_CHECKING, cast

from deltasr import free_memory
from deltasr.devices import CPU
from deltasr.errors import PictureError

if TYPE_CHECKING:
    from deltasr.devices import Device
    from deltasr.imaging import Picture
    from deltasr.inference.sizes import Size

MINIMUM_TILE = 32
"""The smallest tile, in LR pixels per side, that is tried when memory runs out."""

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
_TORCHS_OWN = "OutOfMemoryError"
"""The name of torch's exception of accelerators, a `RuntimeError`."""

_NOT_OF_MEMORY = "primitive descriptor"
"""Part of oneDNN's message about an operation that it does not support."""

_BYTES_BETWEEN_PASSES = 2
"""Of each value of a picture between two passes of a model, which has 16 bits."""


def free_bytes(device: Device) -> int:
    """Bytes of a device's memory that are free now."""
    if device.type == "cuda":
        import torch

        device = cast(torch.device, device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        import torch

        return max(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(), 0)
    return free_memory.free_bytes()


def require_room(picture: Picture, sizes: Sequence[Size]) -> None:
    """Make sure that a result, and the pictures between passes, fit into the memory of the machine that is free.

    Args:
        picture: what is upscaled.
        sizes: (height, width) after each pass, from `sizes.sizes_of_passes`; the last one is the result's.

    Raises:
        PictureError: they do not.
    """
    planes = picture.channels + (picture.alpha is not None)
    final, *between = [planes * height * width for height, width in (sizes[-1], *sizes[:-1])]
    held = max([sum(pair) for pair in pairwise([0, *between, 0])])
    if final * picture.pixels.dtype.itemsize + held * _BYTES_BETWEEN_PASSES > free_bytes(CPU):
        raise result_too_large(sizes[-1])


def result_too_large(size: Size) -> PictureError:
    """The error of a result of a (height, width) that does not fit into memory."""
    return PictureError(
        f"A result of {size[1]}x{size[0]} pixels does not fit into memory; choose a smaller scale or size."
    )


def default_tile(device: Device, *, free: int, pixel_bytes: float, margin: int) -> int:
    """The largest tile, in LR pixels per side, that fits into half of the free memory.

    Tiles have 1024, 512, 256, 128, 64 or 32 LR pixels per side, at most 256 on the CPU, where larger ones do not fit
    into its caches and are not faster. There are only these sizes so that a picture gets the same tiles, and
    therefore the same bytes, unless memory is very short.

    Args:
        device: what the model runs on.
        free: bytes.
        pixel_bytes: bytes per LR pixel, from `bytes_per_pixel`.
        margin: LR pixels on each side of a tile that the model also sees.
    """
    side = isqrt(int(max(free, 0) * _SHARE / pixel_bytes))
    tile = _LARGEST_TILE.get(device.type, _LARGEST_ELSEWHERE)
    while tile > MINIMUM_TILE and tile + 2 * margin > side:
        tile //= 2
    return tile


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the memory of the machine or of the accelerator ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == _TORCHS_OWN:
        return True
    text = str(error).lower()
    return (
        isinstance(error, RuntimeError)
        and any(phrase in text for phrase in _OUT_OF_MEMORY)
        and _NOT_OF_MEMORY not in text
    )
