"""Published checkpoints of ResShift, DeltaDiff and DASR: which there are, and how they become ours.

A release has two files a model, such as a denoiser's and an autoencoder's, with PyTorch state dicts that are plain or
wrapped. They are read without unpickling anything but tensors, checked name by name and shape by shape, and written as
one checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from deltasr.diffusion.schedule import PRESETS, Schedule
from deltasr.errors import CheckpointError, SettingError
from deltasr.files import sha256_of
from deltasr.models import checkpoint
from deltasr.models.dasr import Dasr
from deltasr.models.pytorch_file import read_state_dict
from deltasr.models.resshift import ResShift
from deltasr.nets import swin_unet, vq_autoencoder

_MARKS: dict[str, tuple[tuple[str, int], ...]] = {
    "denoiser": (("input_blocks.0.0.weight", 4), ("input_blocks.1.1.blocks.0.attn.relative_position_bias_table", 2)),
    "autoencoder": (("quantize.embedding.weight", 2), ("post_quant_conv.weight", 4)),
    "generator": (("conv_first.weight", 5), ("upconv1.weight", 5)),
    "predictor": (("ConvNet.0.weight", 4), ("MappingNet.1.weight", 2)),
}
"""The parts of models, with entries, and their dimensions, that each has and other networks have not both."""

_CALLED = {
    "denoiser": "a ResShift denoiser",
    "autoencoder": "a VQ autoencoder",
    "generator": "DASR's upscaling network",
    "predictor": "DASR's degradation predictor",
}

Files = Mapping[str, tuple[Path, dict[str, Tensor]]]
"""The files of a model, each with its state dict, by the parts they are."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published model of ResShift's kind.

    Attributes:
        description: one line.
        schedule: the shifting sequence its weights were trained for.
        denoiser, autoencoder: arguments of its networks, as `ResShift` takes them.
        scale: the factor to the HR picture; None for that of the autoencoder.
        first_stage: how the autoencoder's released file is called.
    """

    parts: ClassVar[tuple[str, str]] = ("denoiser", "autoencoder")

    description: str
    schedule: Schedule
    denoiser: Mapping[str, Any] = field(default_factory=dict)
    autoencoder: Mapping[str, Any] = field(default_factory=dict)
    scale: int | None = None
    first_stage: str = "autoencoder_vq_f4"

    def build(self) -> ResShift:
        return ResShift(
            eta=self.schedule.eta,
            kappa=self.schedule.kappa,
            denoiser=self.denoiser,
            autoencoder=self.autoencoder,
            scale=self.scale,
        )

    def weights(self, files: Files, model: ResShift, name: str) -> dict[str, Tensor]:
        """The model's weights by their own names.

        Raises:
            CheckpointError: they do not fit.
        """
        denoiser = _denoiser(*files["denoiser"], model, name)
        autoencoder = _autoencoder(*files["autoencoder"], model, name)
        return {
            **{f"denoiser.{key}": value for key, value in denoiser.items()},
            **{f"autoencoder.vq.{key}": value for key, value in autoencoder.items()},
        }


@dataclass(frozen=True, kw_only=True)
class PublishedDasr:
    """DASR as published.

    Attributes:
        description: one line.
        options: those of `models.dasr.Dasr`.
    """

    parts: ClassVar[tuple[str, str]] = ("generator", "predictor")

    description: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Dasr:
        return Dasr(**self.options)

    def weights(self, files: Files, model: Dasr, name: str) -> dict[str, Tensor]:
        """As `Published.weights`."""
        found: dict[str, Tensor] = {}
        for part, (file, state) in files.items():
            _check(file, model.net.get_submodule(part).state_dict(), state, f"the {part} of {name}")
            found |= {f"net.{part}.{key}": value for key, value in state.items()}
        return found


_AT_OWN_SIZE: dict[str, Any] = {"scale": 1, "schedule": PRESETS["resshift-s4"]}
_INPAINTING: dict[str, Any] = {**_AT_OWN_SIZE, "denoiser": {"lq_channels": 4, "lq_stages": 2}}

PUBLISHED: dict[str, Published | PublishedDasr] = {
    "resshift-realsr-x4-s15": Published(
        description="ResShift x4 for real pictures, 15 steps (NeurIPS 2023)",
        schedule=PRESETS["resshift-s15"],
    ),
    "resshift-realsr-x4-s4": Published(
        description="ResShift x4 for real pictures, 4 steps (journal version)",
        schedule=PRESETS["resshift-s4"],
    ),
    "resshift-bicubic-x4-s15": Published(
        description="ResShift x4 for pictures downscaled by MATLAB's bicubic interpolation, 15 steps (release 1.0)",
        schedule=PRESETS["resshift-s15"],
    ),
    "resshift-bicubic-x4-s4": Published(
        description="ResShift x4 for pictures downscaled by bicubic interpolation, 4 steps (journal version)",
        schedule=PRESETS["resshift-s4"],
    ),
    "resshift-inpainting-imagenet-s4": Published(
        description="ResShift for filling in transparent parts of pictures, 4 steps (journal version)",
        **_INPAINTING,
    ),
    "resshift-inpainting-face-s4": Published(
        description="ResShift for filling in transparent parts of faces, 4 steps (journal version)",
        first_stage="celeba256_vq_f4_dim3_face",
        **_INPAINTING,
    ),
    "resshift-face-restoration-s4": Published(
        description="ResShift for restoring faces at their own size, 4 steps (journal version)",
        denoiser={"lq_stages": 3},
        autoencoder={
            "widths": (64, 128, 256, 512),
            "blocks_by_level": (1, 2, 3, 4),
            "latent_channels": 8,
            "codes": 4096,
        },
        first_stage="ffhq512_vq_f8_dim8_face",
        **_AT_OWN_SIZE,
    ),
    "deltadiff-paper-x4": Published(
        description="DeltaDiff x4 as published: 4 deterministic steps",
        schedule=PRESETS["deltadiff"],
    ),
    "dasr-x4": PublishedDasr(description="DASR x4 for real pictures (ECCV 2022)"),
}
"""By the names that `deltasr import --as` takes. `docs/published-checkpoints.md` says which files they are made of."""

_RELEASED_DENOISERS: dict[str, str | None] = {
    "resshift_realsrx4_s15": "resshift-realsr-x4-s15",
    "resshift_sr_s15_k2_p03": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s4_v3": "resshift-realsr-x4-s4",
    "resshift_bicsrx4_matlab_s15": "resshift-bicubic-x4-s15",
    "resshift_bicsrx4_opencv_s15": None,
    "resshift_bicsrx4_cv2_s15": None,
    "resshift_bicsrx4_s4": "resshift-bicubic-x4-s4",
    "resshift_inpainting_imagenet_s4": "resshift-inpainting-imagenet-s4",
    "resshift_inpaint_imagenet_s4": "resshift-inpainting-imagenet-s4",
    "resshift_inpainting_face_s4": "resshift-inpainting-face-s4",
    "resshift_inpaint_face_s4": "resshift-inpainting-face-s4",
    "resshift_faceir_s4": "resshift-face-restoration-s4",
}
"""How the file names of ResShift's released denoisers begin, to the one of `PUBLISHED`; None where there is none, since
the schedule is not known for certain. ResShift's program saves those for inpainting under the shorter names."""

