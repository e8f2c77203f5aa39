"""Models of deltasr in ONNX's or OpenVINO's files, as `engines.export` writes them: the same promises without torch.

The header of such a file holds the attributes of the model that it was made from, so that tiles, padding and dials are
the same.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from deltasr.arguments import require_shallow
from deltasr.errors import CheckpointError, ModelError, SettingError, reason
from deltasr.models.base import Model, SizeRequirements
from deltasr.models.configs import Share
from deltasr.models.sessions import (
    TITLES,
    OnnxRuntimeSession,
    OpenvinoSession,
    Session,
    openvino_core,
    require_package,
)

HEADER_KEY = "deltasr"
SUFFIX = ".xml"
"""Of OpenVINO's files; their weights lie beside them as .bin."""

_Pixels = Annotated[int, Meta(ge=1, le=4096)]


class ExportHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of the model in an exported file; `models.base.Model` describes those of the same names.

    Attributes:
        minimum, multiple_of, square: the size requirements.
        bytes_per_pixel: what a run takes for each LR pixel.
        weights: `float32` or `int8`.
        sha256: of the weights that it was made of, and of the arguments of their model.
        model: the header of the model's checkpoint, as an object; null for a model that has none.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=1000)]
    scale: Annotated[int, Meta(ge=1, le=16)]
    receptive_field: Annotated[int, Meta(ge=0, le=65536)] | None
    tiled: bool
    dial: bool
    default_fidelity: Share
    restoring: bool
    consistent: bool
    minimum: _Pixels
    multiple_of: _Pixels
    square: bool
    bytes_per_pixel: Annotated[float, Meta(ge=0, le=1e9)]
    weights: str
    sha256: str
    model: dict[str, Any] | None = None


