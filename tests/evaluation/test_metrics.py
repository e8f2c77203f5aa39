"""PSNR and SSIM against scikit-image and by hand; what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from deltasr.errors import SettingError
from deltasr.evaluation.metrics import lr_psnr, luma, psnr_y, ssim_y, to_8_bit_levels
from deltasr.resampling.tensors import downscale


def pictures(seed: int, *, count: int = 2, height: int = 37, width: int = 52) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.nn.functional.interpolate(
        torch.rand(count, 3, 9, 13, generator=generator), size=(height, width), mode="bilinear"
    )
    noisy = smooth + 0.08 * torch.randn(count, 3, height, width, generator=generator)
    return to_8_bit_levels(noisy), to_8_bit_levels(smooth)


def numpy_luma(image: Tensor, border: int) -> np.ndarray:
    levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy().astype(np.float64)
    y = 16 + (65.481 * levels[..., 0] + 128.553 * levels[..., 1] + 24.966 * levels[..., 2]) / 255
    return y[border : y.shape[0] - border, border : y.shape[1] - border]


def test_luma_has_the_16_to_235_range_of_bt601():
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float().view(5, 3, 1, 1)
    expected = torch.tensor([16, 235, 81.481, 144.553, 40.966], dtype=torch.float64)
    assert torch.allclose(luma(colours).flatten(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("border", [0, 3, 4])
def test_psnr_agrees_with_scikit_image(border: int):
    sr, hr = pictures(1)
    ours = psnr_y(sr, hr, border=border)
    assert ours.dtype == torch.float64
    assert ours.shape == (2,)
    for index in range(2):
        truth, result = numpy_luma(hr[index], border), numpy_luma(sr[index], border)
        assert ours[index].item() == pytest.approx(peak_signal_noise_ratio(truth, result, data_range=255), abs=1e-5)


@pytest.mark.parametrize("border", [0, 3, 4])
def test_ssim_agrees_with_scikit_image(border: int):
    sr, hr = pictures(2)
    ours = ssim_y(sr, hr, border=border)
    assert ours.dtype == torch.float64
    for index in range(2):
        expected = structural_similarity(
            numpy_luma(hr[index], border),
            numpy_luma(sr[index], border),
            win_size=11,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        assert ours[index].item() == pytest.approx(expected, abs=1e-6)


def test_one_level_of_error_everywhere_has_the_psnr_of_the_formula():
    hr = torch.full((1, 3, 16, 16), 100 / 255, dtype=torch.float64)
    sr = torch.full((1, 3, 16, 16), 101 / 255, dtype=torch.float64)
    assert psnr_y(sr, hr, border=0).item() == pytest.approx(20 * math.log10(255 / (219 / 255)), abs=1e-9)


def test_equal_images_reach_the_best_values():
    _, hr = pictures(3)
    assert torch.isinf(psnr_y(hr, hr, border=4)).all()
    assert torch.allclose(ssim_y(hr, hr, border=4), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)


def test_what_lies_in_the_border_does_not_count():
    sr, hr = pictures(4)
    spoiled = sr.clone()
    spoiled[..., :4, :] = 0
    spoiled[..., -4:] = 1
    assert torch.equal(psnr_y(spoiled, hr, border=4), psnr_y(sr, hr, border=4))
    assert torch.equal(ssim_y(spoiled, hr, border=4), ssim_y(sr, hr, border=4))
    assert (psnr_y(spoiled, hr, border=3) < psnr_y(sr, hr, border=3)).all()


def test_each_image_of_a_batch_is_measured_alone():
    sr, hr = pictures(5)
    for metric in (psnr_y, ssim_y):
        alone = torch.cat([metric(sr[i : i + 1], hr[i : i + 1], border=4) for i in range(2)])
        assert torch.allclose(metric(sr, hr, border=4), alone, rtol=1e-12)


def test_lr_psnr_is_infinite_for_a_picture_with_its_own_downscaling():
    hr, _ = pictures(6, height=32, width=48)
    lr = to_8_bit_levels(downscale(hr.double(), 4))
    assert torch.isinf(lr_psnr(hr, lr, scale=4)).all()


def test_lr_psnr_of_a_constant_offset_follows_the_formula():
    lr = torch.full((1, 3, 8, 8), 100 / 255)
    sr = torch.full((1, 3, 16, 16), 102 / 255)
    assert lr_psnr(sr, lr, scale=2).item() == pytest.approx(20 * math.log10(255 / 2), abs=1e-4)


def test_8_bit_levels_are_rounded_and_clamped():
    assert torch.allclose(
        to_8_bit_levels(torch.tensor([-0.2, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.3])) * 255,
        torch.tensor([0.0, 0.0, 1.0, 255.0, 255.0]),
    )


@pytest.mark.parametrize(
    ("sr_shape", "hr_shape", "border", "words"),
    [
        ((1, 3, 16, 16), (1, 3, 16, 20), 0, "one size"),
        ((1, 1, 16, 16), (1, 1, 16, 16), 0, "RGB"),
        ((1, 3, 16, 16), (1, 3, 16, 16), 8, "smaller border"),
        ((1, 3, 16, 16), (1, 3, 16, 16), -1, "border of -1"),
    ],
)
def test_wrong_input_is_refused(sr_shape: tuple[int, ...], hr_shape: tuple[int, ...], border: int, words: str):
    for metric in (psnr_y, ssim_y):
        with pytest.raises(SettingError, match=words):
            metric(torch.zeros(sr_shape), torch.zeros(hr_shape), border=border)


def test_ssim_needs_room_for_its_window():
    image = torch.zeros(1, 3, 16, 16)
    ssim_y(image, image, border=2)
    with pytest.raises(SettingError, match="11x11"):
        ssim_y(image, image, border=3)


def test_lr_psnr_refuses_another_scale():
    with pytest.raises(SettingError, match="not 4 times"):
        lr_psnr(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 8, 8), scale=4)
