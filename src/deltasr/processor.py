"""The floating-point types that this machine's processor can compute in, found by trying them in a child process.

The processor's feature flags are not enough: some virtual machines have the flag of AMX and trap its instructions, and
the first product of bfloat16 matrices then kills the process (SIGILL). Nothing here loads torch in this process.
"""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deltasr import user_cache

Tried = dict[str, float | str]
"""Name of a type to the seconds of processor time of its trial, or to the signal or error that ended the trial."""

_TYPES = ("float32", "bfloat16", "float16")
_PATIENCE = 120.0
ENDED_FROM_OUTSIDE = {"SIGINT", "SIGKILL", "SIGTERM"}
"""Signals that do not come from the processor: a user, or the system when memory is short, sent them."""

_FILE = "processor.json"
READ_BY_TORCH = ("ATEN_", "DNNL_", "ONEDNN_")
"""Prefixes of the environment variables that choose the instructions of torch, and of oneDNN, which torch uses."""

_TRIAL = """
import sys, time

try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
import torch

torch.set_num_threads(1)

def step(name):
    dtype = getattr(torch, name)
    conv = torch.nn.Conv2d(48, 48, 3, padding=1).to(memory_format=torch.channels_last)
    pixels = torch.randn(4, 48, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    left, right = (torch.randn(256, 256).requires_grad_() for _ in range(2))

    def run():
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            results = conv(pixels), left @ right
        if name != "float16":  # in which nothing is trained
            sum(result.float().square().mean() for result in results).backward()

    run()
    return run

def seconds(runs):
    best = [float("inf")] * len(runs)
    for _ in range(8):
        for number, run in enumerate(runs):
            started = time.process_time()
            run()
            best[number] = min(best[number], time.process_time() - started)
    return best

steps = {}
for name in sys.argv[1:]:
    try:
        steps[name] = step(name)
        times = seconds(list(steps.values()))
    except Exception as error:
        steps.pop(name, None)
        print(name, type(error).__name__, flush=True)
    else:
        for tried, time_ in zip(steps, times):
            print(tried, time_, flush=True)
"""
"""A small convolution and matrix product, forward and backward, in each type that is named as an argument, in order."""

_known: dict[str, Tried] = {}


def tried(changes: Mapping[str, str] | None = None) -> Tried:
    """The result of trying `float32`, `bfloat16` and `float16` on this processor, in this environment.

    The first call takes some seconds. The result is kept in this process, and for later ones in a file in the user's
    cache folder, by processor, system, version of torch and the variables that choose its instructions.

    Args:
        changes: environment variables of the trial that differ from this process's.
    """
    environment = {**os.environ, **(changes or {})}
    key = _key(environment)
    if key not in _known:
        _known[key] = user_cache.remembered(_FILE, Tried).get(key) or _try_all(environment)
        _remember(key, _known[key])
    return _known[key]


def threads() -> int:
    """How many threads compute: torch's number where it is loaded, else what it would be."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    with suppress(ValueError):
        if (asked := int(os.environ.get("OMP_NUM_THREADS", ""))) > 0:
            return asked
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(psutil.cpu_count(logical=False) or 1, usable or 1)


def announces_amx() -> bool:
    """Whether the processor has the flag of AMX, Intel's matrix instructions; False where the system has no flags."""
    return " amx_tile" in description()


def _try_all(environment: Mapping[str, str]) -> Tried:
    """Try every type; after a type that ended the child process, a new child goes on with the next type."""
    results: Tried = {}
    while left := [name for name in _TYPES if name not in results]:
        found, end = _try(["float32", *left] if results else left, environment)
        results |= found
        if "float32" not in found:
            return dict.fromkeys(_TYPES, end) | results
        results |= dict.fromkeys([name for name in left if name not in found][:1], end)
    return results


def _try(names: list[str], environment: Mapping[str, str]) -> tuple[Tried, str]:
    """The results that a child printed, and how it ended."""
    command = [sys.executable, "-P", "-c", _TRIAL, *names]
    try:
        child = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return _read(late.stdout or b""), "it hangs"
    except OSError as error:
        return {}, type(error).__name__
    return _read(child.stdout), end_of(child.returncode)


def _read(printed: bytes) -> Tried:
    results: Tried = {}
    for line in printed.decode(errors="replace").splitlines():
        name, _, result = line.partition(" ")
        if name in _TYPES and result:
            try:
                results[name] = float(result)
            except ValueError:
                results[name] = result
    return results


def end_of(status: int) -> str:
    """How a child with this exit status ended, such as SIGILL."""
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"status {status}"


def _key(environment: Mapping[str, str]) -> str:
    """Everything that the results depend on, as text; what is long is hashed."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "unknown"
    text = description()
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if ":" in line), text)
    digest = hashlib.sha256(f"{text}\n{platform.platform()}\n{_TRIAL}".encode()).hexdigest()[:12]
    chosen = [f"{name}={value}" for name, value in sorted(environment.items()) if name.startswith(READ_BY_TORCH)]
    return ", ".join([model, f"torch {torch}", *chosen, digest])


def description() -> str:
    """Model, microcode and flags of the processor, as far as the system has them."""
    fields = ("model name", "microcode", "flags", "Features", "CPU ")
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    return "\n".join(line for line in text.partition("\n\n")[0].splitlines() if line.startswith(fields))


def _remember(key: str, results: Tried) -> None:
    """Save results for later processes, unless a signal from outside ended a trial."""
    if not isinstance(results["float32"], float) or not ENDED_FROM_OUTSIDE.isdisjoint(results.values()):
        return
    if key not in user_cache.remembered(_FILE, dict):
        user_cache.remember(_FILE, key, results)
