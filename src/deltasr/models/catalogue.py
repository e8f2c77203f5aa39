"""Every model that has a name: an explicit list, and the one function that loads them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import torch

from deltasr.arguments import is_path, shown
from deltasr.errors import ModelError
from deltasr.models import checkpoint
from deltasr.models.base import Model
from deltasr.models.interpolation import METHODS, Interpolation

DEFAULT = "deltadiff-x4"

BUNDLED: dict[str, str] = {
    "deltadiff-x4": "DeltaDiff x4, tiny: four deterministic steps on the LR grid, no autoencoder",
    "deltadiff-photo-x4": "DeltaDiff x4, tiny, for pictures off the web: JPEG blocks, blur, noise",
    "rrdb-x4": "RRDB x4, 2 blocks: one pass, trained for fidelity",
    "rrdb-gan-x4": "RRDB x4, 2 blocks: one pass, trained further for realism, with a discriminator and LPIPS",
}
"""Models whose weights come with the package, as `weights/NAME.safetensors` with the card `weights/NAME.md`."""

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


def _load_bundled(name: str) -> Model:
    model = checkpoint.load(bundled_file(name, ".safetensors"))
    model.name = name
    return model


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
        Entry(name=name, description=f"x4 {what}", build=partial(Interpolation, method=name))
        for name, (_, _, what) in METHODS.items()
    ]
    return {entry.name: entry for entry in (*bundled, *classical)}


_CATALOGUE = _entries()


def names() -> list[str]:
    """The names that `load` knows, the default first."""
    return list(_CATALOGUE)


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
    headers = {name: checkpoint.read_header(bundled_file(name, ".safetensors")) for name in BUNDLED}
    return {
        name: header.arguments["default_fidelity"] for name, header in headers.items() if header.arguments.get("dial")
    }


def load(name_or_path: str | os.PathLike[str] = DEFAULT, *, device: str | torch.device = "cpu") -> Model:
    """A model by its name in the catalogue or by the path of a checkpoint, in evaluation mode.

    Args:
        name_or_path: one of `names()`, a checkpoint, any other weights file that spandrel recognises, or the folder of
            a latent diffusion pipeline.
        device: where to put it.

    Raises:
        ModelError: there is no such name, it is neither a name nor a path, or the file needs spandrel
            (`models.external`), or the folder diffusers (`models.ldm`).
        CheckpointError: there is no such file, or it cannot be read, or its weights do not fit its model.
    """
    if not is_path(name_or_path):
        raise ModelError(f"{shown(name_or_path)} is no model's name and no path; give one of {', '.join(_CATALOGUE)}.")
    name = os.fspath(name_or_path)
    if name not in _CATALOGUE and Path(name).is_dir():
        from deltasr.models import ldm

        return ldm.load(name, device=device)
    if name not in _CATALOGUE and (Path(name).suffix or Path(name).exists()):
        if Path(name).suffix.lower() == ".onnx":
            from deltasr.models import onnx

            return onnx.load(name).to(device).eval()
        if checkpoint.is_foreign(name):
            from deltasr.models import external

            return external.load(name, device=device)
        return checkpoint.load(name, device=device)
    return describe(name).build().to(device).eval()
