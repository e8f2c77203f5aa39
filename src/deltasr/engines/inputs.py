"""What networks are tried and compared on: inputs of their graphs. Nothing here loads torch."""

from __future__ import annotations

import numpy as np

from deltasr.models.exported import REFERENCE_SIZE, ExportHeader
from deltasr.models.interface import ModelInterface


def dials_of(model: ModelInterface | ExportHeader) -> list[str]:
    """The names of a model's dials, in the order of the graph's inputs."""
    return ["fidelity"] * model.dial + ["restoration"] * model.restoring


def sample(model: ModelInterface, height: int, width: int, *, count: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of the graph: a picture of smooth and sharp parts, (count, 3, about height, about width), and dials."""
    needs = model.size_requirements
    height, width = (max(needs.minimum, -(-side // needs.multiple_of) * needs.multiple_of) for side in (height, width))
    if needs.square:
        height = width = max(height, width)
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = 0.5 + 0.5 * np.sin(rows / 3 + columns / 5 + np.arange(3)[:, None, None])
    steps = (rows // 4 + columns // 6) % 2
    noise = generator.random((count, 3, height, width))
    arrays = {"lr": (0.5 * waves + 0.3 * steps + 0.2 * noise).astype(np.float32)}
    return arrays | {name: generator.random(count, np.float32) for name in dials_of(model)}


def reference_input(model: ModelInterface) -> dict[str, np.ndarray]:
    """What the results in the package's own files were made of."""
    return sample(model, *REFERENCE_SIZE)