class ExportedModel(Model):
    """A network that ONNX Runtime or OpenVINO runs on the CPU, with as many threads as torch has.

    Pictures may come from any device, and results go back there. Under autocast to bfloat16 OpenVINO computes in that
    type. It can be pickled and copied.

    Args:
        content: the file, in ONNX's format or OpenVINO's XML.
        header: that of the file.
        runtime: `onnxruntime` or `openvino`.
        source: what the file is called in messages.
        weights: the second file of OpenVINO's format; empty for ONNX's.

    Raises:
        ModelError: the runtime is not installed.
    """

    def __init__(
        self, content: bytes, header: ExportHeader, *, runtime: str, source: str = "", weights: bytes = b""
    ) -> None:
        super().__init__()
        self.header, self.runtime = header, runtime
        self.name, self.description = header.name, f"{header.description}, by {TITLES[runtime]}"
        self.scale, self.receptive_field, self.tiled = header.scale, header.receptive_field, header.tiled
        self.size_requirements = SizeRequirements(
            minimum=header.minimum, multiple_of=header.multiple_of, square=header.square
        )
        self.dial, self.default_fidelity = header.dial, header.default_fidelity
        self.restoring, self.consistent = header.restoring, header.consistent
        self.hidden_bytes_per_pixel = header.bytes_per_pixel
        self.dtypes = ("float32", "bfloat16") if runtime == "openvino" else ("float32",)
        self._content, self._weights = content, weights
        self._source = source or header.name
        self._opened: tuple[tuple[int, str], Session] | None = None
        require_package(runtime, self._source)

    @property
    def files(self) -> tuple[bytes, bytes]:
        """The file and its weights, as they were given."""
        return self._content, self._weights

    def _session(self, dtype: str) -> Session:
        """A session in a type, with torch's present number of threads; the last one is kept."""
        settings = (torch.get_num_threads(), dtype)
        if self._opened is None or self._opened[0] != settings:
            self._opened = settings, self._open(*settings)
        return self._opened[1]

    def _open(self, threads: int, dtype: str) -> Session:
        if self.runtime == "onnxruntime":
            return OnnxRuntimeSession(self._content, source=self._source, threads=threads)
        return OpenvinoSession(self._content, weights=self._weights, source=self._source, threads=threads, dtype=dtype)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}  # a session cannot be pickled or copied, and is opened again

    def run_by(self, runtime: str) -> ExportedModel:
        """The same model, run by `onnxruntime` or `openvino`.

        Raises:
            ModelError: the file is in OpenVINO's format, which ONNX Runtime does not read.
        """
        if runtime == self.runtime:
            return self
        if self._weights:
            raise ModelError(f"{self._source} is in OpenVINO's format; choose the engine openvino, or export to .onnx.")
        return ExportedModel(self._content, self.header, runtime=runtime, source=self._source).eval()

    def forward(
        self, lr: Tensor, fidelity: float | Tensor | None = None, restoration: float | Tensor | None = None
    ) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1].

        Args:
            lr: pictures.
            fidelity: in [0, 1], for all or for each, (N,); None for the default. Of no effect without a dial.
            restoration: in [0, 1], for all or for each, (N,); None for 0. Of no effect on a model that does not
                restore.

        Raises:
            CheckpointError: the runtime cannot load the file, which it does with the first pictures.
            MemoryError: there is not enough memory.
            ModelError: the runtime fails otherwise, or its result has not the size that the file's header says.
        """
        arrays: dict[str, np.ndarray] = {"lr": lr.detach().float().cpu().contiguous().numpy()}
        if self.dial:
            arrays["fidelity"] = _for_each(self.default_fidelity if fidelity is None else fidelity, len(lr))
        if self.restoring:
            arrays["restoration"] = _for_each(0.0 if restoration is None else restoration, len(lr))
        rounded = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        result = self._session("bfloat16" if rounded and "bfloat16" in self.dtypes else "float32").run(arrays)
        expected = (len(lr), 3, self.scale * lr.shape[2], self.scale * lr.shape[3])
        if result.shape != expected:
            raise ModelError(
                f"{self._source} makes {result.shape} of {tuple(lr.shape)}, where its header promises {expected}; "
                "export it again."
            )
        return torch.from_numpy(result).to(lr.device, lr.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> ExportedModel:
        twin = copy.copy(self)
        twin._opened = None
        return twin


def _for_each(value: float | Tensor, count: int) -> np.ndarray:
    """A number for each picture of a batch, (count,)."""
    values = torch.as_tensor(value, dtype=torch.float32).detach().cpu().view(-1)
    return values.expand(count).contiguous().numpy()


def from_onnx(path: Path) -> ExportedModel | None:
    """The model of an ONNX file that deltasr exported, run by ONNX Runtime; None for one of another origin.

    Raises:
        CheckpointError: the file or its header cannot be read.
        ModelError: ONNX Runtime is not installed.
    """
    content = _content(path)
    told = OnnxRuntimeSession(content, source=str(path), threads=1).session.get_modelmeta().custom_metadata_map
    if HEADER_KEY not in told:
        return None
    return ExportedModel(content, read_header(told[HEADER_KEY], str(path)), runtime="onnxruntime", source=str(path))


def from_openvino(path: Path) -> ExportedModel:
    """The model of OpenVINO's files that deltasr exported; the weights lie beside `path` as .bin.

    Raises:
        CheckpointError: they cannot be read, or are not deltasr's.
        ModelError: OpenVINO is not installed.
    """
    content, weights = _content(path), _content(path.with_suffix(".bin"))
    core = openvino_core(str(path))
    try:
        network = core.read_model(content, weights)
        told = network.get_rt_info([HEADER_KEY, "header"]) if network.has_rt_info([HEADER_KEY, "header"]) else None
    except Exception as error:  # OpenVINO raises RuntimeError, and what pybind makes of other exceptions
        raise CheckpointError(f"OpenVINO cannot load {path} ({reason(error)}).") from error
    if told is None:
        raise CheckpointError(f"{path} was not written by deltasr export, so how to run it is not known.")
    header = read_header(str(told.astype(str)), str(path))
    return ExportedModel(content, header, runtime="openvino", source=str(path), weights=weights)


def read_header(text: str, source: str) -> ExportHeader:
    """The header that a file holds as JSON.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        require_shallow(text)
        return msgspec.json.decode(text, type=ExportHeader)
    except (msgspec.MsgspecError, SettingError) as error:
        raise CheckpointError(f"The header of {source} is damaged ({reason(error)}).") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
