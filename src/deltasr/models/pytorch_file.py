"""Reading weights files, PyTorch's own and safetensors, without running what is in them."""

from __future__ import annotations

import contextlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deltasr.errors import CheckpointError

_PREFIXES = ("module.", "_orig_mod.")
_WRAPPERS = ("state_dict", "params_ema", "params")
_LARGEST_GROWTH = 8
_SMALL = 1 << 24


def read_tensors(file: Path) -> Any:
    """What a weights file holds, on the CPU: tensors, and plain values and containers around them.

    Whether it is safetensors or what `torch.save` wrote is recognised by its content. Nothing else is unpickled, and
    programs (TorchScript) are not loaded at all.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it holds anything else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with contextlib.suppress(SafetensorError, OSError):
        return load_file(file)
    _require_its_own_size(file)
    try:
        with warnings.catch_warnings(), torch.device("cpu"):
            warnings.simplefilter("ignore")  # what torch would tell the file's author
            content = torch.load(file, map_location="cpu", weights_only=True)
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
    _require_plain_tensors(content, file)
    return content


def _require_its_own_size(file: Path) -> None:
    """Nothing, where an archive unpacks to about its own size, as PyTorch's weights do: they are not compressed."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except Exception:  # no archive, or one that torch.load has its own words for
        return
    if unpacked > _most_bytes(file):
        raise CheckpointError(f"{file} unpacks to many times its size, as no PyTorch file does; download it again.")


def _most_bytes(file: Path) -> int:
    return _LARGEST_GROWTH * file.stat().st_size + _SMALL


def _require_plain_tensors(content: Any, file: Path) -> None:
    """Nothing, where all tensors are plain ones on the CPU that, written out, take about as much as the file."""
    left = _most_bytes(file)
    waiting, seen = [content], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
                raise CheckpointError(
                    f"{file} holds a tensor that is sparse, quantised or empty of values; "
                    "look for a file of plain weights."
                )
            left -= value.numel() * value.element_size()
            if left < 0:
                raise CheckpointError(f"{file} claims many times the weights that fit into it; download it again.")
        elif isinstance(value, Mapping | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, Mapping) else value)


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """The state dict in a weights file, unwrapped, with the names that its network gave.

    A wrapping dictionary's `state_dict` is taken out, or `params_ema` or `params` as BasicSR has them. So are prefixes
    of names that parallel training and compilation leave (`module.`, `_orig_mod.`).

    Raises:
        CheckpointError: there is no such file, it is damaged, or it does not hold a state dict.
    """
    content = read_tensors(file)
    if isinstance(content, Mapping):
        wrapped = [content[name] for name in _WRAPPERS if isinstance(content.get(name), Mapping)]
        content = wrapped[0] if wrapped else content
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
