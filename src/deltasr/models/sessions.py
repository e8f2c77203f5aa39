"""Networks in ONNX's and OpenVINO's files, run on the CPU by the programs of these names. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deltasr import processor
from deltasr.errors import CheckpointError, ModelError, reason
from deltasr.models.onnx_constants import with_constants

Arrays = Mapping[str, NDArray[Any]]
"""What goes into a network, by the names of its inputs."""


_LARGE = 96 * 96
"""Pixels of a picture from which on it is worth opening a session for one place of the dials, which takes as long as it
saves there."""


class Session(Protocol):
    """A network that is ready to run. Threads may share it."""

    def run(self, arrays: Arrays) -> NDArray[np.float32]:
        """Its first output.

        Raises:
            MemoryError: there is not enough memory.
            ModelError: the runtime fails otherwise.
        """

    def run_for(self, arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """The outputs of these names; raises as `run` does."""


class OnnxRuntimeSession:
    """A network in ONNX's format, run by ONNX Runtime.

    Inputs of one dimension, (N,), are dials. For pictures of `_LARGE` pixels or more they are made constants of the
    graph: ONNX Runtime then multiplies what hangs on them into the weights once, and runs the convolutions without
    passes over the picture between them. Their results differ by rounding alone.

    Args:
        content: the file.
        source: what the file is called in messages.
        threads: how many compute; none of them spins while it waits.

    Raises:
        CheckpointError: it cannot be loaded, which is found when it is first run.
        ModelError: ONNX Runtime is not installed.
    """

    def __init__(self, content: bytes, *, source: str, threads: int) -> None:
        require_package("onnxruntime", source)
        self._content, self._source, self._threads = content, source, threads
        self._with_constants: dict[tuple[float, ...], Any] = {}

    @cached_property
    def session(self) -> Any:
        """ONNX Runtime's own, with all inputs."""
        return self._open(self._content)

    def _open(self, content: bytes) -> Any:
        runtime = require_package("onnxruntime", self._source)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # its exceptions have the same messages
        try:
            return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
            raise CheckpointError(f"ONNX Runtime cannot load {self._source} ({reason(error)}).") from error

    def run(self, arrays: Arrays) -> NDArray[np.float32]:
        return self.run_for(arrays)[0]

    def run_for(self, arrays: Arrays, outputs: Sequence[str] | None = None) -> list[NDArray[np.float32]]:
        """The outputs of these names, or the first one alone; raises as `run` does."""
        dials = {name: values for name, values in arrays.items() if values.ndim == 1}
        pictures = {name: values for name, values in arrays.items() if name not in dials}
        if not dials or max(prod(values.shape[-2:]) for values in pictures.values()) < _LARGE:
            return self._run(self.session, arrays, outputs)
        places = np.stack(list(dials.values()), axis=1)
        alike = (places == places[0]).all()
        parts = [slice(None)] if alike else [slice(index, index + 1) for index in range(len(places))]
        opened, results = {}, []
        for part in parts:  # one after the other, as pictures and their alpha are, which have different dials
            place = tuple(places[part][0].tolist())
            if place not in opened:
                opened[place] = self._with_constants.get(place) or self._open_at(dict(zip(dials, place, strict=True)))
            own = {name: values[part] for name, values in pictures.items()}
            results.append(self._run(opened[place], own, outputs))
        self._with_constants = opened  # only those, since each one keeps the memory that it ran in
        return [np.concatenate(output) for output in zip(*results, strict=True)]

    def _open_at(self, dials: dict[str, float]) -> Any:
        try:
            content = with_constants(self._content, dials)
        except (ValueError, IndexError) as error:
            raise CheckpointError(f"{self._source} is no ONNX file, or is damaged.") from error
        return self._open(content)

    def _run(self, session: Any, arrays: Arrays, outputs: Sequence[str] | None) -> list[NDArray[np.float32]]:
        names = [session.get_outputs()[0].name] if outputs is None else list(outputs)  # others are not computed
        try:
            results = session.run(names, dict(arrays))
        except Exception as error:  # as above
            raise _failure(self._source, "onnxruntime", error) from error
        return [np.asarray(result, np.float32) for result in results]


