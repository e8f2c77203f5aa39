"""The distribution of random kernels, over many draws of parameters."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from deltasr.degradation.draws import generator_for
from deltasr.degradation.random_blur import SHAPES, BlurSettings, Kernel, draw_kernel, draw_sinc
from deltasr.errors import SettingError

DRAWS = 6000


@pytest.fixture(scope="module")
def kernels() -> list[Kernel]:
    generator = generator_for(1, "kernels")
    return [draw_kernel(BlurSettings(), generator) for _ in range(DRAWS)]


def test_shapes_come_as_often_as_they_should(kernels):
    counts = Counter(kernel.shape for kernel in kernels)
    assert counts["sinc"] / DRAWS == pytest.approx(0.1, abs=0.015)
    for shape, probability in zip(SHAPES, (0.45, 0.25, 0.12, 0.03, 0.12, 0.03), strict=True):
        assert counts[shape] / (DRAWS - counts["sinc"]) == pytest.approx(probability, abs=0.02)


def test_parameters_fill_their_ranges(kernels):
    gaussians = [kernel for kernel in kernels if kernel.shape == "aniso"]
    for values, low, high in (
        ([kernel.sigma[0] for kernel in gaussians], 0.2, 3.0),
        ([kernel.sigma[1] for kernel in gaussians], 0.2, 3.0),
        ([kernel.angle for kernel in gaussians], -math.pi, math.pi),
        ([kernel.beta for kernel in kernels if kernel.shape.startswith("plateau")], 1.0, 2.0),
    ):
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high >= max(values) > high - 0.05 * (high - low)
        assert sum(values) / len(values) == pytest.approx((low + high) / 2, abs=0.06 * (high - low))


def test_generalised_gaussians_are_as_often_peaked_as_flat(kernels):
    betas = [kernel.beta for kernel in kernels if kernel.shape.startswith("generalised")]
    assert min(betas) >= 0.5
    assert max(betas) <= 4.0
    assert sum(beta < 1 for beta in betas) / len(betas) == pytest.approx(0.5, abs=0.07)


def test_isotropic_kernels_have_equal_sigmas(kernels):
    assert all(kernel.sigma[0] == kernel.sigma[1] for kernel in kernels if not kernel.shape.endswith("aniso"))


def test_all_odd_sides_are_equally_likely(kernels):
    counts = Counter(kernel.side for kernel in kernels)
    assert sorted(counts) == list(range(7, 22, 2))
    assert max(counts.values()) < 1.25 * min(counts.values())


def test_cutoffs_of_small_sinc_filters_are_high():
    generator = generator_for(2, "sinc")
    drawn = [draw_sinc((7, 21), (math.pi / 5, math.pi), generator) for _ in range(2000)]
    small = [kernel.cutoff for kernel in drawn if kernel.side < 13]
    large = [kernel.cutoff for kernel in drawn if kernel.side >= 13]
    assert math.pi / 3 <= min(small) < math.pi / 3 + 0.1
    assert math.pi / 5 <= min(large) < math.pi / 5 + 0.1
    assert max(small + large) <= math.pi


@pytest.mark.parametrize("shape", [*SHAPES, "sinc"])
def test_every_shape_has_weights(shape):
    weights = Kernel(shape=shape, side=9, sigma=(2.0, 1.0), angle=0.3, beta=1.5, cutoff=1.5).weights()
    assert weights.shape == (9, 9)
    assert weights.sum().item() == pytest.approx(1)


def test_shapes_differ():
    kernels = [Kernel(shape=shape, side=9, sigma=(2.0, 1.0), beta=1.5) for shape in ("aniso", *SHAPES[3::2])]
    first, second, third = (kernel.weights() for kernel in kernels)
    assert not torch.allclose(first, second, atol=1e-3)
    assert not torch.allclose(second, third, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sides": (8, 21)}, "sides"),
        ({"sides": (21, 7)}, "sides"),
        ({"shape_probabilities": (0.5, 0.5)}, "shape_probabilities"),
        ({"shape_probabilities": (0.5, 0.5, 0.5, -0.5, 0, 0)}, "shape_probabilities"),
        ({"sigma": (0.0, 1.0)}, "sigma"),
        ({"sigma": (2.0, 1.0)}, "sigma"),
        ({"beta_generalised": (0.0, 1.0)}, "beta_generalised"),
        ({"beta_plateau": (1.0, math.inf)}, "beta_plateau"),
        ({"sinc_probability": 1.5}, "sinc_probability"),
        ({"sinc_cutoff": (1.0, 4.0)}, "sinc_cutoff"),
        ({"sigma": (math.nan, 1.0)}, "sigma"),
    ],
)
def test_settings_out_of_range_are_named(changes, named):
    with pytest.raises(SettingError, match=named):
        BlurSettings(**changes)
