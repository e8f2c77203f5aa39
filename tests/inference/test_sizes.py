"""The sizes of a picture after each pass of a model."""

from __future__ import annotations

import pytest

from deltasr.errors import SettingError
from deltasr.inference.sizes import sizes_of_passes
from deltasr.models.interpolation import Interpolation


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [(20, 28)]),
        ({"scale": 2.5}, [(12, 18)]),
        ({"scale": 17}, [(20, 28), (80, 112), (85, 119)]),
        ({"size": (20, 28)}, [(20, 28)]),
        ({"size": (1, 1)}, [(1, 1)]),
        ({"size": (21, 7)}, [(20, 28), (21, 7)]),
        ({"size": (3, 113)}, [(20, 28), (80, 112), (3, 113)]),
    ],
)
def test_the_model_runs_until_both_sides_are_reached(asked, expected):
    assert sizes_of_passes(Interpolation(method="bicubic", scale=4), (5, 7), **asked) == expected


def test_a_model_that_does_not_enlarge_makes_no_side_longer():
    model = Interpolation(method="bicubic", scale=1)
    assert sizes_of_passes(model, (5, 7), size=(5, 6)) == [(5, 6)]
    with pytest.raises(SettingError, match="does not enlarge, so it cannot make 8x2 pixels of 7x5"):
        sizes_of_passes(model, (5, 7), size=(2, 8))


@pytest.mark.parametrize("size", [(0, 4), (4, -1), (4,), (4, 4, 3), (4.5, 4), ("4", 4), ()])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(SettingError, match="give \\(height, width\\)"):
        sizes_of_passes(Interpolation(method="bicubic"), (5, 7), size=size)


def test_a_scale_and_a_size_together_are_refused():
    with pytest.raises(SettingError, match="leave one of them out"):
        sizes_of_passes(Interpolation(method="bicubic"), (5, 7), scale=2, size=(10, 14))
