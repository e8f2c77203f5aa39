"""Real-ESRGAN's degradation with the parameters of published code, as far as they differ from papers and from ours.

Sources: the configurations of the repositories zsyOAOA/ResShift (`realsr_swinunet_realesrgan256`,
`degradation_testing_realesrgan`) and xinntao/Real-ESRGAN (`train_realesrgan_x4plus`), and the programs that read them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deltasr.degradation.random_blur import BlurSettings
from deltasr.degradation.random_noise import NoiseSettings
from deltasr.degradation.realesrgan import OrderSettings, RealESRGAN, ResizeSettings

_PROGRAM: dict[str, Any] = {
    "methods": ("area", "bilinear-aliased", "bicubic-pytorch"),
    "clamped_before_noise": False,
    "rounded": True,
}
"""What both programs do alike."""


def _first(sides: tuple[int, int]) -> OrderSettings:
    return OrderSettings(blur=BlurSettings(sides=sides, beta_plateau_one_probability=0.5))


def _second(sides: tuple[int, int]) -> OrderSettings:
    order = RealESRGAN().second
    return replace(order, blur=replace(order.blur, sides=sides, beta_plateau_one_probability=0.5))


RESSHIFT_CODE = RealESRGAN(first=_first((3, 19)), second=_second((3, 13)), final_sinc_sides=(3, 13), **_PROGRAM)
"""ResShift's training of its models for real pictures."""

RESSHIFT_TEST_CODE = RealESRGAN(
    first=OrderSettings(
        blur=BlurSettings(sides=(3, 11), shape_probabilities=(0.6, 0.4, 0.0, 0.0, 0.0, 0.0), sigma=(0.2, 0.8)),
        resize=ResizeSettings(factor=(0.5, 1.5)),
        noise=NoiseSettings(gaussian_sigma=(1.0, 15.0), poisson_scale=(0.05, 0.3)),
    ),
    jpeg_quality=(70, 95),
    second_order_probability=0.0,
    final_sinc_probability=0.2,
    final_sinc_sides=(3, 5),
    final_jpeg_quality=(80, 100),
    **_PROGRAM,
)
"""The test set that ResShift makes from ImageNet; its HR pictures have 256x256 pixels."""

REALESRGAN_X4PLUS = RealESRGAN(
    first=_first((7, 21)),
    second_order_probability=1.0,
    second=_second((7, 21)),
    final_sinc_sides=(7, 21),
    sharpened=True,
    **_PROGRAM,
)
"""Real-ESRGAN's training of its x4plus model."""
