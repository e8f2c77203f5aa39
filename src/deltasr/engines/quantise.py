"""A network in 8-bit integers for OpenVINO: its convolutions, except the first.

Post-training quantisation by NNCF. What loses quality is the first convolution, whose input is the picture, and sums
along the skips; both stay in floating point, as do the modulations, which take no time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import torch

from deltasr.engines.export import Exported
from deltasr.engines.inputs import dials_of
from deltasr.errors import SettingError
from deltasr.models.exported import HEADER_KEY
from deltasr.models.sessions import openvino_core, require_package
from deltasr.resampling.tensors import downscale

CALIBRATION_CROPS = 120
"""How many crops of pictures decide the ranges of the integers."""

_SIDE = 64
_IN_FLOAT = ("Add", "Multiply", "Subtract", "Divide", "MatMul")
_RGB = 3
_USUAL_FIDELITIES = (1.0, 1.0, 0.75, 0.5)


def quantise(exported: Exported, crops: Sequence[np.ndarray]) -> tuple[Any, dict[str, str]]:
    """An OpenVINO network with convolutions in 8 bits, and its metadata, for `export.write_openvino`.

    Args:
        exported: the network in floating point.
        crops: typical inputs, LR pictures (1, 3, h, w) in [0, 1], as `crops_of` makes them.

    Raises:
        ModelError: OpenVINO or NNCF is not installed.
        SettingError: there are no crops.
    """
    os.environ.setdefault("NNCF_CI", "1")  # else NNCF reports over the network that it is used
    core = openvino_core("Export in 8 bits")
    nncf = require_package("nncf", "Export in 8 bits")
    if not crops:
        raise SettingError("There are no pictures to measure the ranges of values on; name a folder of photographs.")
    generator = np.random.default_rng(0)
    dials = dials_of(exported.header)
    items = [{"lr": crop} | {name: _place(name, generator) for name in dials} for crop in crops]
    network = core.read_model(exported.content)
    nncf.set_log_level(logging.ERROR)
    quantised = nncf.quantize(
        network,
        nncf.Dataset(items),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(items),
        ignored_scope=nncf.IgnoredScope(names=_of_the_picture(network), types=list(_IN_FLOAT), validate=False),
    )
    header = msgspec.structs.replace(exported.header, weights="int8")
    metadata = exported.metadata | {"weights": "int8", HEADER_KEY: msgspec.json.encode(header).decode()}
    return quantised, metadata


def crops_of(pictures: Iterable[np.ndarray], scale: int, *, count: int = CALIBRATION_CROPS) -> list[np.ndarray]:
    """LR crops (1, 3, 64, 64) in [0, 1] from pictures (H, W, 3) uint8, one of each, at places drawn with a seed.

    Pictures that are too small for a crop are left out.
    """
    generator = np.random.default_rng(0)
    side = _SIDE * scale
    crops: list[np.ndarray] = []
    for pixels in pictures:
        if min(pixels.shape[:2]) < side:
            continue
        top, left = (int(generator.integers(length - side + 1)) for length in pixels.shape[:2])
        hr = torch.from_numpy(pixels[top : top + side, left : left + side].astype(np.float32) / 255)
        lr = downscale(hr.permute(2, 0, 1)[None], scale).clamp(0, 1)
        crops.append(((lr * 255).round() / 255).numpy())
        if len(crops) == count:
            break
    return crops


def _place(name: str, generator: np.random.Generator) -> np.ndarray:
    """Where a dial stands for one crop: mostly at usual places for the fidelity, at 0 for every other restoration."""
    drawn = float(generator.random())
    places = (*_USUAL_FIDELITIES, drawn) if name == "fidelity" else (0.0, 0.0, drawn)
    return np.array([places[generator.integers(len(places))]], np.float32)


def _of_the_picture(network: Any) -> list[str]:
    """The names of the convolutions whose input is RGB."""
    names = []
    for operation in network.get_ordered_ops():
        if operation.get_type_name() in ("Convolution", "GroupConvolution"):
            channels = operation.input(0).get_partial_shape()[1]
            if channels.is_static and channels.get_length() == _RGB:
                names.append(operation.get_friendly_name())
    return names
