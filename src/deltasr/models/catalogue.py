"""Every model that has a name: an explicit list, and the one function that loads them.

The list itself is light; torch is loaded with the first model.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, cast

from deltasr.arguments import is_path, shown
from deltasr.devices import has_torch, require_torch
from deltasr.errors import CheckpointError, ModelError
from deltasr.models import hub, openmodeldb
from deltasr.models.facts import Facts, facts_of
from deltasr.models.header import is_foreign, read_header
from deltasr.models.methods import METHODS

if TYPE_CHECKING:
    import torch

    from deltasr.models.base import Model
    from deltasr.models.exported import ExportedModel

DEFAULT = "deltadiff-x4"

BUNDLED: dict[str, str] = {
    "deltadiff-x4": "DeltaDiff x4, tiny: four deterministic steps on the LR grid, for clean pictures and for JPEGs",
    "deltadiff-photo-x4": "DeltaDiff x4, tiny, for pictures from the web: JPEG blocks, blur, noise",
    "rrdb-x4": "RRDB x4, 2 blocks: one pass, trained for fidelity",
    "rrdb-gan-x4": "RRDB x4, 2 blocks: one pass, trained further for realism, with a discriminator and LPIPS",
}
"""Models whose weights come with the package, as `weights/NAME.safetensors` with the card `weights/NAME.md`."""

MAP_SUFFIX = ".map.safetensors"
"""Of the file beside a bundled model's weights that holds its error map."""

EXPORTED_MAP_SUFFIX = ".map.onnx"
"""Of the same map as a network in ONNX's format (`models.exported_error_map`)."""

_CLASSICAL_SCALE = 4
_RUN_WEIGHTS = "model.safetensors"
_PIPELINE_INDEX = "model_index.json"

COUNTERPARTS: dict[str, str] = {"rrdb-x4": "rrdb-gan-x4"}
"""Models trained for fidelity, each with the one trained from it for realism: pairs to blend (`models.blend`)."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the catalogue.

    Attributes:
        name: what `load` takes.
        description: one line.
        build: makes the model, on the CPU.
        card: the model card (Markdown) of bundled weights; None for models without weights.
    """

    name: str
    description: str
    build: Callable[[], Model]
    card: Path | None = None


def bundled_file(name: str, suffix: str) -> Path:
    """Where the package keeps a bundled model's file."""
    return Path(str(resources.files("deltasr") / "weights" / f"{name}{suffix}"))


def has_error_map(name: str) -> bool:
    """Whether the package has an error map for a model (`models.error_map`), without loading either."""
    return name in BUNDLED and bundled_file(name, MAP_SUFFIX).is_file()


def with_error_maps() -> list[str]:
    """The names of the models for which the package has an error map."""
    return list(filter(has_error_map, BUNDLED))


def _load_bundled(name: str) -> Model:
    from deltasr.models import checkpoint

    model = checkpoint.load(bundled_file(name, ".safetensors"))
    model.name = name
    return model


def _interpolation(name: str) -> Model:
    from deltasr.models.interpolation import Interpolation

    return Interpolation(method=name)


def _entries() -> dict[str, Entry]:
    bundled = [
        Entry(
            name=name,
            description=description,
            build=partial(_load_bundled, name),
            card=bundled_file(name, ".md"),
        )
        for name, description in BUNDLED.items()
    ]
    classical = [
        Entry(name=name, description=f"x{_CLASSICAL_SCALE} {method.description}", build=partial(_interpolation, name))
        for name, method in METHODS.items()
    ]
    return {entry.name: entry for entry in (*bundled, *classical)}


_CATALOGUE = _entries()


def names() -> list[str]:
    """The names that `load` takes, the default first."""
    return list(_CATALOGUE)


def names_here() -> list[str]:
    """The same, without those that need torch where it is not installed."""
    if has_torch():
        return names()
    from deltasr.models.array_interpolation import UPSAMPLINGS

    return [name for name in names() if name in BUNDLED or name in UPSAMPLINGS]


def describe(name: str) -> Entry:
    """The catalogue's entry of a name.

    Raises:
        ModelError: there is no such name.
    """
    if name not in _CATALOGUE:
        raise ModelError(
            f"There is no model called '{name}'; known are {', '.join(_CATALOGUE)}, or a checkpoint's path."
        )
    return _CATALOGUE[name]


def pair_of(name: str) -> tuple[str, str] | None:
    """The pair in `COUNTERPARTS` that a name belongs to, fidelity first; None where it belongs to none."""
    return next((pair for pair in COUNTERPARTS.items() if name in pair), None)


def dials() -> dict[str, float]:
    """The bundled models that have a fidelity dial, each with its default, as the headers of their checkpoints say."""
    arguments = {name: read_header(bundled_file(name, ".safetensors")).arguments for name in BUNDLED}
    return {name: its["default_fidelity"] for name, its in arguments.items() if its.get("dial")}


