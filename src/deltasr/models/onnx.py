"""Other people's upscalers in ONNX files, run by ONNX Runtime (extra `onnx`).

A file has to hold one picture-to-picture network: one input and one output (N, 3, height, width), RGB in [0, 1]. The
factor and the sizes that it takes are not written in such a file, so they are found by running it on small pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from deltasr import processor
from deltasr.arrays import Array, like, to_numpy
from deltasr.errors import CheckpointError, ModelError
from deltasr.files import sha256_of
from deltasr.models import exported
from deltasr.models.interface import ModelInterface, SizeRequirements
from deltasr.models.sessions import OnnxRuntimeSession

SUFFIX = ".onnx"

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_SMALLEST = (1, 2, 4, 8, 16, 32, 64, 128)
"""Sides that are tried, in pixels."""
_LARGEST_SCALE = 16


class OnnxModel(ModelInterface):
    """A network in an ONNX file.

    It runs on the CPU with as many threads as torch would, whatever device pictures come from. How far it sees is not
    known, so tiles overlap and are blended. Pictures of a batch go through one by one.

    Args:
        path: the file.

    Raises:
        CheckpointError: it cannot be read, or its input and output are not pictures of three channels.
        ModelError: ONNX Runtime is not installed.
    """

    takes_arrays = True
    dtypes = ("float32",)

    def __init__(self, path: Path) -> None:
        self._path, self._threads = path, 0
        self._session = self._open()
        self.name = path.stem
        inputs, outputs = self._session.session.get_inputs(), self._session.session.get_outputs()
        what = f"{path} is not an upscaler that deltasr can run"
        if len(inputs) != 1 or len(outputs) != 1:
            raise CheckpointError(
                f"{what}: it has {len(inputs)} inputs and {len(outputs)} outputs, where one picture each is expected."
            )
        shape = inputs[0].shape
        free = len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int))
        if inputs[0].type not in _TYPES or not free:
            raise CheckpointError(
                f"{what}: its input is {inputs[0].type} {shape}, not (N, 3, height, width) of floats."
            )
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        if any(isinstance(side, int) for side in shape[2:]):
            raise CheckpointError(
                f"{what}: it takes pictures of {shape[3]}x{shape[2]} only; export it with free height and width."
            )
        self.scale, self.size_requirements = self._probed(what)
        self.description = f"{path.name} x{self.scale}, by ONNX Runtime"

    def weights_sha256(self) -> str:
        return sha256_of(self._path)

    def _open(self) -> OnnxRuntimeSession:
        """A session with the present number of threads."""
        self._threads = processor.threads()
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{self._path} cannot be read: {error.strerror}.") from error
        return OnnxRuntimeSession(content, source=str(self._path), threads=self._threads)

    def _probed(self, what: str) -> tuple[int, SizeRequirements]:
        """The factor, and the sizes that it takes, by trying small ones."""
        for minimum in _SMALLEST:
            try:
                result = self._run(np.zeros((1, 3, minimum, minimum), np.float32))
            except ModelError:
                continue
            scale, rest = divmod(result.shape[-1], minimum)
            if result.shape != (1, 3, scale * minimum, scale * minimum) or rest or not 1 <= scale <= _LARGEST_SCALE:
                raise CheckpointError(
                    f"{what}: it makes {tuple(result.shape)} of (1, 3, {minimum}, {minimum}), which is no factor."
                )
            for multiple in (1, 2, 4, 8, 16, 32, 64):
                side = minimum + multiple
                if (minimum % multiple == 0 or multiple == 1) and self._makes(side, scale):
                    return scale, SizeRequirements(minimum=minimum, multiple_of=multiple)
        raise CheckpointError(f"{what}: it fails on every size from 1x1 to {_SMALLEST[-1]}x{_SMALLEST[-1]}.")

    def _makes(self, side: int, scale: int) -> bool:
        try:
            result = self._run(np.zeros((1, 3, side, side), np.float32))
        except ModelError:
            return False
        return result.shape == (1, 3, scale * side, scale * side)

    def _run(self, picture: np.ndarray) -> np.ndarray:
        return self._session.run({self._input: picture.astype(self._type, copy=False)})

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_session": None}  # which cannot be pickled or copied, and is opened again

    def __call__(self, lr: Array) -> Array:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1].

        Raises:
            MemoryError: there is not enough memory.
            ModelError: ONNX Runtime fails otherwise.
        """
        if self._session is None or self._threads != processor.threads():
            self._session = self._open()
        pictures = np.ascontiguousarray(to_numpy(lr), np.float32)
        return like(np.concatenate([self._run(picture[None]) for picture in pictures]).clip(0, 1), lr)


def load(path: str | os.PathLike[str]) -> ModelInterface:
    """The model of an ONNX file: one that deltasr exported, or anybody else's.

    Raises:
        CheckpointError, ModelError: as `OnnxModel` and `exported.from_onnx`.
    """
    return exported.from_onnx(Path(path)) or OnnxModel(Path(path))
