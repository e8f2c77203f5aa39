"""The second-order degradation of Real-ESRGAN (Wang et al., arXiv:2107.10833, section 3), with ResShift's parameters.

Blur, resize, noise and JPEG, then perhaps once more (eq. 4), then the final size, with a sinc filter and JPEG in
either order. All parameters of a picture are drawn before the picture is touched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deltasr.degradation.blur import blur
from deltasr.degradation.checks import check_probability, check_quality, check_range, check_sides, check_weights
from deltasr.degradation.draws import Range, bernoulli, choice, uniform, uniform_integer
from deltasr.degradation.history import History, Operation, compression, resize_to
from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.random_blur import BlurSettings, Kernel, draw_kernel, draw_sinc
from deltasr.degradation.random_noise import Noise, NoiseSettings, draw_noise
from deltasr.degradation.resizing import METHODS, Method, resize
from deltasr.degradation.sharpening import SIGMA, THRESHOLD, WEIGHT, sharpened
from deltasr.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class ResizeSettings:
    """The distribution of a resize.

    Raises:
        SettingError: a value is out of its range.
    """

    probabilities: tuple[float, float, float] = (0.2, 0.7, 0.1)
    """Of enlarging, of shrinking, and of keeping the size; they add up to 1."""

    factor: Range = (0.15, 1.5)
    """Smallest and largest factor of both sides, without unit; at most 1 and at least 1."""

    def __post_init__(self) -> None:
        check_weights("probabilities", self.probabilities, 3)
        check_range("factor", (self.factor[0], 1.0), least=1e-3, most=1.0)
        check_range("factor", (1.0, self.factor[1]), least=1.0)


@dataclass(frozen=True, kw_only=True)
class OrderSettings:
    """The distribution of one order of the degradation: blur, resize, noise.

    Raises:
        SettingError: a value is out of its range.
    """

    blur_probability: float = 1.0
    """That there is a blur at all, 0 to 1."""

    blur: BlurSettings = field(default_factory=BlurSettings)
    """Of the kernel; its lengths are in pixels of the picture as it is then."""

    resize: ResizeSettings = ResizeSettings()
    """Of the resize: the first order's factor is of the HR size, the second one's of the final size."""

    noise: NoiseSettings = field(default_factory=NoiseSettings)
    """Of the noise."""

    def __post_init__(self) -> None:
        check_probability("blur_probability", self.blur_probability)


@dataclass(frozen=True, kw_only=True)
class Order:
    """The parameters of one order: no blur without a kernel."""

    kernel: Kernel | None
    factor: float
    method: Method
    noise: Noise


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """All parameters of one picture's degradation.

    Attributes:
        first: the first order.
        quality: its JPEG quality.
        second: the second order; None where there is none.
        final_method: of the resize to the final size.
        sinc: the final sinc filter; None where there is none.
        final_quality: of the last JPEG compression.
        sinc_before_jpeg: resize, sinc, JPEG; else JPEG, resize, sinc.
        sharpened: the HR picture is sharpened before everything else.
        clamped_before_noise: the results of both orders' resizes are clamped to [0, 1] before the noise, not only
            after it.
        rounded: the LR picture is rounded to 8 bits at the end.
    """

    first: Order
    quality: int
    second: Order | None
    final_method: Method
    sinc: Kernel | None
    final_quality: int
    sinc_before_jpeg: bool
    sharpened: bool = False
    clamped_before_noise: bool = True
    rounded: bool = False


@dataclass(frozen=True, kw_only=True)
class RealESRGAN:
    """The degradation and its settings, by default those that ResShift trains its real-world model with.

    Raises:
        SettingError: a value is out of its range.
    """

    first: OrderSettings = OrderSettings()
    """The first order."""

    jpeg_quality: tuple[int, int] = (30, 95)
    """libjpeg quality after the first order, whole, 1 to 100."""

    second_order_probability: float = 0.5
    """That there is a second order, 0 to 1 (1 in Real-ESRGAN)."""

    second: OrderSettings = OrderSettings(
        blur_probability=0.8,
        blur=BlurSettings(sides=(7, 15), sigma=(0.2, 1.5)),
        resize=ResizeSettings(probabilities=(0.3, 0.4, 0.3), factor=(0.3, 1.2)),
        noise=NoiseSettings(gaussian_sigma=(1.0, 25.0), poisson_scale=(0.05, 2.5)),
    )
    """The second order."""

    final_sinc_probability: float = 0.8
    """Of the final sinc filter, 0 to 1."""

    final_sinc_sides: tuple[int, int] = (7, 21)
    """Its smallest and largest side, in pixels; odd."""

    final_sinc_cutoff: Range = (math.pi / 3, math.pi)
    """Its cut-off, in radians per pixel, above 0 and at most pi."""

    final_jpeg_quality: tuple[int, int] = (30, 95)
    """libjpeg quality at the end, whole, 1 to 100."""

    methods: tuple[Method, ...] = ("area", "bilinear-aliased", "bicubic-aliased")
    """Of all resizes, each of them as likely as the others."""

    sharpened: bool = False
    """Sharpen the HR picture before everything else (`sharpening`)."""

    clamped_before_noise: bool = True
    """Clamp to [0, 1] between resize and noise, beside after the noise."""

    rounded: bool = False
    """Round the LR picture to 8 bits."""

    def __post_init__(self) -> None:
        check_quality("jpeg_quality", self.jpeg_quality)
        check_probability("second_order_probability", self.second_order_probability)
        check_probability("final_sinc_probability", self.final_sinc_probability)
        check_sides("final_sinc_sides", self.final_sinc_sides)
        check_range("final_sinc_cutoff", self.final_sinc_cutoff, least=1e-3, most=math.pi, unit="radians per pixel")
        check_quality("final_jpeg_quality", self.final_jpeg_quality)
        if not self.methods or not set(self.methods) <= set(METHODS):
            raise SettingError(f"methods is {self.methods}; give one or more of {', '.join(METHODS)}.")

    def draw(self, generator: torch.Generator) -> Parameters:
        """The parameters of one picture."""
        return Parameters(
            first=_draw_order(self.first, self.methods, generator),
            quality=uniform_integer(self.jpeg_quality, generator),
            second=_draw_order(self.second, self.methods, generator)
            if bernoulli(self.second_order_probability, generator)
            else None,
            final_method=choice(self.methods, generator),
            sinc=draw_sinc(self.final_sinc_sides, self.final_sinc_cutoff, generator)
            if bernoulli(self.final_sinc_probability, generator)
            else None,
            final_quality=uniform_integer(self.final_jpeg_quality, generator),
            sinc_before_jpeg=bernoulli(0.5, generator),
            sharpened=self.sharpened,
            clamped_before_noise=self.clamped_before_noise,
            rounded=self.rounded,
        )

    def __call__(self, hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None) -> Tensor:
        """Degrade pictures alike: (N, 3, H, W) in [0, 1] to (N, 3, H // scale, W // scale) in [0, 1].

        Args:
            hr: the pictures.
            scale: a whole factor, at least 1.
            generator: on the CPU, for the parameters and the noise.
            history: the operations are appended to it.
        """
        parameters = self.draw(generator)
        return degrade_with(parameters, hr, scale=scale, generator=generator, history=history)


def degrade_with(
    parameters: Parameters,
    hr: Tensor,
    *,
    scale: int,
    generator: torch.Generator,
    history: History | None = None,
) -> Tensor:
    """As `RealESRGAN`, with parameters already drawn; the generator makes the noise."""
    history = [] if history is None else history
    height, width = hr.shape[-2:]
    final = (height // scale, width // scale)
    image = hr
    if parameters.sharpened:
        image = sharpened(image)
        history.append(Operation("sharpen", {"weight": WEIGHT, "sigma": SIGMA, "threshold": THRESHOLD}))
    clamped = parameters.clamped_before_noise
    image = _one_order(image, parameters.first, (height, width), clamped, generator, history)
    image = _compressed(image, parameters.quality, history)
    if parameters.second is not None:
        image = _one_order(image, parameters.second, final, clamped, generator, history)
    if not parameters.sinc_before_jpeg:
        image = _compressed(image, parameters.final_quality, history)
    image = resize(image, size=final, method=parameters.final_method)
    history.append(resize_to(final, parameters.final_method))
    if parameters.sinc is not None:
        image = _blurred(image, parameters.sinc, history)
    if parameters.sinc_before_jpeg:
        image = _compressed(image, parameters.final_quality, history)
    image = image.clamp(0, 1)
    return (image * 255).round() / 255 if parameters.rounded else image


def _one_order(
    image: Tensor, order: Order, full: tuple[int, int], clamped: bool, generator: torch.Generator, history: History
) -> Tensor:
    """Blur, resize to `order.factor` times the size `full`, noise; in [0, 1]."""
    if order.kernel is not None:
        image = _blurred(image, order.kernel, history)
    size = (max(1, int(full[0] * order.factor)), max(1, int(full[1] * order.factor)))
    history += [resize_to(size, order.method, factor=order.factor), order.noise.operation()]
    image = resize(image, size=size, method=order.method)
    return order.noise.added_to(image.clamp(0, 1) if clamped else image, generator)


def _blurred(image: Tensor, kernel: Kernel, history: History) -> Tensor:
    history.append(kernel.operation())
    return blur(image, kernel.weights())


def _compressed(image: Tensor, quality: int, history: History) -> Tensor:
    history.append(compression(quality))
    return jpeg(image, quality=quality)


def _draw_order(settings: OrderSettings, methods: tuple[Method, ...], generator: torch.Generator) -> Order:
    low, high = settings.resize.factor
    bounds = choice(((1.0, high), (low, 1.0), (1.0, 1.0)), generator, weights=settings.resize.probabilities)
    blurred = bernoulli(settings.blur_probability, generator)
    return Order(
        kernel=draw_kernel(settings.blur, generator) if blurred else None,
        factor=uniform(bounds, generator),
        method=choice(methods, generator),
        noise=draw_noise(settings.noise, generator),
    )
