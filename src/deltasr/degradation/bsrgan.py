"""The shuffled degradation of BSRGAN (Zhang et al., arXiv:2103.14006, section 3).

Two blurs, the shrinking, Gaussian noise, JPEG and camera noise come in random order, and JPEG once more at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from deltasr.degradation.blur import blur
from deltasr.degradation.camera import camera_noise, draw_sensor
from deltasr.degradation.checks import check_probability, check_quality, check_range, check_sides, check_weights
from deltasr.degradation.draws import Range, bernoulli, choice, permutation, uniform, uniform_integer
from deltasr.degradation.history import History, Operation, Value, compression, resize_to
from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.noise import correlated_noise, gaussian_noise
from deltasr.degradation.random_blur import Kernel
from deltasr.degradation.resizing import Method, resize

Step = Literal["isotropic blur", "anisotropic blur", "shrink", "gaussian noise", "jpeg", "camera noise"]

STEPS: tuple[Step, ...] = ("isotropic blur", "anisotropic blur", "shrink", "gaussian noise", "jpeg", "camera noise")
"""The operations whose order is random."""

_SMOOTH: tuple[Method, ...] = ("bilinear", "bicubic")


@dataclass(frozen=True, kw_only=True)
class BSRGAN:
    """The degradation and its settings, by default those of the paper for x4; see `for_scale`.

    Raises:
        SettingError: a value is out of its range.
    """

    sides: tuple[int, int] = (7, 21)
    """Smallest and largest side of both blur kernels, in pixels; odd."""

    isotropic_sigma: Range = (0.1, 2.8)
    """Standard deviation of the isotropic kernel, in pixels, above 0."""

    anisotropic_variance: Range = (0.5, 8.0)
    """Variance of the anisotropic kernel along each of its axes, in squared pixels, above 0."""

    noise_sigma: Range = (1.0, 25.0)
    """Standard deviation of Gaussian noise, in 8-bit levels, 0 to 255."""

    noise_probabilities: tuple[float, float, float] = (0.2, 0.4, 0.4)
    """Of noise with any covariance of the channels, with independent channels, and equal in all; they add up to 1."""

    jpeg_probability: float = 0.75
    """Of the JPEG compression that is shuffled, 0 to 1; the one at the end is certain."""

    jpeg_quality: tuple[int, int] = (30, 95)
    """libjpeg quality of both, whole, 1 to 100."""

    camera_probability: float = 0.25
    """Of camera noise, 0 to 1."""

    halving_probability: float = 0.25
    """That pictures to be shrunk by 4 or more are halved before everything else, 0 to 1."""

    def __post_init__(self) -> None:
        check_sides("sides", self.sides)
        check_range("isotropic_sigma", self.isotropic_sigma, least=1e-3, unit="pixels")
        check_range("anisotropic_variance", self.anisotropic_variance, least=1e-6, unit="squared pixels")
        check_range("noise_sigma", self.noise_sigma, least=0, most=255, unit="levels")
        check_weights("noise_probabilities", self.noise_probabilities, 3)
        check_probability("jpeg_probability", self.jpeg_probability)
        check_quality("jpeg_quality", self.jpeg_quality)
        check_probability("camera_probability", self.camera_probability)
        check_probability("halving_probability", self.halving_probability)

    @classmethod
    def for_scale(cls, scale: int) -> BSRGAN:
        """The paper's settings for a factor: narrower blurs up to x2."""
        return cls(isotropic_sigma=(0.1, 2.4), anisotropic_variance=(0.5, 6.0)) if scale <= 2 else cls()

    def draw_steps(self, generator: torch.Generator) -> list[Step]:
        """The steps of one picture in their order; JPEG and camera noise are not always among them."""
        left_out = {
            "jpeg": not bernoulli(self.jpeg_probability, generator),
            "camera noise": not bernoulli(self.camera_probability, generator),
        }
        return [STEPS[place] for place in permutation(len(STEPS), generator) if not left_out.get(STEPS[place], False)]

    def __call__(self, hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None) -> Tensor:
        """Degrade pictures alike: (N, 3, H, W) in [0, 1] to (N, 3, H // scale, W // scale) in [0, 1].

        Args:
            hr: the pictures.
            scale: a whole factor, at least 1.
            generator: on the CPU, for the parameters and the noise.
            history: the operations are appended to it.
        """
        history = [] if history is None else history
        height, width = hr.shape[-2:]
        final = (height // scale, width // scale)
        actions: dict[Step, Callable[..., Tensor]] = {
            "isotropic blur": self._blur_isotropically,
            "anisotropic blur": self._blur_anisotropically,
            "shrink": partial(_shrink, size=final),
            "gaussian noise": self._add_gaussian_noise,
            "jpeg": self._compress,
            "camera noise": _add_camera_noise,
        }
        image = hr
        if scale >= 4 and bernoulli(self.halving_probability, generator):
            half = (max(height // 2, 1), max(width // 2, 1))
            image = _resized(image, half, choice(_SMOOTH, generator), history).clamp(0, 1)
        for step in self.draw_steps(generator):
            image = actions[step](image, generator=generator, history=history).clamp(0, 1)
        return self._compress(image, generator=generator, history=history)

    def _blur_isotropically(self, image: Tensor, *, generator: torch.Generator, history: History) -> Tensor:
        sigma = uniform(self.isotropic_sigma, generator)
        kernel = Kernel(shape="iso", side=uniform_integer(self.sides, generator, step=2), sigma=(sigma, sigma))
        history.append(kernel.operation())
        return blur(image, kernel.weights())

    def _blur_anisotropically(self, image: Tensor, *, generator: torch.Generator, history: History) -> Tensor:
        first, second = (math.sqrt(uniform(self.anisotropic_variance, generator)) for _ in range(2))
        angle = uniform((0.0, math.pi), generator)
        side = uniform_integer(self.sides, generator, step=2)
        kernel = Kernel(shape="aniso", side=side, sigma=(first, second), angle=angle)
        history.append(kernel.operation())
        return blur(image, kernel.weights())

    def _add_gaussian_noise(self, image: Tensor, *, generator: torch.Generator, history: History) -> Tensor:
        sigma = uniform(self.noise_sigma, generator)
        channels = choice(("correlated", "independent", "equal"), generator, weights=self.noise_probabilities)
        values: dict[str, Value] = {"kind": "gaussian", "sigma": sigma, "channels": channels}
        if channels == "correlated":
            covariance = draw_covariance(sigma, generator)
            upper = covariance[tuple(torch.triu_indices(3, 3, device="cpu"))]
            values["covariance"] = "/".join(f"{number:.6g}" for number in upper.tolist())
            history.append(Operation("noise", values))
            return correlated_noise(image, covariance=covariance, generator=generator)
        history.append(Operation("noise", values))
        return gaussian_noise(image, sigma=sigma, grey=channels == "equal", generator=generator)

    def _compress(self, image: Tensor, *, generator: torch.Generator, history: History) -> Tensor:
        quality = uniform_integer(self.jpeg_quality, generator)
        history.append(compression(quality))
        return jpeg(image, quality=quality)


def draw_covariance(sigma: float, generator: torch.Generator) -> Tensor:
    """A random (3, 3) covariance in squared 8-bit levels: axes in any direction, variances uniform up to sigma^2."""
    axes, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64, device="cpu"))
    variances = torch.rand(3, generator=generator, dtype=torch.float64, device="cpu") * sigma**2
    return (axes * variances) @ axes.T


def _shrink(image: Tensor, *, size: tuple[int, int], generator: torch.Generator, history: History) -> Tensor:
    """One of the four methods of section 3.2.

    Nearest with its shift of (scale - 1) / 2 pixels undone by linear interpolation is bilinear without
    anti-aliasing; "down-up" goes through a size between half the final and the whole one before it.
    """
    way = choice(("nearest", "bilinear", "bicubic", "down-up"), generator)
    if way == "nearest":
        return _resized(image, size, "bilinear-aliased", history)
    if way == "down-up":
        height, width = image.shape[-2:]
        factor = uniform((min(1.0, size[0] / height) / 2, 1.0), generator)
        between = (max(1, round(height * factor)), max(1, round(width * factor)))
        image = _resized(image, between, choice(_SMOOTH, generator), history).clamp(0, 1)
        return _resized(image, size, choice(_SMOOTH, generator), history)
    return _resized(image, size, "bilinear" if way == "bilinear" else "bicubic", history)


def _resized(image: Tensor, size: tuple[int, int], method: Method, history: History) -> Tensor:
    history.append(resize_to(size, method))
    return resize(image, size=size, method=method)


def _add_camera_noise(image: Tensor, *, generator: torch.Generator, history: History) -> Tensor:
    sensor = draw_sensor(generator)
    history.append(sensor.operation())
    return camera_noise(image, sensor=sensor, generator=generator)