_RELEASED_AUTOENCODERS = ("autoencoder_vq_f4", "celeba256_vq_f4_dim3_face", "ffhq512_vq_f8_dim8_face")
"""How the file names of the released autoencoders begin."""


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
                instead = "there is no --as for its schedule" if model is None else f"import it with --as {model}"
                doubts.append(
                    f"{file} is named like ResShift's {released}, which is not {name}; if it is that file, results "
                    f"will be wrong: {instead}."
                )
        right = getattr(PUBLISHED[name], "first_stage", None)
        if right is not None and own.startswith(_RELEASED_AUTOENCODERS) and not own.startswith(right):
            doubts.append(
                f"{file} is named like an autoencoder that {name} was not trained with; if it is that file, results "
                f"will be wrong: use {right}.pth."
            )
    return doubts


def import_published(
    files: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, name: str, half: bool = False
) -> None:
    """Write one checkpoint from the two files of a published model.

    Args:
        files: the two files, such as the denoiser's and the autoencoder's, in any order.
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
    found = _by_part([Path(file) for file in files], published.parts)
    with torch.device("meta"):
        model = published.build()
    model.name, model.description = name, published.description
    weights = published.weights(found, model, name)  # type: ignore[arg-type]  # the model is its own
    checkpoint.save(
        model,
        output,
        state={key: value.to(torch.float16 if half else torch.float32) for key, value in weights.items()},
        training={
            "published": name,
            "files": {kind: {"name": file.name, "sha256": sha256_of(file)} for kind, (file, _) in found.items()},
        },
    )


def part_of(file: Path) -> str | None:
    """What a file is in a published model, in a few words; None where it is no part of one."""
    try:
        part = _part(read_state_dict(file))
    except CheckpointError:
        return None
    return None if part is None else _CALLED[part]


def _part(state: Mapping[str, Tensor]) -> str | None:
    return next(
        (
            part
            for part, marks in _MARKS.items()
            if all(mark in state and state[mark].ndim == dimensions for mark, dimensions in marks)
        ),
        None,
    )


def _by_part(files: Sequence[Path], parts: tuple[str, str]) -> Files:
    """Each file with its state dict, by what it is for."""
    found: dict[str, tuple[Path, dict[str, Tensor]]] = {}
    for file in files:
        state = read_state_dict(file)
        part = _part(state)
        if part not in parts:
            what = "neither" if part is None else f"{_CALLED[part]}, neither"
            raise CheckpointError(
                f"{file} is {what} {_CALLED[parts[0]]} nor {_CALLED[parts[1]]}: it begins with '{next(iter(state))}'."
            )
        if part in found:
            raise CheckpointError(
                f"{found[part][0]} and {file} are both a model's {part}; give one {parts[0]} and one {parts[1]}."
            )
        found[part] = file, state
    for part in parts:
        if part not in found:
            raise CheckpointError(f"The {part}'s file is missing; give the {parts[0]}'s and the {parts[1]}'s.")
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