def facts(name_or_path: str | os.PathLike[str]) -> Facts | None:
    """What is known of a model without loading it, or torch; None where it has to be loaded for that.

    Raises:
        ModelError, CheckpointError: as `load`, as far as it is found without loading.
    """
    place = _place(name_or_path)
    if isinstance(place, Path):
        return None if place.is_dir() or is_foreign(place) else facts_of(place)
    if place.name in METHODS:
        reach, _ = METHODS[place.name]
        description, scale = place.description, _CLASSICAL_SCALE
        return Facts(name=place.name, description=description, scale=scale, receptive_field=reach)
    known = facts_of(bundled_file(place.name, ".safetensors"))
    return None if known is None else replace(known, name=place.name)


def exported_network(name: str, runtime: str | None = None) -> ExportedModel | None:
    """The network of a bundled model as its ONNX file has it; None for other names.

    Args:
        name: any name.
        runtime: what runs it, `onnxruntime` or `openvino`; None for one that is installed.

    Raises:
        CheckpointError, ModelError: as `models.exported.from_package`.
    """
    if name not in BUNDLED:
        return None
    from deltasr.models import exported

    return exported.from_package(bundled_file(name, ".onnx"), runtime)


def load(
    name_or_path: str | os.PathLike[str] = DEFAULT,
    *,
    device: str | torch.device = "cpu",
    runtime: str | None = None,
) -> Model:
    """A model by its name in the catalogue, on the Hub or in OpenModelDB, or by its path, in evaluation mode.

    Args:
        name_or_path: one of `names()`, a checkpoint, the folder of a training run, any other weights file that
            spandrel recognises, the folder of a latent diffusion pipeline, `hf://owner/name` (`models.hub`), or
            `openmodeldb://NAME` (`models.openmodeldb`).
        device: where to put it.
        runtime: `onnxruntime` or `openvino` to take a bundled model's network from its ONNX file, for that runtime,
            without torch. Where torch is not installed, bundled models are taken so in any case, and all
            interpolations but bilinear are NumPy's.

    Returns:
        The model. Files of ONNX and OpenVINO, what is taken from one, and what NumPy computes are a
        `models.interface.ModelInterface` only.

    Raises:
        ModelError: there is no such name, it is neither a name nor a path, or the file needs spandrel
            (`models.external`), or the folder diffusers (`models.ldm`), or torch or the runtime is not installed.
        CheckpointError: there is no such file, or it cannot be read, or its weights do not fit its model.
    """
    place = _place(name_or_path)
    if isinstance(place, Entry):
        if runtime is not None or not has_torch():
            network = exported_network(place.name, runtime)
            if network is not None:
                return cast("Model", network)
        if place.name in METHODS and not has_torch():
            from deltasr.models.array_interpolation import UPSAMPLINGS, ArrayInterpolation

            if place.name in UPSAMPLINGS:
                return cast("Model", ArrayInterpolation(method=place.name))
        require_torch(f"The model {place.name}")
        return place.build().to(device).eval()
    if place.suffix.lower() == ".onnx":
        from deltasr.models import onnx

        return cast("Model", onnx.load(place))
    if place.suffix.lower() == ".xml":
        from deltasr.models import exported

        return cast("Model", exported.from_openvino(place))
    require_torch(f"The model {place}")
    if place.is_dir():
        from deltasr.models import ldm

        return ldm.load(place, device=device)
    if is_foreign(place):
        from deltasr.models import external

        return external.load(place, device=device)
    from deltasr.models import checkpoint

    return checkpoint.load(place, device=device)


def _place(name_or_path: str | os.PathLike[str]) -> Entry | Path:
    """The entry of a name, or where the model of a path lies: a file, or the folder of a pipeline.

    Raises:
        ModelError: there is no such name, or it is neither a name nor a path.
        CheckpointError: a folder holds neither a run's weights nor a pipeline.
    """
    if not is_path(name_or_path):
        raise ModelError(f"{shown(name_or_path)} is no model's name and no path; give one of {', '.join(_CATALOGUE)}.")
    name = os.fspath(name_or_path)
    if name.startswith(hub.PREFIX):
        return hub.fetch(name)
    if name.startswith(openmodeldb.PREFIX):
        return openmodeldb.fetch(name)
    path = Path(name)
    if name in _CATALOGUE or not (path.suffix or path.exists()):
        return describe(name)
    if not path.is_dir() or (path / _PIPELINE_INDEX).exists():
        return path
    if not (path / _RUN_WEIGHTS).exists():
        raise CheckpointError(
            f"{path} is a folder without {_PIPELINE_INDEX} of a diffusers pipeline or {_RUN_WEIGHTS} of a training "
            "run; give such a folder, or a checkpoint's file."
        )
    return path / _RUN_WEIGHTS
