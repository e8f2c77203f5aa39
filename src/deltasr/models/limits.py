"""Bounds on the values that files state of their models, checked before anything is built from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import torch
from torch.overrides import TorchFunctionMode

from deltasr.errors import ModelError, SettingError

_TOO_MANY = "they ask for more weights than the file holds"
_COMPUTED = 1 << 24
"""Values that a model may hold beside its weights: masks, indices and kernels that follow from its arguments."""


def require_within(arguments: Mapping[str, Any], kind: Any) -> None:
    """Make sure that arguments from a file have the types and lie within the bounds that are written down for them.

    Args:
        arguments: JSON values by name.
        kind: a `TypedDict` of the names that have bounds; others may stand beside them.

    Raises:
        SettingError: one of them does not.
    """
    try:
        msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        expected, _, place = str(error).partition(" - at `$")
        raise SettingError(f"{place.strip('.`') or 'they'}: {expected[0].lower()}{expected[1:]}") from error


class no_larger_than(TorchFunctionMode):  # noqa: N801  # read as a sentence: with no_larger_than(...)
    """Refuses tensors that hold more than a file can fill, while modules are built and before they take memory.

    It counts what comes into being in this thread. No value takes less than a byte in a file.

    Args:
        file_bytes: the file's size.

    Raises:
        ModelError: inside, as soon as there is more.
    """

    def __init__(self, file_bytes: int) -> None:
        super().__init__()
        self._left = file_bytes + _COMPUTED

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        try:
            result = func(*args, **(kwargs or {}))
        except RuntimeError as error:
            if func in _FACTORIES and "memory" in str(error):
                raise ModelError(_TOO_MANY) from error
            raise
        if func in _FACTORIES:
            self._left -= result.numel()
            if self._left < 0:
                raise ModelError(_TOO_MANY)
        return result


_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace}
