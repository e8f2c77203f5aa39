"""Random noise: its settings, and one noise drawn from them (Real-ESRGAN, arXiv:2107.10833, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deltasr.degradation.checks import check_probability, check_range
from deltasr.degradation.draws import Range, bernoulli, uniform
from deltasr.degradation.history import Operation
from deltasr.degradation.noise import gaussian_noise, poisson_noise


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """The distribution of noise.

    Raises:
        SettingError: a value is out of its range.
    """

    gaussian_probability: float = 0.5
    """That the noise is Gaussian, 0 to 1; else it is Poisson noise."""

    gaussian_sigma: Range = (1.0, 30.0)
    """Standard deviation of Gaussian noise, in 8-bit levels, 0 to 255."""

    poisson_scale: Range = (0.05, 3.0)
    """Strength of Poisson noise, in multiples of the shot noise of 255 photons for white, from 0."""

    grey_probability: float = 0.4
    """That the noise is the same in all channels, 0 to 1."""

    def __post_init__(self) -> None:
        check_probability("gaussian_probability", self.gaussian_probability)
        check_range("gaussian_sigma", self.gaussian_sigma, least=0, most=255, unit="levels")
        check_range("poisson_scale", self.poisson_scale, least=0)
        check_probability("grey_probability", self.grey_probability)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """One kind of noise: `strength` is the sigma of Gaussian noise in 8-bit levels, or the scale of Poisson noise."""

    kind: Literal["gaussian", "poisson"]
    strength: float
    grey: bool

    def added_to(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The pictures (N, 3, H, W) with this noise, clamped to [0, 1]; the generator (on the CPU) makes the field."""
        if self.kind == "gaussian":
            noisy = gaussian_noise(images, sigma=self.strength, grey=self.grey, generator=generator)
        else:
            noisy = poisson_noise(images, scale=self.strength, grey=self.grey, generator=generator)
        return noisy.clamp(0, 1)

    def operation(self) -> Operation:
        """The addition of this noise."""
        strength = "sigma" if self.kind == "gaussian" else "scale"
        channels = "equal" if self.grey else "independent"
        return Operation("noise", {"kind": self.kind, strength: self.strength, "channels": channels})


def draw_noise(settings: NoiseSettings, generator: torch.Generator) -> Noise:
    """One kind of noise of the distribution that `settings` describe."""
    grey = bernoulli(settings.grey_probability, generator)
    if bernoulli(settings.gaussian_probability, generator):
        return Noise(kind="gaussian", strength=uniform(settings.gaussian_sigma, generator), grey=grey)
    return Noise(kind="poisson", strength=uniform(settings.poisson_scale, generator), grey=grey)
