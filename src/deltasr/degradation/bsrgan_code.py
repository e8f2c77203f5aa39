"""BSRGAN's degradation as its authors' program has it, which differs from the paper (Zhang et al., arXiv:2103.14006).

Seven steps come in random order: two blurs, two that shrink the picture (the first of them always before the second),
Gaussian noise, JPEG and camera noise; then JPEG once more. Source: `utils_blindsr` of the repository cszn/BSRGAN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from deltasr.degradation.blur import blur, gaussian_kernel
from deltasr.degradation.camera import camera_noise, draw_sensor
from deltasr.degradation.checks import check_probability
from deltasr.degradation.draws import bernoulli, choice, permutation, uniform, uniform_integer
from deltasr.degradation.history import History, Operation, Value, compression, resize_to
from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.noise import correlated_noise, gaussian_noise
from deltasr.degradation.random_blur import Kernel
from deltasr.degradation.resizing import Method, resize
from deltasr.resampling.tensors import weighted_sums

Step = Literal["first blur", "second blur", "shrink", "final size", "gaussian noise", "jpeg", "camera noise"]

STEPS: tuple[Step, ...] = get_args(Step)
"""The operations whose order is random, but for `shrink`, which comes before `final size`."""

_RESIZES: tuple[Method, ...] = ("bilinear-aliased", "bicubic-pytorch", "area-opencv")
"""OpenCV's linear, cubic and area interpolation."""

_SIDES = (7, 25)
_SMALLEST_SIGMA = 1e-3
_LARGEST_NOISE = 25
_SHIFTED_SIDE = 25


