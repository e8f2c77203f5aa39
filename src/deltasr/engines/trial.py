"""Trying runtimes on this machine in child processes: whether their results are torch's, and how long they take."""

from __future__ import annotations

import copy
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from deltasr import processor
from deltasr.devices import CPU, order_channels_last, usable
from deltasr.engines.inputs import reference_input, sample

if TYPE_CHECKING:
    from deltasr.models.base import Model
    from deltasr.models.exported import ExportedModel

COMMAND = [sys.executable, "-P", "-m", "deltasr.engines.child"]
"""What a child runs; its arguments follow."""

PATIENCE = 120.0
"""Seconds after which a child without output counts as hanging."""

LEVELS = {"float32": 0.5, "bfloat16": 16.0}
"""How far a runtime's results may be from torch's float32, in 8-bit levels: half a level, so that rounded results are
within one; and what eight bits of mantissa come to."""

_SIZES = ((24, 20, 2), (33, 17, 1), (96, 96, 1))
"""Height, width and number of the pictures that are tried; the last is what is timed."""
_ROUNDS = 5


Arrays = dict[str, np.ndarray]
"""By the names of a network's inputs."""

Inputs = Sequence[Arrays]
"""For one run after the other."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a runtime's trial.

    Attributes:
        seconds: for one picture of 96x96 pixels, at best; None where it is not to be used.
        levels: how far its results are from torch's float32 at most, in 8-bit levels; None where there are none.
        fault: why it is not to be used, in a few words; empty where nothing is wrong.
        lasting: whether another trial would end the same way; False if the child was ended from outside.
    """

    seconds: float | None = None
    levels: float | None = None
    fault: str = ""
    lasting: bool = True


def try_all(model: Model, content: bytes, runtimes: Sequence[str], *, dtype: str = "float32") -> dict[str, Verdict]:
    """Try torch and runtimes with a model, timed in turns, so that other work on the machine slows all of them alike.

    Args:
        model: the reference, run by torch in this process, in the layout in which an `Upscaler` runs it.
        content: the same, in ONNX's format.
        runtimes: of `onnxruntime` and `openvino`.
        dtype: what torch computes in when it is timed, and what runtimes compute in.
    """
    import torch

    from deltasr.engines.export import by_torch

    model = copy.deepcopy(model).eval()
    order_channels_last(model)
    used, _ = usable(dtype, CPU)

    def timed(arrays: Arrays) -> float:
        with torch.autocast("cpu", dtype=getattr(torch, used), enabled=used != "float32"):
            started = time.perf_counter()
            by_torch(model, arrays)
            return time.perf_counter() - started

    inputs = [sample(model, height, width, count=count) for height, width, count in _SIZES]

    def expected() -> list[np.ndarray]:
        return [by_torch(model, arrays) for arrays in inputs]

    verdicts, seconds = _tried(content, runtimes, inputs, expected, dtype, timed)
    return {"torch": Verdict(seconds=seconds, levels=0.0), **verdicts}


def try_package(model: ExportedModel, runtimes: Sequence[str], *, dtype: str = "float32") -> dict[str, Verdict]:
    """Try runtimes with a file of the package without torch, whose result for a small picture is in the file.

    Args:
        model: it, with `expected`.
        runtimes: of `onnxruntime` and `openvino`, timed in turns.
        dtype: what they compute in.
    """
    assert model.expected is not None
    results, (height, width, count) = [model.expected], _SIZES[-1]
    inputs = [reference_input(model), sample(model, height, width, count=count)]
    return _tried(model.files[0], runtimes, inputs, lambda: results, dtype, None)[0]


