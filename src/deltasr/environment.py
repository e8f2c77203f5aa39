"""Environment variables that torch and its libraries read once, when they are loaded.

Commands call these functions before they load torch. If it is already loaded, the functions do nothing.
"""

from __future__ import annotations

import os
import sys

from deltasr import processor

_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_INSTRUCTIONS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_WITHOUT_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}


def let_threads_sleep() -> None:
    """Let waiting threads sleep soon instead of spinning, unless the environment already sets how they wait.

    Two spinning threads, while other programs use the same two cores, are several times slower than one thread
    (docs/upscaling.md). The variable is libgomp's, which torch uses on Linux; other libraries ignore it.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = "1000"


def let_bf16_run() -> None:
    """If the processor has the flag of AMX and bfloat16 fails, keep oneDNN from using AMX, if bfloat16 is then faster
    than float32.

    The first call on a machine with that flag tries it, which takes some seconds. If the environment already limits
    oneDNN's instructions, nothing is done.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _INSTRUCTIONS) or not processor.announces_amx():
        return
    if isinstance(processor.tried()["bfloat16"], float):
        return
    capped = processor.tried(_WITHOUT_AMX)
    exact, rounded = capped["float32"], capped["bfloat16"]
    if isinstance(exact, float) and isinstance(rounded, float) and rounded < exact:
        os.environ.update(_WITHOUT_AMX)


def use_threads(threads: int) -> None:
    """Let torch and libvips use so many threads, in a process that shares the cores with others like it."""
    if "torch" not in sys.modules:
        os.environ["OMP_NUM_THREADS"] = os.environ["VIPS_CONCURRENCY"] = str(threads)
