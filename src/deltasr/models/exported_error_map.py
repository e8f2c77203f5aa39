"""The map of how wrong pixels may be as a network in ONNX's format (`engines.export_map`), run without torch.

It takes the features that the model's own network gives besides its result. Its header says to which weights it
belongs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from deltasr.arrays import Array
from deltasr.errors import CheckpointError, SettingError, reason
from deltasr.models import catalogue
from deltasr.models.error_map_interface import Run, no_map
from deltasr.models.exported import ExportedModel, content_of
from deltasr.models.interface import ModelInterface
from deltasr.models.onnx_metadata import metadata_of
from deltasr.models.sessions import LazySession

HEADER_KEY = "deltasr-map"
INPUTS = ("features", "result", "fidelity", "restoration")
OUTPUT = "map"


class MapHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file of a map.

    Attributes:
        model_sha256: of the network that gives the features, as its own header has it.
        map_sha256: of the file that the map was exported from.
        coverage: the share of values that lie in their intervals.
        steps_per_level: what the map is stored in: this part of an 8-bit level.
    """

    model_sha256: str
    map_sha256: str
    coverage: float
    steps_per_level: int


class ExportedErrorMap:
    """The map of a model that is no torch model. It can be pickled and copied.

    Args:
        model: makes the results; its network has features.
        content: the map's file.
        source: what the file is called in messages.

    Raises:
        CheckpointError: the file is damaged, or belongs to another network.
    """

    def __init__(self, model: ExportedModel, content: bytes, *, source: str) -> None:
        self.header = read_header(content, source)
        if self.header.model_sha256 != model.header.sha256:
            raise CheckpointError(
                f"The error map {source} belongs to other weights than those of {model.source}; make both by "
                "scripts/export_bundled.py, or install deltasr again."
            )
        self._model = model
        # in float32, whatever the model computes in, as torch does
        self._head = LazySession(content, runtime=model.runtime, source=source)

    def run(self, lr: Array, fidelity: Any = None, restoration: Any = None) -> Run:
        """Run the model as its call does, and keep its features, as arrays of NumPy."""
        return Run(*self._model.with_features(lr, fidelity, restoration))

    def stored(self, run: Run, result: Array) -> Array:
        """The half-widths as results store them, in 1/256 of a level, over the largest number of 16 bits, up to 1."""
        values = (run.features, result, *run.dial_values.T)
        arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in zip(INPUTS, values, strict=True)}
        return self._head.ready().run(arrays)


def load(model: ModelInterface, file: Path | None = None) -> ExportedErrorMap:
    """The map of a model that is no torch model, from the package.

    Args:
        model: a model that computes on arrays.
        file: the file of a map that was asked for in place of the package's.

    Raises:
        ModelError: the model has no map.
        CheckpointError: the map's file cannot be read, or belongs to another network.
        SettingError: a file was asked for; these are for torch.
    """
    if file is not None:
        raise SettingError(f"The error map {file} is computed by torch; choose the engine torch, or leave it out.")
    if not (isinstance(model, ExportedModel) and model.header.features and catalogue.has_error_map(model.header.name)):
        raise no_map(model.source if isinstance(model, ExportedModel) else model.name, catalogue.with_error_maps())
    file = catalogue.bundled_file(model.header.name, catalogue.EXPORTED_MAP_SUFFIX)
    return ExportedErrorMap(model, content_of(file), source=str(file))


def read_header(content: bytes, source: str) -> MapHeader:
    """The header of a map's file.

    Raises:
        CheckpointError: it is no such file, or is damaged.
    """
    try:
        return msgspec.json.decode(metadata_of(content, source)[HEADER_KEY], type=MapHeader)
    except (KeyError, msgspec.MsgspecError) as error:
        raise CheckpointError(f"{source} is no error map, or is damaged ({reason(error)}).") from error
