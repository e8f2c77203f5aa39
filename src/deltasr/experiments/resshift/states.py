"""States of ResShift's forward process and of LDM's, as its Fig. 3 shows them: pictures, and their noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.process import forward_marginal
from deltasr.diffusion.schedule import Schedule
from deltasr.experiments.experiment import SCALE
from deltasr.experiments.plots import Strip
from deltasr.resampling.tensors import imresize

LDM_STEPS = 1000
_LDM_BETAS = (0.0015, 0.0155)
"""The first and the last beta of the released model for super-resolution; their roots grow evenly."""

_SIDE = 24
"""LR pixels of the part of a picture that is shown: few, so that its noise is not made smaller with it."""


def ldm_signal() -> NDArray[np.float64]:
    """`alpha-bar_t` of latent diffusion for t = 1 to 1000: the share of a state's variance that the signal has."""
    first, last = np.sqrt(_LDM_BETAS)
    products: NDArray[np.float64] = np.cumprod(1 - np.linspace(first, last, LDM_STEPS) ** 2)
    return products


def ldm_relative_noise(t: int) -> float:
    """`sqrt(1 / SNR) = sqrt((1 - alpha-bar_t) / alpha-bar_t)` of LDM."""
    signal = float(ldm_signal()[t - 1])
    return float(np.sqrt((1 - signal) / signal))


@dataclass(frozen=True, kw_only=True)
class Example:
    """A picture that states are made of: HR and the bicubic enlargement of LR, (1, 3, H, W) in [-1, 1]."""

    name: str
    x_0: Tensor
    y_0: Tensor

    @classmethod
    def of(cls, name: str, hr: NDArray[np.uint8], lr: NDArray[np.uint8]) -> Example:
        """The middle of a pair of pictures."""
        top, left = (max(0, (length - _SIDE) // 2) for length in lr.shape[:2])
        lr = lr[top : top + _SIDE, left : left + _SIDE]
        hr = hr[SCALE * top : SCALE * (top + lr.shape[0]), SCALE * left : SCALE * (left + lr.shape[1])]
        small, large = (
            torch.from_numpy(levels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1 for levels in (lr, hr)
        )
        return cls(name=name, x_0=large, y_0=imresize(small, scale=SCALE))

    def strip(self, label: str, schedule: Schedule, steps: Sequence[int]) -> Strip:
        """States of the forward process with the same noise at every step."""
        noise = NoiseField()(0, self.x_0)
        states = {t: forward_marginal(self.x_0, self.y_0, t, schedule, noise) for t in steps}
        return Strip(label=label, pictures=[(f"t = {t}", _levels(state)) for t, state in states.items()])

    def ldm_strip(self, label: str, steps: Sequence[int]) -> Strip:
        """States of LDM's forward process, `sqrt(alpha-bar_t) x_0 + sqrt(1 - alpha-bar_t) eps`."""
        noise = NoiseField()(0, self.x_0)
        signal = ldm_signal()
        states = {t: signal[t - 1] ** 0.5 * self.x_0 + (1 - signal[t - 1]) ** 0.5 * noise for t in steps}
        return Strip(label=label, pictures=[(f"t = {t}", _levels(state)) for t, state in states.items()])

    def true_ratio(self, schedule: Schedule, t: int) -> float:
        """The noise's standard deviation over that of the signal `x_0 + eta_t e_0`, which the formula takes as 1."""
        signal = self.x_0 + schedule.eta[t] * (self.y_0 - self.x_0)
        return schedule.relative_noise(t) / float(signal.std())

    def true_ldm_ratio(self, t: int) -> float:
        """The same of LDM, whose signal is `x_0` made smaller."""
        return ldm_relative_noise(t) / float(self.x_0.std())


def _levels(state: Tensor) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = ((state[0].permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return levels