@dataclass(frozen=True, kw_only=True)
class BSRGANCode:
    """The degradation with its probabilities; what it draws else follows from the scale.

    Raises:
        SettingError: a probability is out of range.
    """

    jpeg_probability: float = 0.9
    """Of the JPEG compression that is shuffled, 0 to 1; the one at the end is certain."""

    camera_probability: float = 0.25
    """Of camera noise, 0 to 1."""

    halving_probability: float = 0.25
    """That a picture to be shrunk by 4 is halved before everything else, and the rest is that of scale 2; 0 to 1."""

    resize_probability: float = 0.75
    """That `shrink` is a resize by any factor, 0 to 1; else it is a blur and every scale-th pixel."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_probability(name, value)

    def draw_steps(self, generator: torch.Generator) -> list[Step]:
        """The steps of one picture in their order; JPEG and camera noise are not always among them."""
        order = [STEPS[place] for place in permutation(len(STEPS), generator)]
        first, second = sorted((order.index("shrink"), order.index("final size")))
        order[first], order[second] = "shrink", "final size"
        left_out = {
            "jpeg": not bernoulli(self.jpeg_probability, generator),
            "camera noise": not bernoulli(self.camera_probability, generator),
        }
        return [step for step in order if not left_out.get(step, False)]

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
        image = hr
        if scale == 4 and bernoulli(self.halving_probability, generator):
            method: Method = "bicubic" if bernoulli(0.5, generator) else choice(_RESIZES, generator)
            image, scale = _resized(image, (height // 2, width // 2), method, history), 2
        for step in self.draw_steps(generator):
            if step in ("first blur", "second blur"):
                image = _blurred(image, scale, generator, history)
            elif step == "shrink":
                image = self._shrunk(image, scale, generator, history)
            elif step == "final size":
                image = _resized(image, final, choice(_RESIZES, generator), history)
            elif step == "gaussian noise":
                image = _with_gaussian_noise(image, generator, history)
            elif step == "jpeg":
                image = _compressed(image, generator, history)
            else:
                sensor = draw_sensor(generator)
                history.append(sensor.operation())
                image = camera_noise(image, sensor=sensor, generator=generator).clamp(0, 1)
        return _compressed(image, generator, history)

    def _shrunk(self, image: Tensor, scale: int, generator: torch.Generator, history: History) -> Tensor:
        height, width = image.shape[-2:]
        if bernoulli(self.resize_probability, generator):
            factor = 1 / uniform((1.0, 2.0 * scale), generator)
            size = (max(1, int(height * factor)), max(1, int(width * factor)))
            return _resized(image, size, choice(_RESIZES, generator), history, factor=factor)
        sigma = uniform((0.1, 0.6 * scale), generator)
        shift = (scale - 1) / 2
        history.append(Operation("blur", {"shape": "iso", "side": _SHIFTED_SIDE, "sigma": sigma, "shift": shift}))
        image = blur(image, shifted_kernel(_SHIFTED_SIDE, sigma, shift))[..., ::scale, ::scale].contiguous()
        history.append(resize_to((image.shape[-2], image.shape[-1]), "nearest"))
        return image.clamp(0, 1)


def shifted_kernel(side: int, sigma: float, shift: float) -> Tensor:
    """An isotropic Gaussian kernel moved up and to the left by `shift` pixels, by linear interpolation.

    The blurred picture then has at each place what was further down and to the right by as much.
    """
    places = (torch.arange(side, dtype=torch.float64, device="cpu") + shift).clamp(max=side - 1)
    near = places.floor().long()
    indices = torch.stack([near, (near + 1).clamp(max=side - 1)], dim=1)
    weights = torch.stack([1 - (places - near), places - near], dim=1)
    kernel = gaussian_kernel(side, (sigma, sigma))
    moved = weighted_sums(weighted_sums(kernel, indices, weights).mT, indices, weights).mT
    return moved / moved.sum()


def draw_covariance(generator: torch.Generator) -> Tensor:
    """`|L^2 U^T D U|` of the correlated noise, (3, 3) in squared 8-bit levels: L is the largest level, not the drawn.

    D is diagonal, uniform in [0, 1); U is an orthonormal basis of a matrix of numbers uniform in [0, 1).
    """
    diagonal = torch.rand(3, generator=generator, dtype=torch.float64, device="cpu")
    numbers = torch.rand(3, 3, generator=generator, dtype=torch.float64, device="cpu")
    basis = torch.linalg.svd(numbers).U
    return (_LARGEST_NOISE**2 * (basis.T * diagonal) @ basis).abs()


def _resized(image: Tensor, size: tuple[int, int], method: Method, history: History, **drawn: float) -> Tensor:
    history.append(resize_to(size, method, **drawn))
    return resize(image, size=size, method=method).clamp(0, 1)


def _blurred(image: Tensor, scale: int, generator: torch.Generator, history: History) -> Tensor:
    """Isotropic or anisotropic, each half of the time."""
    side = uniform_integer(_SIDES, generator, step=2)
    if bernoulli(0.5, generator):
        largest_variance = 4.0 + scale
        variances = (uniform((0.0, largest_variance), generator), uniform((0.0, largest_variance), generator))
        first, second = (max(math.sqrt(variance), _SMALLEST_SIGMA) for variance in variances)
        angle = uniform((0.0, math.pi), generator)
        kernel = Kernel(shape="aniso", side=side, sigma=(first, second), angle=angle)
    else:
        sigma = max(uniform((0.0, 2.0 + 0.2 * scale), generator), _SMALLEST_SIGMA)
        kernel = Kernel(shape="iso", side=side, sigma=(sigma, sigma))
    history.append(kernel.operation())
    return blur(image, kernel.weights())


def _with_gaussian_noise(image: Tensor, generator: torch.Generator, history: History) -> Tensor:
    level = uniform_integer((2, _LARGEST_NOISE), generator)
    channels = choice(("correlated", "independent", "equal"), generator, weights=(0.2, 0.4, 0.4))
    values: dict[str, Value] = {"kind": "gaussian", "sigma": level, "channels": channels}
    if channels == "correlated":
        covariance = draw_covariance(generator)
        upper = covariance[tuple(torch.triu_indices(3, 3, device="cpu"))]
        values |= {"sigma": _LARGEST_NOISE, "covariance": "/".join(f"{number:.6g}" for number in upper.tolist())}
        noisy = correlated_noise(image, covariance=covariance, generator=generator)
    else:
        noisy = gaussian_noise(image, sigma=level, grey=channels == "equal", generator=generator)
    history.append(Operation("noise", values))
    return noisy.clamp(0, 1)


def _compressed(image: Tensor, generator: torch.Generator, history: History) -> Tensor:
    quality = uniform_integer((30, 95), generator)
    history.append(compression(quality))
    return jpeg(image, quality=quality)