def _tried(
    content: bytes,
    runtimes: Sequence[str],
    inputs: Inputs,
    expected: Callable[[], Sequence[np.ndarray]],
    dtype: str,
    timed: Callable[[Arrays], float] | None,
) -> tuple[dict[str, Verdict], float]:
    """The verdicts on runtimes, and the seconds of what is timed beside them, at best.

    The results for the first inputs are compared with those that are expected.
    """
    verdicts: dict[str, Verdict] = {}
    times: dict[str, list[float]] = {}
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        children = {}
        for runtime in runtimes:
            child = stack.enter_context(_Child(runtime, dtype, Path(place) / runtime, content, b"", inputs))
            try:
                found = child.results()
            except _FaultError as fault:
                verdicts[runtime] = fault.verdict
                continue
            verdicts[runtime] = _compared(found, expected(), LEVELS[dtype])
            if not verdicts[runtime].fault:
                children[runtime], times[runtime] = child, []
        for _ in range(_ROUNDS):
            if timed is not None:
                beside.append(timed(inputs[-1]))
            for runtime, child in list(children.items()):
                try:
                    times[runtime].append(child.seconds())
                except _FaultError as fault:
                    verdicts[runtime] = fault.verdict
                    del children[runtime]
    for runtime in children:
        verdicts[runtime] = msgspec.structs.replace(verdicts[runtime], seconds=min(times[runtime]))
    return verdicts, min(beside, default=0.0)


def try_file(content: bytes, weights: bytes, runtime: str, inputs: Inputs, *, dtype: str = "float32") -> Verdict:
    """Whether a file runs at all, where there is nothing to compare its results with.

    Args:
        content, weights: as `models.exported.ExportedModel` takes them.
        runtime: `onnxruntime` or `openvino`.
        inputs: what it is run on.
        dtype: what it computes in.
    """
    with tempfile.TemporaryDirectory() as place:
        try:
            with _Child(runtime, dtype, Path(place) / runtime, content, weights, inputs) as child:
                child.results()
        except _FaultError as fault:
            return fault.verdict
    return Verdict()


def _compared(found: list[np.ndarray], expected: Sequence[np.ndarray], limit: float) -> Verdict:
    pairs = list(zip(found, expected, strict=False))
    if any(one.shape != other.shape for one, other in pairs):
        return Verdict(fault="its results have another size than torch's")
    levels = max(float(np.abs(one - other).max()) * 255 for one, other in pairs)
    if not levels <= limit:  # not a number, too
        return Verdict(fault=f"its results are {levels:.2g} levels of 255 off torch's")
    return Verdict(levels=levels)


class _FaultError(Exception):
    """A child did not do what it should."""

    def __init__(self, fault: str, *, lasting: bool = True) -> None:
        super().__init__(fault)
        self.verdict = Verdict(fault=fault, lasting=lasting)


class _Line(NamedTuple):
    first: str
    rest: str


class _Child:
    """A child process that runs a network on inputs, ended at the end of a `with`; `folder` is made for it."""

    def __init__(self, runtime: str, dtype: str, folder: Path, content: bytes, weights: bytes, inputs: Inputs) -> None:
        folder.mkdir()
        (folder / "network").write_bytes(content)
        (folder / "weights").write_bytes(weights)
        for number, arrays in enumerate(inputs):
            np.savez(folder / f"input-{number}.npz", allow_pickle=False, **arrays)
        self._results = [folder / f"result-{number}.npy" for number in range(len(inputs))]
        command = [*COMMAND, runtime, dtype, str(processor.threads()), str(folder)]
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._failure = ""
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError as error:
            self._failure = type(error).__name__
        else:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._reader.join()  # no stream is closed while another thread reads it
        with suppress(OSError):  # what was not written yet
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def results(self) -> list[np.ndarray]:
        """Wait for the results of all inputs.

        Raises:
            _FaultError: there will be none.
        """
        line = self._line()
        if line.first != "ran":
            raise _FaultError(line.rest or "it failed")
        try:
            return [np.load(file) for file in self._results]
        except (OSError, ValueError) as error:
            raise _FaultError(f"its results cannot be read ({type(error).__name__})") from error

    def seconds(self) -> float:
        """Have it run once more.

        Raises:
            _FaultError: it does not.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):  # of a child that has ended, which the next line shows
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        return float(self._line().first)

    def _line(self) -> _Line:
        if self._process is None:
            raise _FaultError(self._failure, lasting=False)
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty as late:
            raise _FaultError("it hangs") from late
        if not line:
            end = processor.end_of(self._process.wait())
            raise _FaultError(end, lasting=end not in processor.ENDED_FROM_OUTSIDE)
        first, _, rest = line.strip().partition(" ")
        return _Line(first, rest)
