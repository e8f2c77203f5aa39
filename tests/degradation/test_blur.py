"""Kernels against the properties that their formulas promise, and their convolution against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from deltasr.degradation.blur import blur, gaussian_kernel, generalised_kernel, plateau_kernel, sinc_kernel
from deltasr.errors import SettingError

KERNELS = {
    "gaussian": gaussian_kernel(21, (2.4, 0.9), angle=0.4),
    "generalised": generalised_kernel(21, (2.4, 0.9), beta=0.7, angle=0.4),
    "plateau": plateau_kernel(21, (2.4, 0.9), beta=1.6, angle=0.4),
    "sinc": sinc_kernel(21, 1.3),
}


def moments(kernel: Tensor) -> Tensor:
    """(2, 2) covariance of a kernel as a distribution over (x, y)."""
    places = torch.arange(kernel.shape[0], dtype=torch.float64) - kernel.shape[0] // 2
    y, x = torch.meshgrid(places, places, indexing="ij")
    return torch.stack([torch.stack([(kernel * a * b).sum() for a in (x, y)]) for b in (x, y)])


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_sum_to_one_and_are_symmetric_about_the_middle(name):
    kernel = KERNELS[name]
    assert kernel.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(kernel, kernel.flip(0, 1))


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_an_isotropic_gaussian_has_its_variance_in_all_directions(sigma):
    kernel = gaussian_kernel(41, (sigma, sigma), angle=0.7)
    torch.testing.assert_close(moments(kernel), torch.eye(2, dtype=torch.float64) * sigma**2, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(kernel, kernel.T)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, 2.0, -1.0])
def test_an_anisotropic_gaussian_lies_along_its_angle(angle):
    covariance = moments(gaussian_kernel(61, (4.0, 1.5), angle=angle))
    variances, axes = torch.linalg.eigh(covariance)
    torch.testing.assert_close(variances, torch.tensor([1.5**2, 4.0**2], dtype=torch.float64), rtol=1e-3, atol=0)
    along = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    assert abs(float(axes[:, 1] @ along)) == pytest.approx(1, abs=1e-6)


def test_a_positive_angle_turns_from_right_to_down():
    kernel = gaussian_kernel(11, (3.0, 0.7), angle=math.pi / 4)
    assert kernel[8, 8] > 100 * kernel[2, 8]


def test_a_generalised_gaussian_with_beta_one_is_gaussian():
    torch.testing.assert_close(
        generalised_kernel(15, (2.0, 1.0), beta=1.0, angle=0.3), gaussian_kernel(15, (2.0, 1.0), angle=0.3)
    )


def test_beta_flattens_the_top_and_steepens_the_sides():
    peaked, flat = (generalised_kernel(21, (3.0, 3.0), beta=beta)[10] for beta in (0.5, 4.0))
    assert flat[11] / flat[10] > 0.99 > peaked[11] / peaked[10]
    assert flat[16] / flat[10] < 1e-3 < peaked[16] / peaked[10]
    assert (generalised_kernel(21, (3.0, 3.0), beta=4.0)[10, 13] / flat[10]).item() == pytest.approx(math.exp(-0.5))


def test_a_plateau_is_at_half_height_one_sigma_away():
    kernel = plateau_kernel(21, (4.0, 2.0), beta=1.7)
    assert (kernel[10, 14] / kernel[10, 10]).item() == pytest.approx(0.5)
    assert (kernel[12, 10] / kernel[10, 10]).item() == pytest.approx(0.5)


@pytest.mark.parametrize("cutoff", [math.pi / 4, math.pi / 2, 2.4])
def test_a_sinc_filter_passes_what_lies_below_its_cutoff_and_stops_what_lies_above(cutoff):
    response = torch.fft.fft2(sinc_kernel(129, cutoff), s=(512, 512)).abs()
    frequency = torch.fft.fftfreq(512, dtype=torch.float64) * 2 * math.pi
    radius = torch.hypot(frequency[:, None], frequency[None, :])
    assert (response[radius < 0.85 * cutoff] - 1).abs().max() < 0.12
    assert response[radius > 1.15 * cutoff].max() < 0.12
    assert response[radius < 0.85 * cutoff].mean().item() == pytest.approx(1, abs=0.04)


def test_a_sinc_filter_rings():
    assert sinc_kernel(21, math.pi / 3).min() < 0


def test_a_sinc_filter_in_its_middle_is_the_limit_of_its_formula():
    kernel, cutoff = sinc_kernel(21, 1.1), 1.1
    expected = cutoff * torch.special.bessel_j1(torch.tensor(cutoff * 3.0, dtype=torch.float64)) / (2 * math.pi * 3)
    assert (kernel[10, 13] / kernel[10, 10]).item() == pytest.approx((expected / (cutoff**2 / (4 * math.pi))).item())


def plain_convolution(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    reach = kernel.shape[0] // 2
    padded = np.pad(image, reach, mode="reflect")
    result = np.zeros_like(image)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            window = padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            result[row, column] = (window * kernel[::-1, ::-1]).sum()
    return result


def test_blur_is_convolution_of_each_channel_with_mirrored_borders():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 7, 5, generator=generator, dtype=torch.float64)
    kernel = torch.rand(3, 3, generator=generator, dtype=torch.float64)
    result = blur(images, kernel)
    for picture in range(2):
        for channel in range(3):
            expected = plain_convolution(images[picture, channel].numpy(), kernel.numpy())
            np.testing.assert_allclose(result[picture, channel].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 1)])
def test_pictures_smaller_than_the_kernel(size):
    result = blur(torch.full((1, 3, *size), 0.3), gaussian_kernel(21, (3.0, 3.0)))
    torch.testing.assert_close(result, torch.full((1, 3, *size), 0.3))


@pytest.mark.parametrize(
    "build",
    [
        lambda: gaussian_kernel(4, (1.0, 1.0)),
        lambda: gaussian_kernel(5, (0.0, 1.0)),
        lambda: generalised_kernel(5, (1.0, 1.0), beta=0.0),
        lambda: plateau_kernel(5, (1.0, 1.0), beta=-1.0),
        lambda: sinc_kernel(5, 0.0),
        lambda: sinc_kernel(5, 3.2),
    ],
)
def test_kernels_that_cannot_be(build):
    with pytest.raises(SettingError):
        build()
