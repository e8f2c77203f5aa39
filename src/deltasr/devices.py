"""The devices that networks run on, and the floating-point types that are possible and worthwhile there."""

from __future__ import annotations

import torch
from torch import nn

from deltasr import processor
from deltasr.arguments import shown
from deltasr.errors import SettingError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Name to type, of the types that networks can compute in."""


def find_device(name: str | torch.device) -> torch.device:
    """The device with a name; `auto` is CUDA if there is a GPU, else Apple's MPS, else the CPU.

    Raises:
        SettingError: torch has no device of that name, or this machine has none.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise SettingError(f"There is no device '{shown(name)}'; choose auto, cpu, cuda or mps.") from error
    there = {"cpu": True, "mps": mps, "cuda": cuda and (device.index or 0) < torch.cuda.device_count()}
    if not there.get(device.type, device.type == getattr(torch.accelerator.current_accelerator(), "type", None)):
        raise SettingError(f"This machine has no device '{name}' that torch can use; choose auto or cpu.")
    return device


def order_channels_last(model: nn.Module) -> None:
    """Order weights and buffers of four dimensions as convolutions are fastest with; those of five cannot be."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)


def release(device: torch.device) -> None:
    """Return unused memory that torch has reserved to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def obstacle(dtype: str, device: torch.device) -> str | None:
    """Why a device cannot compute in a type of `DTYPES`, in words; None if it can.

    On the CPU, types other than float32 are tried in a child process, once per machine (`processor.tried`).
    """
    if dtype == "float32":
        return None
    if device.type == "cpu":
        result = processor.tried()[dtype]
        return f"{dtype} does not run on this processor ({result})" if isinstance(result, str) else None
    if device.type == "cuda" and dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        return f"{dtype} does not run on this GPU"
    return None


def drawback(dtype: str, device: torch.device) -> str | None:
    """Why float32 is a better choice than another type on a device, in words; None if the other type is faster."""
    cannot = obstacle(dtype, device)
    if cannot or dtype == "float32":
        return cannot
    if device.type == "cpu":
        result, exact = processor.tried()[dtype], processor.tried()["float32"]
        faster = isinstance(result, float) and isinstance(exact, float) and result < exact
        return None if faster else f"{dtype} is slower than float32 on this processor"
    if device.type == "cuda":
        emulated = dtype == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False)
        return f"{dtype} is slower than float32 on this GPU" if emulated else None
    return f"{dtype} has not been found to be faster than float32 on {device.type}"


def usable(dtype: str, device: torch.device) -> tuple[torch.dtype, str | None]:
    """The type with a name in `DTYPES` and None; float32 and a sentence if the device cannot compute in that type."""
    cannot = obstacle(dtype, device)
    return (DTYPES[dtype], None) if cannot is None else (torch.float32, f"{cannot}, so float32 is used")
