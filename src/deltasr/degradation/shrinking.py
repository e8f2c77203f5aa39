"""HR pictures made small by the resizers that people use, any of which may have made a small picture without faults.

Half of the pictures go through our bicubic, the one that results are projected by. The others go through Pillow's
filters (in floating point, at borders too), some by way of a size in between, some a fraction of a pixel out of place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from deltasr.degradation.checks import check_probability, check_range, check_weights
from deltasr.degradation.draws import bernoulli, choice, uniform
from deltasr.degradation.history import History, Operation, resize_to
from deltasr.resampling.tensors import imresize

Filter = Literal["bicubic", "pillow-bicubic", "pillow-lanczos", "pillow-box", "pillow-bilinear"]

FILTERS: tuple[Filter, ...] = get_args(Filter)
"""MATLAB's bicubic, which is `downscale`, and Pillow's filters; all anti-aliased."""


@dataclass(frozen=True, kw_only=True)
class Shrinking:
    """The distribution of a resize from HR to LR.

    Raises:
        SettingError: a value is out of its range.
    """

    filter_probabilities: tuple[float, ...] = (0.5, 0.125, 0.15, 0.125, 0.1)
    """Of each of `FILTERS`; they add up to 1. The first one is never shifted, and never in two steps."""

    two_steps_probability: float = 0.2
    """That one of the other filters leads to a size in between, and any of `FILTERS` from there, 0 to 1."""

    shift_probability: float = 0.25
    """That the LR picture of one of the other filters lies a fraction of a pixel out of place, 0 to 1; Pillow's box
    takes whole pixels, and is never shifted."""

    largest_shift: float = 0.5
    """Of a shift along each axis, in HR pixels, 0 to 1."""

    def __post_init__(self) -> None:
        check_weights("filter_probabilities", self.filter_probabilities, len(FILTERS))
        check_probability("two_steps_probability", self.two_steps_probability)
        check_probability("shift_probability", self.shift_probability)
        check_range("largest_shift", (0.0, self.largest_shift), least=0.0, most=1.0, unit="HR pixels")

    def __call__(self, hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None) -> Tensor:
        """Shrink pictures alike: (N, 3, H, W) in [0, 1] to (N, 3, H // scale, W // scale) in [0, 1].

        Args:
            hr: the pictures.
            scale: a whole factor, at least 1.
            generator: on the CPU, for the parameters.
            history: gets what was done.
        """
        history = [] if history is None else history
        final = (hr.shape[-2] // scale, hr.shape[-1] // scale)
        filter_ = choice(FILTERS, generator, weights=self.filter_probabilities)
        if filter_ == "bicubic":
            history.append(resize_to(final, filter_))
            return imresize(hr, size=final).clamp(0, 1)
        shift = (0.0, 0.0)
        if filter_ != "pillow-box" and bernoulli(self.shift_probability, generator):
            bounds = (-self.largest_shift, self.largest_shift)
            shift = (uniform(bounds, generator), uniform(bounds, generator))
        if not bernoulli(self.two_steps_probability, generator):
            history.append(_shrunk(final, filter_, shift))
            return _resized(hr, final, filter_, shift)
        factor = math.exp(uniform((-math.log(scale), 0.0), generator))
        between = (max(final[0], round(hr.shape[-2] * factor)), max(final[1], round(hr.shape[-1] * factor)))
        second = choice(FILTERS, generator, weights=self.filter_probabilities)
        history += [_shrunk(between, filter_, shift, factor=factor), resize_to(final, second)]
        return _resized(_resized(hr, between, filter_, shift), final, second)


def _shrunk(size: tuple[int, int], filter_: Filter, shift: tuple[float, float], **drawn: float) -> Operation:
    if shift != (0.0, 0.0):
        drawn |= {"shift_down": shift[0], "shift_right": shift[1]}
    return resize_to(size, filter_, **drawn)


def _resized(images: Tensor, size: tuple[int, int], filter_: Filter, shift: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """(N, C, H, W) to (N, C, *size) in [0, 1]; the sampling grid moved down and to the right by `shift` samples."""
    if filter_ == "bicubic":
        return imresize(images, size=size).clamp(0, 1)
    from PIL import Image

    resample = Image.Resampling[filter_.removeprefix("pillow-").upper()]
    planes = images.detach().to("cpu", torch.float32).flatten(0, 1).numpy()
    height, width = images.shape[-2:]
    box = None
    if shift != (0.0, 0.0):
        planes = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
        box = (1 + shift[1], 1 + shift[0], 1 + shift[1] + width, 1 + shift[0] + height)
    shrunk = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], resample, box)) for plane in planes
    ]
    return torch.from_numpy(np.stack(shrunk)).reshape(*images.shape[:2], *size).to(images).clamp(0, 1)
