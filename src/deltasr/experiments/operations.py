"""Counting what a call computes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode


def counted(call: Callable[[], object]) -> int:
    """Operations of a call's convolutions and matrix products; a multiplication and an addition are two."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())
