"""Networks in ONNX's and OpenVINO's files, run on the CPU by the programs of these names. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deltasr.errors import CheckpointError, ModelError, reason

Arrays = Mapping[str, NDArray[Any]]
"""What goes into a network, by the names of its inputs."""


class Session(Protocol):
    """A network that is ready to run. Threads may share it."""

    def run(self, arrays: Arrays) -> NDArray[np.float32]:
        """Its one output.

        Raises:
            MemoryError: there is not enough memory.
            ModelError: the runtime fails otherwise.
        """


class OnnxRuntimeSession:
    """A network in ONNX's format, run by ONNX Runtime.

    Args:
        content: the file.
        source: what the file is called in messages.
        threads: how many compute; none of them spins while it waits.

    Attributes:
        session: ONNX Runtime's own.

    Raises:
        CheckpointError: it cannot be loaded.
        ModelError: ONNX Runtime is not installed.
    """

    def __init__(self, content: bytes, *, source: str, threads: int) -> None:
        runtime = require_package("onnxruntime", source)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # its exceptions have the same messages
        self._source = source
        try:
            self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
            raise CheckpointError(f"ONNX Runtime cannot load {source} ({reason(error)}).") from error

    def run(self, arrays: Arrays) -> NDArray[np.float32]:
        try:
            (result,) = self.session.run(None, dict(arrays))
        except Exception as error:  # as above
            raise _failure(self._source, "onnxruntime", error) from error
        return np.asarray(result, np.float32)


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
        self._source = source
        try:
            network = core.read_model(content, weights)
            self._compiled = core.compile_model(network, "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeError, and what pybind makes of other exceptions
            raise CheckpointError(f"OpenVINO cannot load {source} ({reason(error)}).") from error

    def run(self, arrays: Arrays) -> NDArray[np.float32]:
        try:
            request = self._compiled.create_infer_request()  # which one thread at a time may use
            result = request.infer(dict(arrays), share_inputs=True)[0]
        except Exception as error:  # as above
            raise _failure(self._source, "openvino", error) from error
        return np.array(result, np.float32)


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
