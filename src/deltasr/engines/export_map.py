"""The map of how wrong pixels may be as a network in ONNX's format, which `models.exported_error_map` runs.

The graph takes `features` (N, width, h, w), which the file of the model gives, `result` (N, 3, scale h, scale w) in
[0, 1], that model's, projected if its results are, and `fidelity` and `restoration`, (N,). It gives `map`
(N, 1, scale h, scale w) in [0, 1]: half-widths as results store them, over the largest number of 16 bits.
"""

from __future__ import annotations

import copy
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from deltasr.engines.export import LICENCE_OF_BUNDLED, content_of, require_exporter, traced, weights_digest
from deltasr.errors import ModelError
from deltasr.files import sha256_of
from deltasr.models import error_map as error_maps
from deltasr.models.base import Model
from deltasr.models.error_map import ErrorMap
from deltasr.models.error_map_interface import COVERAGE, STEPS_PER_LEVEL, Run
from deltasr.models.exported_error_map import HEADER_KEY, INPUTS, OUTPUT, MapHeader
from deltasr.models.sessions import OnnxRuntimeSession

_CLOSE = 4
"""How far the file's values may be from torch's, as 16-bit numbers."""


class _Graph(nn.Module):
    """A map's own part, from what a model's run gives."""

    def __init__(self, error_map: ErrorMap) -> None:
        super().__init__()
        self.error_map = error_map

    def forward(self, features: Tensor, result: Tensor, fidelity: Tensor, restoration: Tensor) -> Tensor:
        dial_values = torch.stack([fidelity, restoration], dim=1)
        return self.error_map.stored(Run(result, features, dial_values), result)


def export_map(model: Model, file: Path) -> bytes:
    """A model's map in ONNX's format, compared with torch before it is handed out.

    Args:
        model: that the map belongs to, as `models.catalogue.load` gives it.
        file: the map's, as `models.error_map.load` reads it.

    Raises:
        ModelError: the model has no such map, torch cannot export it, the file's values are not torch's, or a package
            that this needs is not installed.
    """
    require_exporter()
    error_map = copy.deepcopy(error_maps.load(model, file)).to("cpu", torch.float32)
    error_map.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    graph, scale = _Graph(error_map).eval(), error_map.head.scale
    header = MapHeader(
        model_sha256=weights_digest(model),
        map_sha256=sha256_of(file),
        coverage=COVERAGE,
        steps_per_level=STEPS_PER_LEVEL,
    )
    with torch.device("cpu"), torch.inference_mode(False), torch.no_grad():
        proto = traced(
            graph,
            _sample(error_map, 24, 20, count=2),
            name=f"{model.name}-map",
            outputs=[OUTPUT],
            dynamic_shapes=(
                {0: "n", 2: "h", 3: "w"}, {0: "n", 2: f"{scale}h", 3: f"{scale}w"}, {0: "n"}, {0: "n"},
            ),
        )  # fmt: skip
        metadata = {
            "name": f"{model.name}-map",
            "description": f"How far each pixel of a result of {model.name} may be from the truth",
            "scale": str(scale),
            "inputs": "features: (N, width, h, w), of the model; result: (N, 3, scale h, scale w), RGB in 0 to 1; "
            "fidelity, restoration: (N,), of the model",
            "output": f"{OUTPUT}: (N, 1, scale h, scale w), times 65535 a half-width in 1/{STEPS_PER_LEVEL} of an "
            f"8-bit level, with a coverage of {COVERAGE:g}",
            "licence": LICENCE_OF_BUNDLED,
            HEADER_KEY: msgspec.json.encode(header).decode(),
        }
        content = content_of(proto, metadata)
        _require_same(graph, content, model.name)
    return content


@torch.no_grad()
def _require_same(graph: _Graph, content: bytes, name: str) -> None:
    """Make sure that the file gives what torch gives, at sizes other than the traced one.

    Raises:
        ModelError: it does not.
    """
    session = OnnxRuntimeSession(content, source="Exporting an error map", threads=1)
    for height, width, count in ((9, 17, 1), (1, 2, 3)):
        arrays = _sample(graph.error_map, height, width, count=count)
        expected = graph(*map(torch.from_numpy, arrays.values())).numpy()
        found = session.run(arrays)
        if found.shape != expected.shape or not np.abs(found - expected).max() * 65535 <= _CLOSE:
            raise ModelError(
                f"The error map of {name} does not survive being exported: at {width}x{height} pixels the file's "
                "values are not torch's."
            )


def _sample(error_map: ErrorMap, height: int, width: int, *, count: int) -> dict[str, np.ndarray]:
    """Inputs of the graph."""
    generator = np.random.default_rng(height)
    scale, channels = error_map.head.scale, error_map.head.first.in_channels - error_map.head.scale**2
    shapes = ((count, channels, height, width), (count, 3, scale * height, scale * width), (count,), (count,))
    return {name: generator.random(shape, np.float32) for name, shape in zip(INPUTS, shapes, strict=True)}
