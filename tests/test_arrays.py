"""Every function does to an array what it does to a tensor, and gives back the kind that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deltasr import arrays
from deltasr.inference import alpha, consistency, ensemble
from deltasr.resampling.mirroring import mirror

GENERATOR = np.random.default_rng(0)
LR = GENERATOR.random((2, 3, 13, 10), np.float32)
SR = GENERATOR.random((2, 3, 52, 40), np.float32)
STEPPED = np.round(LR[0] * 3) / 3
"""With neighbours that are equal."""


def pair(function: Callable[..., Any], *given: np.ndarray, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """The result for arrays and that for tensors."""
    ours, theirs = function(*given, **settings), function(*map(torch.from_numpy, given), **settings)
    assert isinstance(ours, np.ndarray)
    assert isinstance(theirs, torch.Tensor)
    return ours, theirs.numpy()


def filled(array: arrays.Array) -> arrays.Array:
    array[...] = 1
    return array


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda a: arrays.take(a, np.array([3, 0, 3]), -2), [LR]),
        (lambda a: arrays.windows(a, -1, 4, 3), [LR]),
        (lambda a: arrays.windows(a, -2, 5, 2), [LR[0]]),
        (lambda a: arrays.like(np.array([1.5, 2]), a), [LR]),
        (arrays.as_float32, [LR.astype(np.float64)]),
        (arrays.as_picture, [LR]),
        (lambda a: filled(arrays.empty((2, 3), a)), [LR]),
        (lambda a: mirror(a, range(-20, 33), range(-3, 12)), [LR]),
        (alpha.keep_flat, [GENERATOR.random((3, 26, 20), np.float32), STEPPED]),
    ],
    ids=["take", "windows", "windows above", "like", "as_float32", "as_picture", "empty", "mirror", "keep_flat"],
)
def test_the_same_values_come_of_both(function: Callable[..., Any], given: list[np.ndarray]):
    ours, theirs = pair(function, *given)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda a, b: arrays.lerp(a, b, 1.9), [SR, SR[::-1].copy()]),
        (lambda a, b: arrays.lerp(a, b, b[:, :, :1, :1]), [SR, SR[::-1].copy()]),
        (consistency.project, [SR, LR]),
        (lambda sr, lr: consistency.project(sr, lr, share=lr[:, 0, 0, 0]), [SR, LR]),
        (lambda lr: consistency.determined(lr, 3), [LR]),
        (lambda lr: ensemble.mean_of_orientations(lambda seen: seen * seen[..., :1], lr), [LR]),
    ],
    ids=["lerp", "lerp by an array", "project", "project in part", "determined", "ensemble"],
)
def test_sums_differ_in_their_last_bits_only(function: Callable[..., Any], given: list[np.ndarray]):
    ours, theirs = pair(function, *given)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=4e-6)


def test_what_is_written_into_is_what_is_returned():
    start = SR.copy()
    result = arrays.lerp(start, LR[:1, :1, :1, :1], 0.25, out=start)
    assert result is start
    np.testing.assert_allclose(result, 0.75 * SR + 0.25 * LR[0, 0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_become_integers_of_rows_of_pixels(dtype: type):
    levels = np.moveaxis(GENERATOR.integers(0, np.iinfo(dtype).max, (3, 4, 5)).astype(np.float32), 0, -1)
    for given in (levels, torch.from_numpy(levels)):
        found = arrays.to_integers(given, np.dtype(dtype))
        assert found.dtype == dtype
        assert found.flags.c_contiguous
        assert np.array_equal(found, levels)


def test_gradients_are_not_kept_and_tensors_are_known():
    weight = torch.ones(1, requires_grad=True)
    with arrays.without_gradients(weight):
        assert not (weight * 2).requires_grad
    with arrays.without_gradients(LR):
        assert (weight * 2).requires_grad
    assert arrays.is_tensor(weight)
    assert not arrays.is_tensor(LR)
    assert arrays.to_numpy(LR) is LR
    assert np.array_equal(arrays.to_numpy(weight), [1])
