"""What works on torch's tensors and on NumPy's arrays alike. Nothing here loads torch.

Both have most methods in common, and functions of the same names (`namespace`). Here is the rest: each function returns
the kind that it was given, and does for tensors what the torch function of the same purpose does, on their device.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array: TypeAlias = Any
"""A tensor, or an array of NumPy's. No type describes what the two have in common."""


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor; there is none where torch has not been loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def namespace(array: Array) -> Any:
    """The module, `torch` or `numpy`, whose functions take an array."""
    return np if isinstance(array, np.ndarray) else sys.modules["torch"]


def like(values: NDArray[Any], array: Array) -> Array:
    """NumPy's values in the kind, type and device of another array."""
    if isinstance(array, np.ndarray):
        return values.astype(array.dtype, copy=False)
    return namespace(array).from_numpy(values).to(array)


def empty(shape: tuple[int, ...], array: Array) -> Array:
    """An array of another shape in the kind, type and device of a given one; not initialised."""
    return np.empty(shape, array.dtype) if isinstance(array, np.ndarray) else array.new_empty(shape)


def to_numpy(array: Array) -> NDArray[Any]:
    """An array in main memory as NumPy's, without a copy where it is there already."""
    return array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()


def to_integers(array: Array, dtype: np.dtype) -> NDArray[Any]:
    """Whole numbers as NumPy's integers, uint8 or uint16, contiguous; tensors are converted on their device."""
    if isinstance(array, np.ndarray):
        return array.astype(dtype, order="C")
    torch = namespace(array)
    integers = array.to(torch.uint8 if dtype == np.uint8 else torch.int32)
    return integers.contiguous().cpu().numpy().astype(dtype, copy=False)


def as_float32(array: Array) -> Array:
    """An array in float32, itself where it is so already."""
    return array.astype(np.float32, copy=False) if isinstance(array, np.ndarray) else array.float()


def as_picture(array: Array) -> Array:
    """(N, C, H, W) in the layout that networks are fastest with: channels last for torch, contiguous for others."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(array)
    return array.contiguous(memory_format=namespace(array).channels_last)


def take(array: Array, indices: NDArray[np.int64], axis: int) -> Array:
    """The slices of an array with some numbers along an axis."""
    if isinstance(array, np.ndarray):
        return array.take(indices, axis)
    return array.index_select(axis, namespace(array).from_numpy(indices).to(array.device))


def windows(array: Array, axis: int, size: int, step: int) -> Array:
    """All windows along an axis, one every `step` samples, as a view; what is in each of them is the last axis."""
    if isinstance(array, np.ndarray):
        at_every_sample = sliding_window_view(array, size, axis)
        return at_every_sample[(slice(None),) * (axis % array.ndim) + (slice(None, None, step),)]
    return array.unfold(axis, size, step)


def lerp(start: Array, end: Array, share: Any, *, out: Array | None = None) -> Array:
    """`start + share (end - start)`, in `out` if that is given; `share` is a number, or an array of the same kind."""
    if not isinstance(start, np.ndarray):
        return namespace(start).lerp(start, end, share, out=out)
    result = np.subtract(end, start, out=out)
    result *= share - 1
    result += end
    return result


def without_gradients(array: Array) -> AbstractContextManager[Any]:
    """A context in which nothing is kept for gradients."""
    return nullcontext() if isinstance(array, np.ndarray) else namespace(array).no_grad()
