"""Published checkpoints of ResShift and DeltaDiff: which there are, and how they become ours.

A release has two files a model, a denoiser's and an autoencoder's, with PyTorch state dicts that are plain or wrapped.
They are read without unpickling anything but tensors, checked name by name and shape by shape, and written as one
checkpoint of `models.resshift.ResShift`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deltasr.diffusion.schedule import PRESETS, Schedule
from deltasr.errors import CheckpointError, SettingError
from deltasr.models import checkpoint
from deltasr.models.pytorch_file import read_state_dict
from deltasr.models.resshift import ResShift
from deltasr.nets import swin_unet, vq_autoencoder

_MARKS = {
    "denoiser": ("input_blocks.0.0.weight", "input_blocks.1.1.blocks.0.attn.relative_position_bias_table"),
    "autoencoder": ("quantize.embedding.weight", "post_quant_conv.weight"),
}
"""The two parts of a model, with entries that each has and other networks, of these two kinds even, have not both."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published model.

    Attributes:
        description: one line.
        schedule: the shifting sequence its weights were trained for.
        denoiser, autoencoder: arguments of its networks, as `ResShift` takes them.
    """

    description: str
    schedule: Schedule
    denoiser: Mapping[str, Any] = field(default_factory=dict)
    autoencoder: Mapping[str, Any] = field(default_factory=dict)


PUBLISHED: dict[str, Published] = {
    "resshift-realsr-x4-s15": Published(
        description="ResShift x4 for real pictures, 15 steps (NeurIPS 2023)",
        schedule=PRESETS["resshift-s15"],
    ),
    "resshift-realsr-x4-s4": Published(
        description="ResShift x4 for real pictures, 4 steps (journal version)",
        schedule=PRESETS["resshift-s4"],
    ),
    "resshift-bicubic-x4-s4": Published(
        description="ResShift x4 for pictures downscaled by bicubic interpolation, 4 steps (journal version)",
        schedule=PRESETS["resshift-s4"],
    ),
    "deltadiff-paper-x4": Published(
        description="DeltaDiff x4 as published: 4 deterministic steps",
        schedule=PRESETS["deltadiff"],
    ),
}
"""By the names that `deltasr import --as` takes. `docs/published-checkpoints.md` says which files they are made of."""

_RELEASED_DENOISERS: dict[str, str | None] = {
    "resshift_realsrx4_s15_v1": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s15_v2": "resshift-realsr-x4-s15",
    "resshift_sr_s15_k2_p03": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s4_v3": "resshift-realsr-x4-s4",
    "resshift_bicsrx4_s4": "resshift-bicubic-x4-s4",
    "resshift_inpainting_imagenet_s4": None,
    "resshift_inpainting_face_s4": None,
    "resshift_faceir_s4": None,
}
"""How the file names of ResShift's released denoisers begin, to the one of `PUBLISHED`; None if it is none of them."""

_OTHER_AUTOENCODERS = ("celeba256_vq_f4_dim3_face", "ffhq512_vq_f8_dim8_face")
"""How the file names of the released autoencoders begin that are not for any of `PUBLISHED`."""


def doubtful_names(files: Sequence[str | os.PathLike[str]], name: str) -> list[str]:
    """A sentence for each file that is named like the released file of another model than `name`.

    The networks of several released models have the same shapes and differ in the schedule alone, so that the contents
    of a file do not tell which model it is of. A file under any other name is not doubted.
    """
    doubts = []
    for file in map(Path, files):
        own = file.name.lower()
        for released, model in _RELEASED_DENOISERS.items():
            if own.startswith(released) and model != name:
                right = "which cannot be imported yet" if model is None else f"import it with --as {model}"
                doubts.append(
                    f"{file} is named like ResShift's {released}, which is not {name}; if it is that file, results "
                    f"will be wrong: {right}."
                )
        if any(own.startswith(other) for other in _OTHER_AUTOENCODERS):
            doubts.append(
                f"{file} is named like an autoencoder of faces, which {name} was not trained with; if it is that "
                "file, results will be wrong: use autoencoder_vq_f4.pth."
            )
    return doubts


