"""Checkpoints: one `.safetensors` file whose header carries everything needed to build the model again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from deltasr.arguments import shown
from deltasr.errors import CheckpointError, reason
from deltasr.files import write_whole
from deltasr.models.base import Model
from deltasr.models.configs import ARCHITECTURES, configured, model_class
from deltasr.models.header import HEADER_KEY, Header, is_foreign, read_header
from deltasr.models.limits import no_larger_than

__all__ = ["Header", "build", "is_foreign", "load", "misfit", "read_header", "save"]


def save(
    model: Model,
    path: str | os.PathLike[str],
    *,
    state: Mapping[str, Tensor] | None = None,
    training: dict[str, Any] | None = None,
) -> None:
    """Write a model to one `.safetensors` file; the file appears whole or not at all.

    Args:
        model: a model whose architecture is in `configs.ARCHITECTURES`.
        path: the file to write.
        state: weights to write instead of the model's own (an average of them, say), with the same names.
        training: facts for the header, as JSON values.

    Raises:
        CheckpointError: the model has no checkpoint format, `state` does not fit it, or the file cannot be written.
    """
    from safetensors.torch import save as serialise

    if model.architecture not in ARCHITECTURES:
        raise CheckpointError(f"{type(model).__name__} models cannot be saved: they have no checkpoint format.")
    weights = model.state_dict() if state is None else state
    if why := misfit(model.state_dict(), weights):
        raise CheckpointError(f"{os.fspath(path)} was not written, because its weights do not fit the model: {why}.")
    header = Header(
        architecture=model.architecture,
        arguments=model.arguments(),
        name=model.name,
        description=model.description,
        training=training or {},
    )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    content = serialise(tensors, metadata={HEADER_KEY: msgspec.json.encode(header).decode()})
    write_whole(Path(path), content, what="The checkpoint", error=CheckpointError)


def build(header: Header, source: str) -> Model:
    """The model a header describes, with fresh weights; `source` names the file in error messages.

    Raises:
        CheckpointError: its class is unknown or its arguments do not fit.
    """
    if header.architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"{source} holds a '{shown(header.architecture)}' model, which this version of deltasr does not have; "
            "update deltasr."
        )
    kind = ARCHITECTURES[header.architecture]
    try:
        model = model_class(kind)(configured(kind, header.arguments))
    except Exception as error:  # every network has its own way of failing on numbers that do not fit together
        raise CheckpointError(
            f"The arguments in the header of {source} do not fit its model ({reason(error)})."
        ) from error
    model.name, model.description = header.name, header.description
    return model


def misfit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str | None:
    """The first reason why weights have not the names and shapes that a model expects; None where they have."""
    for name, tensor in expected.items():
        if name not in weights:
            return f"'{name}' is missing"
        found, needed = tuple(weights[name].shape), tuple(tensor.shape)
        if found != needed:
            return f"'{name}' has the shape {found}, not {needed}"
    unknown = [name for name in weights if name not in expected]
    return f"'{shown(unknown[0])}' has no place in it" if unknown else None


def load(path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Model:
    """The model of a checkpoint, in evaluation mode.

    Args:
        path: a file that `save` wrote.
        device: where to put the model.

    Raises:
        CheckpointError: the file cannot be read, or its weights do not fit its model.
    """
    source = os.fspath(path)
    header = read_header(path)
    with torch.device("cpu"), no_larger_than(Path(path).stat().st_size):
        model = build(header, source)
    weights = _weights(source)
    if why := misfit(model.state_dict(), weights):
        raise CheckpointError(f"The weights in {source} do not fit its model: {why}.")
    model.load_state_dict(weights)
    return model.to(device).eval()


def _weights(source: str) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(source)
    except Exception as error:  # safetensors, torch and the file system fail each in their own way
        raise CheckpointError(f"The weights in {source} cannot be read ({reason(error)}).") from error
