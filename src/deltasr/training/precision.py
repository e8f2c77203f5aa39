"""Whether training may compute in bf16: half the bytes and, where the device multiplies it, less time."""

from __future__ import annotations

from collections.abc import Mapping

import torch

_CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""What makes a CPU multiply bf16, by the names of `torch.cpu.get_capabilities` for x86-64 and for ARM."""


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bf16; without them autocast is slower than float32, or does not work."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        ask = getattr(torch.cpu, "get_capabilities", dict)  # the oldest torch that is supported has none
        capabilities: Mapping[str, object] = ask()
        return any(capabilities.get(name) for name in _CPU_INSTRUCTIONS)
    return False