class OpenvinoSession:
    """A network in ONNX's format or OpenVINO's own, run by OpenVINO.

    By default OpenVINO computes in bfloat16 where the processor has instructions for it, which is several 8-bit levels
    off; here the type is always set.

    Args:
        content: the file, ONNX or XML.
        weights: the second file of OpenVINO's own format; empty for ONNX.
        source: what the file is called in messages.
        threads: how many compute.
        dtype: `float32` or `bfloat16`.

    Raises:
        CheckpointError: it cannot be loaded.
        ModelError: OpenVINO is not installed.
    """

    def __init__(
        self, content: bytes, *, source: str, threads: int, weights: bytes = b"", dtype: str = "float32"
    ) -> None:
        core = openvino_core(source)
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[dtype],
            "ENABLE_CPU_PINNING": False,  # other work may have the same cores
        }
        self._source, self._settings = source, settings
        try:
            self._network = core.read_model(content, weights)
            self._first = self._network.output(0).any_name
            self._compiled: dict[tuple[str, ...], Any] = {(self._first,): self._with([self._first])}
        except Exception as error:  # OpenVINO raises RuntimeError, and what pybind makes of other exceptions
            raise CheckpointError(f"OpenVINO cannot load {source} ({reason(error)}).") from error

    def _with(self, outputs: Sequence[str]) -> Any:
        """The network with no other outputs than these, ready to run; others take time although nobody reads them."""
        network = self._network.clone()
        for result in network.get_results():
            if result.output(0).get_names().isdisjoint(outputs):
                network.remove_result(result)
        return openvino_core(self._source).compile_model(network, "CPU", self._settings)

    def run(self, arrays: Arrays) -> NDArray[np.float32]:
        return self.run_for(arrays, [self._first])[0]

    def run_for(self, arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        try:
            compiled = self._compiled.get(tuple(outputs))
            if compiled is None:
                compiled = self._compiled[tuple(outputs)] = self._with(outputs)
            request = compiled.create_infer_request()  # which one thread at a time may use
            found = request.infer(dict(arrays), share_inputs=True)
            return [np.array(found[output], np.float32) for output in outputs]
        except Exception as error:  # as above
            raise _failure(self._source, "openvino", error) from error


class LazySession:
    """A network that is loaded when it is first run, for the present number of threads.

    It can be pickled and copied; a copy loads the network again.

    Args:
        content, weights, source, dtype: as `OpenvinoSession` takes them; ONNX Runtime computes in float32 alone.
        runtime: `onnxruntime` or `openvino`.

    Raises:
        ModelError: the runtime is not installed.
    """

    def __init__(
        self, content: bytes, *, runtime: str, source: str, weights: bytes = b"", dtype: str = "float32"
    ) -> None:
        self._content, self._weights = content, weights
        self._runtime, self._source, self._dtype = runtime, source, dtype
        self._opened: tuple[int, Session] | None = None
        require_package(runtime, source)

    def ready(self) -> Session:
        """The session; the last one is kept.

        Raises:
            CheckpointError: the runtime cannot load the network.
        """
        threads = processor.threads()
        if self._opened is None or self._opened[0] != threads:
            self._opened = threads, self._open(threads)
        return self._opened[1]

    def _open(self, threads: int) -> Session:
        if self._runtime == "onnxruntime":
            return OnnxRuntimeSession(self._content, source=self._source, threads=threads)
        return OpenvinoSession(
            self._content, weights=self._weights, source=self._source, threads=threads, dtype=self._dtype
        )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}  # a session cannot be pickled or copied


TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
"""What the packages call themselves."""

_OUT_OF_MEMORY = ("bad_alloc", "failed to allocate", "out of memory", "not enough memory")


def _failure(source: str, runtime: str, error: Exception) -> Exception:
    """What to raise in place of a runtime's own exception; a smaller tile helps where memory ran out."""
    why = f"{source} failed in {TITLES[runtime]} ({reason(error)})."
    ran_out = isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _OUT_OF_MEMORY)
    return MemoryError(why) if ran_out else ModelError(why)


def openvino_core(purpose: str) -> Any:
    """OpenVINO's `Core`, one for the whole process, which is kept until its end.

    A core that runs networks on the CPU makes a stack of its own the one on which the thread's signal handlers run,
    and frees it with the core. Where two cores end in the order in which they began, as in OpenVINO 2026.4, that of the
    first stays set although it is freed, and the next signal with a handler, such as Ctrl-C, kills the process.

    Args:
        purpose: what needs it, to begin the message.

    Raises:
        ModelError: OpenVINO is not installed, or cannot be imported.
    """
    return _core(require_package("openvino", purpose))


@cache
def _core(openvino: ModuleType) -> Any:
    return openvino.Core()


def require_package(name: str, purpose: str) -> ModuleType:
    """An optional package.

    Args:
        name: the package's.
        purpose: what needs it, to begin the message.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ModelError(f"{purpose} needs {TITLES.get(name, name)}: pip install {name}.") from error
