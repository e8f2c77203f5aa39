"""The projection: what it returns, downscaled, is the input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deltasr.imaging import read_rgb8
from deltasr.inference import consistency
from deltasr.inference.consistency import REACH, project
from deltasr.resampling.kernels import resize_matrix
from deltasr.resampling.tensors import downscale, imresize, mirror

LEVEL = 1 / 255


def _picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@given(height=st.integers(1, 12), width=st.integers(1, 12), scale=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_one_iteration_is_exact_where_nothing_is_clamped(height, width, scale):
    sr = 0.4 + 0.2 * _picture(2, 3, scale * height, scale * width)
    lr = 0.47 + 0.06 * _picture(2, 3, height, width, seed=1)
    result = project(sr, lr, iterations=1)
    assert result.min() > 0
    assert result.max() < 1
    assert (imresize(result, size=(height, width)) - lr).abs().max() < 5e-6


@given(height=st.integers(1, 40), width=st.integers(1, 40), scale=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_its_operators_are_those_of_imresize_at_every_size(height, width, scale):
    """D, and what undoes it: of all pictures that D makes the residual of, the one that bicubic upsampling reaches."""
    rows, columns = consistency._Axis.of(height, scale), consistency._Axis.of(width, scale)
    hr = _picture(3, scale * height, scale * width).double()
    found = consistency._down(mirror(hr, rows.hr, columns.hr), scale)[:, :height, :width]
    assert torch.allclose(found, imresize(hr, size=(height, width)), atol=1e-12)
    residual = _picture(3, height, width, seed=1).double()
    across = [
        resize_matrix(scale * length, length) @ resize_matrix(length, scale * length) for length in (height, width)
    ]
    sharp = [torch.from_numpy(np.linalg.inv(matrix)) for matrix in across]
    expected = imresize(sharp[0] @ residual @ sharp[1].mT, size=(scale * height, scale * width))
    found = consistency._pseudo_inverse(mirror(residual, rows.lr, columns.lr), scale)
    assert torch.allclose(found[:, rows.inside, columns.inside], expected, atol=2e-7)
    assert torch.allclose(found, mirror(expected, rows.hr, columns.hr), atol=2e-7)


def test_the_number_of_threads_changes_no_bit():
    lr = _picture(1, 3, 75, 52)
    sr = (imresize(lr, scale=4) + 0.1 * _picture(1, 3, 300, 208, seed=1) - 0.05).clamp(0, 1)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(project(sr, lr))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_its_arguments_stay_as_they_are():
    lr = _picture(1, 3, 12, 9)
    sr = _picture(1, 3, 48, 36, seed=1)
    before = sr.clone(), lr.clone()
    project(sr, lr)
    assert torch.equal(sr, before[0])
    assert torch.equal(lr, before[1])


def test_a_consistent_picture_is_left_alone():
    hr = _picture(1, 3, 32, 48)
    assert torch.equal(project(hr, downscale(hr, 4)), hr)


def test_saturated_edges_converge_and_stay_in_range():
    lr = downscale(_picture(1, 3, 12, 12).round().repeat_interleave(8, 2).repeat_interleave(8, 3), 4)
    start = imresize(lr, scale=4).clamp(0, 1)
    errors = [(downscale(project(start, lr, iterations=count), 4) - lr).square().mean().item() for count in (1, 3, 5)]
    assert errors[0] > 1.5 * errors[1] > 2.25 * errors[2]
    result = project(start, lr)
    assert result.min() >= 0
    assert result.max() <= 1


def test_a_window_with_the_documented_reach_gives_what_the_whole_picture_gives():
    lr = _picture(1, 3, 60, 60).round()
    start = _picture(1, 3, 240, 240, seed=1)
    window = slice(20 - REACH, 40 + REACH)
    hr_window = slice(4 * (20 - REACH), 4 * (40 + REACH))
    part = project(start[..., hr_window, hr_window], lr[..., window, window])
    core = slice(4 * REACH, 4 * (REACH + 20))
    difference = part[..., core, core] - project(start, lr)[..., 80:160, 80:160]
    assert difference.abs().max() < 0.5 * LEVEL


def test_set14_comes_back_from_its_saved_results(shared):
    """LR-PSNR of 8-bit results, from bicubic starts, which have further to go than a trained model's."""
    scores = []
    for file in sorted((shared / "data/eval/Set14/LR_bicubic_x4").glob("*.png")):
        levels = read_rgb8(file)
        lr = torch.from_numpy(levels).permute(2, 0, 1)[None].float() / 255
        saved = (project(imresize(lr, scale=4).clamp(0, 1), lr) * 255).round() / 255
        again = (downscale(saved, 4)[0] * 255).round().permute(1, 2, 0).numpy()
        error = np.mean((again - levels.astype(np.float64)) ** 2)
        scores.append(10 * np.log10(255**2 / error) if error else np.inf)
    assert len(scores) == 14
    assert min(scores) > 52
    assert np.median(scores) > 70


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 1, 1, 5)])
def test_the_smallest_pictures_work(shape):
    lr = 0.3 + 0.4 * _picture(*shape)
    result = project(lr.repeat_interleave(4, 2).repeat_interleave(4, 3), lr)
    assert (downscale(result, 4) - lr).abs().max() < 1e-3
