"""What torch and the libraries below it read from the environment once, when they are loaded.

The commands call these functions before they load torch. Where it is loaded already, they do nothing.
"""

from __future__ import annotations

import os
import sys

from deltasr import processor

_OF_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_OF_INSTRUCTIONS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_WITHOUT_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}


def let_threads_sleep() -> None:
    """Have threads that wait for each other sleep instead of spinning, unless the environment says how they wait.

    Two threads that spin, beside other work on two cores, are several times slower than one (docs/upscaling.md).
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in _OF_WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def let_bf16_run() -> None:
    """Where AMX is announced and bfloat16 fails, keep oneDNN from AMX if bfloat16 is then faster than float32.

    The first call on a machine that announces AMX tries it, which takes some seconds. Where the environment chooses
    oneDNN's instructions, it does nothing.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _OF_INSTRUCTIONS) or not processor.announces_amx():
        return
    if isinstance(processor.tried()["bfloat16"], float):
        return
    capped = processor.tried(_WITHOUT_AMX)
    exact, rounded = capped["float32"], capped["bfloat16"]
    if isinstance(exact, float) and isinstance(rounded, float) and rounded < exact:
        os.environ.update(_WITHOUT_AMX)
