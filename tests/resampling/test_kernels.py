"""Keys' kernel, mirrored places, and the taps and matrices of a resize of one axis."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from deltasr.resampling.kernels import cubic, mirrored, resize_matrix, resize_taps, upsampling_phases


def test_kernel_values():
    x = np.array([-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
    expected = [0.0, 0.0, -0.0625, 0.0, 0.5625, 1.0, 0.8671875, 0.5625, 0.0, -0.0625, 0.0, 0.0]
    assert cubic(x).tolist() == expected


def test_kernel_sums_to_one_and_is_exact_for_a_parabola():
    offsets = np.arange(-3.0, 4.0)
    for shift in (0.0, 0.1, 0.37, 0.5, 0.99):
        weights = cubic(shift - offsets)
        for power in (0, 1, 2):
            assert float((weights * offsets**power).sum()) == pytest.approx(shift**power, abs=1e-14)


def test_mirroring_repeats_the_border_as_often_as_it_takes():
    assert mirrored(np.arange(8), 3).tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    assert mirrored(np.arange(-7, 0), 3).tolist() == [0, 0, 1, 2, 2, 1, 0]
    assert mirrored(np.arange(-2, 4), 1).tolist() == [0] * 6


@pytest.mark.parametrize(("length", "size"), [(5, 20), (20, 5), (1, 3), (3, 1), (2, 64), (11, 7)])
def test_the_matrix_does_what_the_taps_do(length: int, size: int):
    samples = np.random.default_rng(0).random(length)
    indices, weights = resize_taps(length, size, size / length, True)
    np.testing.assert_allclose(resize_matrix(length, size) @ samples, (weights * samples[indices]).sum(1), atol=1e-14)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_phases_of_upsampling_are_the_same_at_every_place(scale: int):
    phases, matrix = upsampling_phases(scale), resize_matrix(9, 9 * scale)
    assert phases.shape == (scale, 5)
    for place in range(2, 7):
        rows = matrix[place * scale : (place + 1) * scale]
        np.testing.assert_allclose(rows[:, place - 2 : place + 3], phases, atol=1e-13)


def test_they_are_computed_without_torch():
    asked = "import sys, deltasr.resampling.kernels as k; k.resize_matrix(8, 2); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"