def import_published(
    files: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, name: str, half: bool = False
) -> None:
    """Write one checkpoint from the two files of a published model.

    Args:
        files: the denoiser's and the autoencoder's file, in any order.
        output: the `.safetensors` file to write.
        name: one of `PUBLISHED`.
        half: store weights as float16, in half the space; they compute in float32 all the same.

    Raises:
        SettingError: there is no such published model.
        CheckpointError: a file is missing, damaged, something else or of another model, or `output` cannot be written.
        ModelError: diffusers is not installed.
    """
    if name not in PUBLISHED:
        raise SettingError(f"There is no published model called '{name}'; known are {', '.join(PUBLISHED)}.")
    published = PUBLISHED[name]
    found = _by_kind([Path(file) for file in files])
    with torch.device("meta"):
        model = ResShift(
            eta=published.schedule.eta,
            kappa=published.schedule.kappa,
            denoiser=published.denoiser,
            autoencoder=published.autoencoder,
        )
    model.name, model.description = name, published.description
    weights = {
        **{f"denoiser.{key}": value for key, value in _denoiser(*found["denoiser"], model, name).items()},
        **{f"autoencoder.vq.{key}": value for key, value in _autoencoder(*found["autoencoder"], model, name).items()},
    }
    checkpoint.save(
        model,
        output,
        state={key: value.to(torch.float16 if half else torch.float32) for key, value in weights.items()},
        training={
            "published": name,
            "files": {kind: {"name": file.name, "sha256": _sha256(file)} for kind, (file, _) in found.items()},
        },
    )


def part_of(file: Path) -> str | None:
    """What a file is in a published model: its `denoiser`, its `autoencoder`, or None where it is neither."""
    try:
        return _part(read_state_dict(file))
    except CheckpointError:
        return None


def _part(state: Mapping[str, Tensor]) -> str | None:
    return next((part for part, marks in _MARKS.items() if all(mark in state for mark in marks)), None)


def _by_kind(files: Sequence[Path]) -> dict[str, tuple[Path, dict[str, Tensor]]]:
    """Each file with its state dict, by what it is for."""
    found: dict[str, tuple[Path, dict[str, Tensor]]] = {}
    for file in files:
        state = read_state_dict(file)
        part = _part(state)
        if part is None:
            raise CheckpointError(
                f"{file} is neither a ResShift denoiser nor a VQ-f4 autoencoder: it begins with '{next(iter(state))}'."
            )
        if part in found:
            raise CheckpointError(
                f"{found[part][0]} and {file} are both a model's {part}; give one denoiser and one autoencoder."
            )
        found[part] = file, state
    for part in _MARKS:
        if part not in found:
            raise CheckpointError(f"The {part}'s file is missing; give the denoiser's and the autoencoder's.")
    return found


def _denoiser(file: Path, state: dict[str, Tensor], model: ResShift, name: str) -> dict[str, Tensor]:
    weights = swin_unet.from_published(state)
    _check(file, model.denoiser.state_dict(), weights, f"the denoiser of {name}")
    return weights


def _autoencoder(file: Path, state: dict[str, Tensor], model: ResShift, name: str) -> dict[str, Tensor]:
    assert model.autoencoder is not None, "published models have an autoencoder"
    expected, levels = model.autoencoder.vq.state_dict(), model.autoencoder.levels
    _check(file, vq_autoencoder.to_published(expected, levels), state, f"the autoencoder of {name}")
    return vq_autoencoder.from_published(state, expected, levels)


def _check(file: Path, expected: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str) -> None:
    if reason := checkpoint.misfit(expected, state):
        raise CheckpointError(f"{file} is not {what}: {reason}.")
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{file} is damaged: '{name}' has values that are not finite; download it again.")


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
