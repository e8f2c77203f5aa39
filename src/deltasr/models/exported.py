"""Models of deltasr in ONNX's or OpenVINO's files, as `engines.export` writes them: the same promises without torch.

The header of such a file holds the attributes of the model that it was made from, so that tiles, padding and dials are
the same. Nothing here loads torch.
"""

from __future__ import annotations

from base64 import b64decode
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from deltasr.arguments import require_shallow
from deltasr.arrays import Array, like, to_numpy
from deltasr.errors import CheckpointError, ModelError, SettingError, reason
from deltasr.models.configs import Share
from deltasr.models.interface import ModelInterface, SizeRequirements
from deltasr.models.onnx_metadata import metadata_of
from deltasr.models.sessions import TITLES, LazySession, openvino_core

HEADER_KEY = "deltasr"
EXPECTED_KEY = "deltasr-expected"
"""Of torch's result for the reference input: little-endian float32 in base64."""

REFERENCE_SIZE = (24, 20)
"""Height and width of the picture that files of the package are compared on."""

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
        features: whether the network's second output is the encoder's features, of which an error map is made.
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
    features: bool = False


class ExportedModel(ModelInterface):
    """A network that ONNX Runtime or OpenVINO runs on the CPU, with as many threads as torch would.

    Pictures are NumPy's arrays, or tensors from any device, and results the same. It can be pickled and copied.

    Args:
        content: the file, in ONNX's format or OpenVINO's XML.
        header: that of the file.
        runtime: `onnxruntime` or `openvino`.
        source: what the file is called in messages; the header's name if empty.
        weights: the second file of OpenVINO's format; empty for ONNX's.
        dtype: what it computes in.
        expected: torch's result for `engines.inputs.reference_input`, for files that come with the package; None for
            others.

    Raises:
        ModelError: the runtime is not installed.
    """

    takes_arrays = True

    def __init__(
        self,
        content: bytes,
        header: ExportHeader,
        *,
        runtime: str,
        source: str = "",
        weights: bytes = b"",
        dtype: str = "float32",
        expected: NDArray[np.float32] | None = None,
    ) -> None:
        self.header, self.runtime, self.dtype, self.expected = header, runtime, dtype, expected
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
        self.source = source or header.name
        self._network = LazySession(content, runtime=runtime, source=self.source, weights=weights, dtype=dtype)

    @property
    def files(self) -> tuple[bytes, bytes]:
        """The file and its weights, as they were given."""
        return self._content, self._weights

    def weights_sha256(self) -> str:
        return self.header.sha256

    def run_by(self, runtime: str, *, dtype: str = "float32") -> ExportedModel:
        """The same model, run by `onnxruntime` or `openvino` in a type that this computes in.

        Raises:
            ModelError: the file is in OpenVINO's format, which ONNX Runtime does not read, or the runtime is not
                installed.
        """
        if (runtime, dtype) == (self.runtime, self.dtype):
            return self
        if self._weights and runtime != "openvino":
            raise ModelError(f"{self.source} is in OpenVINO's format; choose the engine openvino, or export to .onnx.")
        return ExportedModel(
            self._content,
            self.header,
            runtime=runtime,
            source=self.source,
            weights=self._weights,
            dtype=dtype,
            expected=self.expected,
        )

    def __call__(
        self, lr: Array, fidelity: float | Array | None = None, restoration: float | Array | None = None
    ) -> Array:
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
        pictures = to_numpy(lr)
        arrays = self._inputs(pictures, self._dials(len(pictures), fidelity, restoration))
        return like(self._checked(self._network.ready().run(arrays), pictures), lr)

    def with_features(
        self, lr: Array, fidelity: float | Array | None = None, restoration: float | Array | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """What a call makes, the encoder's features (N, width, h, w), and fidelity and restoration, (N, 2).

        For networks whose header says that they have features; arguments and exceptions are those of a call.
        """
        pictures = to_numpy(lr)
        dials = self._dials(len(pictures), fidelity, restoration)
        result, features = self._network.ready().run_for(self._inputs(pictures, dials), ["sr", "features"])
        return self._checked(result, pictures), features, np.stack(list(dials.values()), axis=1)

    def _dials(
        self, count: int, fidelity: float | Array | None, restoration: float | Array | None
    ) -> dict[str, NDArray[np.float32]]:
        """Where both dials stand for each picture of a batch, (count,), also those that the model does not have."""
        return {
            "fidelity": _for_each(self.default_fidelity if fidelity is None else fidelity, count),
            "restoration": _for_each(0.0 if restoration is None else restoration, count),
        }

    def _inputs(self, pictures: NDArray[Any], dials: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        has = {"fidelity": self.dial, "restoration": self.restoring}
        given = {name: values for name, values in dials.items() if has[name]}
        return {"lr": np.ascontiguousarray(pictures, np.float32), **given}

    def _checked(self, result: NDArray[np.float32], pictures: NDArray[Any]) -> NDArray[np.float32]:
        """A result, if it has the size that the header promises.

        Raises:
            ModelError: it has not.
        """
        count, _, height, width = pictures.shape
        expected = (count, 3, self.scale * height, self.scale * width)
        if result.shape != expected:
            raise ModelError(
                f"{self.source} makes {result.shape} of {pictures.shape}, where its header promises {expected}; "
                "export it again."
            )
        return result


def _for_each(value: float | Array, count: int) -> NDArray[np.float32]:
    """A number for each picture of a batch, (count,)."""
    values = np.asarray(value if isinstance(value, float | int) else to_numpy(value), np.float32).reshape(-1)
    return np.ascontiguousarray(np.broadcast_to(values, (count,)))


def from_package(file: Path, runtime: str | None = None) -> ExportedModel:
    """The network of a bundled model, from the ONNX file that lies beside its weights.

    Args:
        file: the ONNX file.
        runtime: `onnxruntime` or `openvino`; None for one that is installed.

    Raises:
        CheckpointError: the file cannot be read.
        ModelError: the runtime is not installed, or none is.
    """
    content = content_of(file)
    told = metadata_of(content, str(file))
    header = read_header(told.get(HEADER_KEY, ""), str(file))
    try:
        values = np.frombuffer(b64decode(told[EXPECTED_KEY]), "<f4")
        expected = values.reshape(1, 3, *(header.scale * side for side in REFERENCE_SIZE))
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged; install deltasr again.") from error
    return ExportedModel(
        content, header, runtime=runtime or _installed_runtime(), source=header.name, expected=expected
    )


def _installed_runtime() -> str:
    for runtime in TITLES:
        if find_spec(runtime) is not None:
            return runtime
    raise ModelError(
        "No program to run networks with is installed: pip install onnxruntime, or torch (https://pytorch.org)."
    )


def from_onnx(path: Path) -> ExportedModel | None:
    """The model of an ONNX file that deltasr exported, run by an installed runtime; None for one of another origin.

    Raises:
        CheckpointError: the file or its header cannot be read.
        ModelError: no runtime is installed.
    """
    content = content_of(path)
    told = metadata_of(content, str(path))
    if HEADER_KEY not in told:
        return None
    header = read_header(told[HEADER_KEY], str(path))
    return ExportedModel(content, header, runtime=_installed_runtime(), source=str(path))


def from_openvino(path: Path) -> ExportedModel:
    """The model of OpenVINO's files that deltasr exported; the weights lie beside `path` as .bin.

    Raises:
        CheckpointError: they cannot be read, or are not deltasr's.
        ModelError: OpenVINO is not installed.
    """
    content, weights = content_of(path), content_of(path.with_suffix(".bin"))
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


def content_of(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
