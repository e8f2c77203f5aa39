"""Where a model runs, and in which floating-point type."""

from __future__ import annotations

import torch

from deltasr.arguments import shown
from deltasr.errors import SettingError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Names of the types that networks can compute in."""


def find_device(name: str | torch.device) -> torch.device:
    """The device of a name; `auto` is CUDA where there is a GPU, else Apple's MPS, else the CPU.

    Raises:
        SettingError: torch does not know the name, or this machine has no such device.
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


def release(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
