"""The devices that networks run on, and the floating-point types that are possible and worthwhile there.

torch is loaded by what asks it: not for the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

from deltasr import processor
from deltasr.arguments import shown
from deltasr.errors import ModelError, SettingError

if TYPE_CHECKING:
    import torch
    from torch import nn

    Device: TypeAlias = torch.device | "Processor"

DTYPES = ("float32", "bfloat16", "float16")
"""The types that networks can compute in; torch's have the same names."""


@dataclass(frozen=True)
class Processor:
    """The CPU, for what does without torch; `type` is as of torch's devices."""

    type: str = "cpu"

    def __str__(self) -> str:
        return self.type


CPU = Processor()


def has_torch() -> bool:
    """Whether torch is installed; it is not loaded for that."""
    return find_spec("torch") is not None


def require_torch(purpose: str) -> None:
    """Make sure that torch is installed.

    Args:
        purpose: what needs it, to begin the message.

    Raises:
        ModelError: it is not.
    """
    if not has_torch():
        raise ModelError(f"{purpose} needs PyTorch, which is not installed: pip install torch.")


def find_device(name: str | torch.device) -> torch.device:
    """The device with a name; `auto` is CUDA if there is a GPU, else Apple's MPS, else the CPU.

    Raises:
        SettingError: torch has no device of that name, or this machine has none.
    """
    require_torch(f"The device {shown(name)}")
    import torch

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
    import torch

    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)


def release(device: Device) -> None:
    """Return unused memory that torch has reserved to the device."""
    if device.type in ("cuda", "mps"):
        import torch

        getattr(torch, device.type).empty_cache()


def obstacle(dtype: str, device: Device) -> str | None:
    """Why a device cannot compute in a type of `DTYPES`, in words; None if it can.

    On the CPU, types other than float32 are tried in a child process, once per machine (`processor.tried`).
    """
    if dtype == "float32":
        return None
    if device.type == "cpu":
        result = processor.tried()[dtype]
        return f"{dtype} does not run on this processor ({result})" if isinstance(result, str) else None
    if device.type == "cuda" and dtype == "bfloat16":
        import torch

        return None if torch.cuda.is_bf16_supported() else f"{dtype} does not run on this GPU"
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
        import torch

        emulated = dtype == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False)
        return f"{dtype} is slower than float32 on this GPU" if emulated else None
    return f"{dtype} has not been found to be faster than float32 on {device.type}"


def usable(dtype: str, device: Device) -> tuple[str, str | None]:
    """A type of `DTYPES` and None; `float32` and a sentence if the device cannot compute in that type."""
    cannot = obstacle(dtype, device)
    return (dtype, None) if cannot is None else ("float32", f"{cannot}, so float32 is used")
