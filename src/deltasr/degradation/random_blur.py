"""Random blur kernels: their settings, and one kernel drawn from them (Real-ESRGAN, arXiv:2107.10833, section 4.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deltasr.degradation.blur import gaussian_kernel, generalised_kernel, plateau_kernel, sinc_kernel
from deltasr.degradation.checks import check_probability, check_range, check_sides, check_weights
from deltasr.degradation.draws import Range, bernoulli, choice, uniform, uniform_integer
from deltasr.degradation.history import Operation, Value

Shape = Literal["iso", "aniso", "generalised-iso", "generalised-aniso", "plateau-iso", "plateau-aniso", "sinc"]

SHAPES: tuple[Shape, ...] = ("iso", "aniso", "generalised-iso", "generalised-aniso", "plateau-iso", "plateau-aniso")
"""The kernel shapes that `BlurSettings.shape_probabilities` are about, in their order."""

_NARROW_SIDE = 13
_NARROW_LOWEST_CUTOFF = math.pi / 3


@dataclass(frozen=True, kw_only=True)
class BlurSettings:
    """The distribution of a blur kernel.

    Raises:
        SettingError: a value is out of its range.
    """

    sides: tuple[int, int] = (7, 21)
    """Smallest and largest side, in pixels; odd, from 1. All odd sides between are equally likely."""

    shape_probabilities: tuple[float, ...] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    """Of each of `SHAPES` where no sinc filter is drawn; they add up to 1."""

    sigma: Range = (0.2, 3.0)
    """Standard deviation along each axis, in pixels, above 0."""

    beta_generalised: Range = (0.5, 4.0)
    """Shape of generalised Gaussians, without unit, above 0; where 1 lies inside, below and above it equally often."""

    beta_plateau: Range = (1.0, 2.0)
    """Shape of plateau kernels, without unit, above 0; as `beta_generalised`."""

    beta_plateau_one_probability: float = 0.0
    """That the shape of a plateau kernel is exactly 1 instead, 0 to 1."""

    sinc_probability: float = 0.1
    """That the kernel is a sinc filter, 0 to 1."""

    sinc_cutoff: Range = (math.pi / 5, math.pi)
    """Cut-off of sinc filters, in radians per pixel, above 0 and at most pi; kernels of side below 13, which cannot
    hold the slow ringing of low ones, stay above pi / 3."""

    def __post_init__(self) -> None:
        check_sides("sides", self.sides)
        check_weights("shape_probabilities", self.shape_probabilities, len(SHAPES))
        check_range("sigma", self.sigma, least=1e-3, unit="pixels")
        check_range("beta_generalised", self.beta_generalised, least=1e-3)
        check_range("beta_plateau", self.beta_plateau, least=1e-3)
        check_probability("beta_plateau_one_probability", self.beta_plateau_one_probability)
        check_probability("sinc_probability", self.sinc_probability)
        check_range("sinc_cutoff", self.sinc_cutoff, least=1e-3, most=math.pi, unit="radians per pixel")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The parameters of one kernel, in the units of `blur`; those that its shape does not have are left as they are."""

    shape: Shape
    side: int
    sigma: tuple[float, float] = (1.0, 1.0)
    angle: float = 0.0
    beta: float = 1.0
    cutoff: float = math.pi

    def weights(self) -> Tensor:
        """(side, side), float64, summing to 1."""
        if self.shape == "sinc":
            return sinc_kernel(self.side, self.cutoff)
        if self.shape.startswith("generalised"):
            return generalised_kernel(self.side, self.sigma, beta=self.beta, angle=self.angle)
        if self.shape.startswith("plateau"):
            return plateau_kernel(self.side, self.sigma, beta=self.beta, angle=self.angle)
        return gaussian_kernel(self.side, self.sigma, angle=self.angle)

    def operation(self) -> Operation:
        """The blur by this kernel, with the parameters that its shape has."""
        values: dict[str, Value] = {"shape": self.shape, "side": self.side}
        if self.shape == "sinc":
            return Operation("blur", {**values, "cutoff": self.cutoff})
        values["sigma"] = self.sigma[0]
        if self.shape.endswith("aniso"):
            values |= {"sigma_across": self.sigma[1], "angle": self.angle}
        if self.shape.startswith(("generalised", "plateau")):
            values["beta"] = self.beta
        return Operation("blur", values)


def draw_kernel(settings: BlurSettings, generator: torch.Generator) -> Kernel:
    """One kernel of the distribution that `settings` describe."""
    if bernoulli(settings.sinc_probability, generator):
        return draw_sinc(settings.sides, settings.sinc_cutoff, generator)
    side = uniform_integer(settings.sides, generator, step=2)
    shape = choice(SHAPES, generator, weights=settings.shape_probabilities)
    first = uniform(settings.sigma, generator)
    sigma, angle, beta = (first, first), 0.0, 1.0
    if shape.endswith("aniso"):
        sigma = (first, uniform(settings.sigma, generator))
        angle = uniform((-math.pi, math.pi), generator)
    if shape.startswith("generalised"):
        beta = _draw_beta(settings.beta_generalised, generator)
    elif shape.startswith("plateau"):
        is_one = settings.beta_plateau_one_probability
        if not is_one or not bernoulli(is_one, generator):  # where it is never 1, nothing is drawn for it
            beta = _draw_beta(settings.beta_plateau, generator)
    return Kernel(shape=shape, side=side, sigma=sigma, angle=angle, beta=beta)


def draw_sinc(sides: tuple[int, int], cutoff: Range, generator: torch.Generator) -> Kernel:
    """A sinc filter of an odd side and a cut-off from these ranges; see `BlurSettings.sinc_cutoff`."""
    side = uniform_integer(sides, generator, step=2)
    low, high = cutoff
    if side < _NARROW_SIDE:
        low = min(max(low, _NARROW_LOWEST_CUTOFF), high)
    return Kernel(shape="sinc", side=side, cutoff=uniform((low, high), generator))


def _draw_beta(bounds: Range, generator: torch.Generator) -> float:
    low, high = bounds
    if not low < 1.0 < high:
        return uniform(bounds, generator)
    return uniform((low, 1.0) if bernoulli(0.5, generator) else (1.0, high), generator)
