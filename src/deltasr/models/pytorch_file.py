"""Reading weights files, PyTorch's own and safetensors, without running what is in them."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deltasr.errors import CheckpointError

_PREFIXES = ("module.", "_orig_mod.")


def read_tensors(file: Path) -> Any:
    """What a weights file holds, on the CPU: tensors, and plain values and containers around them.

    Whether it is safetensors or what `torch.save` wrote is told by its content. Nothing else is unpickled, and programs
    (TorchScript) are not loaded at all.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it holds anything else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with contextlib.suppress(SafetensorError, OSError):
        return load_file(file)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*TorchScript archive", category=UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {file}.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} is not a PyTorch file that holds nothing but weights; download it again."
        ) from error
    except Exception as error:  # torch.load has no common base for what a damaged file raises
        if "TorchScript" in str(error):
            raise CheckpointError(
                f"{file} is a TorchScript program, which is not run; look for a file of the model's weights."
            ) from error
        raise CheckpointError(f"{file} is damaged, incomplete or no PyTorch file; download it again.") from error


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """The state dict in a weights file, unwrapped, with the names that its network gave.

    A wrapping dictionary's `state_dict` is taken out, and prefixes that parallel training and compilation leave
    (`module.`, `_orig_mod.`) are taken off.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it does not hold a state dict.
    """
    content = read_tensors(file)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    is_state = isinstance(content, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )
    if not is_state or not content:
        raise CheckpointError(f"{file} holds no state dict; it should map names to tensors, plain or as 'state_dict'.")
    return {_bare(key): value for key, value in content.items()}


def _bare(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name
