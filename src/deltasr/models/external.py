"""Other people's models: any weights file that spandrel recognises, with the promises of every other model.

spandrel (extra `interop`) finds out from the names and shapes in a file which architecture it belongs to, and brings
that architecture's code. Files are read here, not by spandrel: tensors only, whatever the file is called.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deltasr.arguments import shown
from deltasr.errors import CheckpointError, ModelError, reason
from deltasr.models import published
from deltasr.models.base import Model, SizeRequirements
from deltasr.models.limits import no_larger_than
from deltasr.models.pytorch_file import read_tensors

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

_PURPOSES = ("SR", "Restoration")
_DEEPEST = 10


class External(Model):
    """A model that spandrel built.

    How far it sees is not known, so tiles overlap and are blended. Pictures of a batch go through one by one, since
    some networks take no more, and as copies, since some write into what they are given.

    Args:
        descriptor: spandrel's, of a model that takes and gives RGB.
        name: what it is called in messages.
    """

    def __init__(self, descriptor: ImageModelDescriptor[Any], *, name: str) -> None:
        super().__init__()
        needs = descriptor.size_requirements
        self.name = name
        self.scale = descriptor.scale
        self.description = " ".join([f"{descriptor.architecture.name} x{self.scale}", *descriptor.tags])
        self.size_requirements = SizeRequirements(
            minimum=max(needs.minimum, 1), multiple_of=needs.multiple_of, square=needs.square
        )
        self.tiled = descriptor.tiling.name == "SUPPORTED"
        halves = {"bfloat16": descriptor.supports_bfloat16, "float16": descriptor.supports_half}
        self.dtypes = ("float32", *(dtype for dtype, supported in halves.items() if supported))
        self.net = descriptor.model
        self._descriptor = descriptor

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1]."""
        return torch.cat([self._descriptor(picture.clone()) for picture in torch.split(lr, 1)])

    def __deepcopy__(self, memo: dict[int, Any]) -> External:
        return External(copy.deepcopy(self._descriptor, memo), name=self.name).train(self.training)

    def __reduce__(self) -> str:
        raise ModelError(
            f"The model {self.name} cannot be pickled, since spandrel's descriptions of models cannot; "
            "load its file by deltasr.load where it is needed."
        )


def load(path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Model:
    """The model of a weights file, in evaluation mode.

    Args:
        path: a safetensors or PyTorch file, recognised by its content.
        device: where to put the model.

    Raises:
        CheckpointError: there is no such file, it is damaged or holds more than weights, or spandrel does not
            recognise it.
        ModelError: spandrel is not installed or cannot be imported, or the model is not one from RGB to RGB.
    """
    file = Path(path)
    state = _read(file)
    spandrel = _spandrel(file)
    try:
        with warnings.catch_warnings(), torch.device("cpu"), no_larger_than(file.stat().st_size):
            warnings.simplefilter("ignore")  # they concern the architectures' authors
            descriptor = spandrel.ModelLoader().load_from_state_dict(state)
    except spandrel.UnsupportedModelError as error:
        _refuse_published(file)
        raise CheckpointError(
            f"spandrel {spandrel.__version__} recognises no architecture with the entries of {file}, "
            f"which begin with '{_first_name(state)}'."
        ) from error
    except Exception as error:  # every architecture has its own way of failing on weights that do not fit
        raise CheckpointError(f"spandrel cannot build the model in {file} ({reason(error)}).") from error
    what = f"{file} is a {descriptor.architecture.name} model"
    if descriptor.purpose not in _PURPOSES:
        raise ModelError(f"{what} for {descriptor.purpose}; only models that upscale or restore whole pictures run.")
    if not descriptor.input_channels == descriptor.output_channels == 3:
        raise ModelError(
            f"{what} from {descriptor.input_channels} to {descriptor.output_channels} channels; "
            "only models from RGB to RGB run."
        )
    return External(descriptor, name=file.stem).to(device).eval()


def _read(file: Path) -> Mapping[str, Any]:
    """The state dict in a file, perhaps still wrapped."""
    content = read_tensors(file)
    if not isinstance(content, Mapping) or not content or not all(isinstance(name, str) for name in content):
        raise CheckpointError(f"{file} holds no state dict; it should map names to tensors.")
    return content


def _spandrel(file: Path) -> ModuleType:
    try:
        import spandrel
    except (ImportError, RuntimeError, OSError) as error:
        _refuse_published(file)
        if isinstance(error, ModuleNotFoundError) and error.name == "spandrel":
            raise ModelError(
                f"{file} is not a deltasr checkpoint, and other models need spandrel: pip install -e '.[interop]'."
            ) from error
        raise ModelError(
            f"spandrel is installed but cannot be imported ({reason(error)}); "
            "install builds of torch and torchvision that belong together, both from PyTorch's own index."
        ) from error
    return spandrel


def _refuse_published(file: Path) -> None:
    """Refuse a file that is half of a published model, with a sentence on how to import it."""
    if part := published.part_of(file):
        raise CheckpointError(
            f"{file} is {part} as published, half of a model; make one checkpoint of the two files by deltasr import."
        )


def _first_name(state: Mapping[str, Any]) -> str:
    """The first entry's name, inside of all that wraps it."""
    name, value = next(iter(state.items()))
    for _ in range(_DEEPEST):
        if not (isinstance(value, Mapping) and value):
            break
        name, value = next(iter(value.items()))
    return shown(name)
