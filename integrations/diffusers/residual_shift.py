"""Residual shifting (ResShift, arXiv:2307.12348; DeltaDiff, arXiv:2502.12567) as a scheduler of diffusers.

It needs torch and diffusers, and no deltasr. The chain leads from the code of the upsampled LR picture, `y_0`, to that
of the HR picture, `x_0`; the network predicts `x_0`:

    scheduler = ResidualShiftScheduler(eta=(0.0, 0.01, 0.2, 0.6, 0.99), kappa=0.0)
    scheduler.set_timesteps()
    x_t = scheduler.start(y_0, generator=generator)
    for t in scheduler.timesteps:
        x_t = scheduler.step(network(x_t, t), t, x_t, generator=generator).prev_sample

`eta` and `kappa` of a deltasr checkpoint are `model.schedule.eta` and `model.schedule.kappa`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor


@dataclass
class ResidualShiftSchedulerOutput(BaseOutput):
    """`x_{t-1}`, and the prediction of `x_0` that it was made from; both (N, C, H, W)."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class ResidualShiftScheduler(SchedulerMixin, ConfigMixin):
    """The Markov chain of ResShift, eq. 1 to 7; without noise (`kappa = 0`) that of DeltaDiff, eq. 5.

    Args:
        eta: the shifting sequence `eta_0 = 0 < eta_1 < ... < eta_T <= 1`. Its length fixes the number of steps.
        kappa: noise strength; 0 makes every step deterministic.
    """

    order = 1

    @register_to_config
    def __init__(self, eta: Sequence[float] = (0.0, 1.0), kappa: float = 0.0) -> None:
        if len(eta) < 2 or eta[0] != 0 or any(a >= b for a, b in pairwise(eta)) or eta[-1] > 1:
            raise ValueError(f"eta has to begin at 0, increase, and end at 1 or below; it is {tuple(eta)}.")
        self.eta = tuple(float(value) for value in eta)
        self.init_noise_sigma = kappa * math.sqrt(self.eta[-1])
        self.set_timesteps()

    def set_timesteps(self, num_inference_steps: int | None = None, device: str | torch.device | None = None) -> None:
        """Set `timesteps` to T, ..., 1. The network was trained with this sequence, so no other number is possible."""
        steps = len(self.eta) - 1
        if num_inference_steps not in (None, steps):
            raise ValueError(f"This chain has {steps} steps; {num_inference_steps} need another eta and other weights.")
        self.num_inference_steps = steps
        self.timesteps = torch.arange(steps, 0, -1, device=device)

    def scale_model_input(self, sample: Tensor, timestep: int | Tensor | None = None) -> Tensor:
        """The sample as it is."""
        return sample

    def start(self, low_resolution: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`x_T = y_0 + kappa sqrt(eta_T) eps` (below eq. 7)."""
        return self._with_noise(low_resolution, self.init_noise_sigma, generator)

    def add_noise(self, original: Tensor, low_resolution: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """`x_t = x_0 + eta_t (y_0 - x_0) + kappa sqrt(eta_t) eps` (eq. 2), for training; `timesteps` (N,) in 1..T."""
        eta = torch.tensor(self.eta, dtype=original.dtype, device=original.device)[timesteps].view(-1, 1, 1, 1)
        return original + eta * (low_resolution - original) + self.config.kappa * eta.sqrt() * noise

    def step(
        self,
        model_output: Tensor,
        timestep: int | Tensor,
        sample: Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> ResidualShiftSchedulerOutput | tuple[Tensor]:
        """`x_{t-1}` from `x_t` and the network's prediction of `x_0` (eq. 6 and 7).

        Args:
            model_output: the prediction of `x_0` (N, C, H, W).
            timestep: t, in 1..T.
            sample: `x_t`, same shape.
            generator: source of the noise.
            return_dict: whether to return the output class or a tuple of `x_{t-1}` alone.
        """
        t = int(timestep)
        if not 1 <= t < len(self.eta):
            raise ValueError(f"Step {t} does not exist; this chain has the steps 1 to {len(self.eta) - 1}.")
        eta, before = self.eta[t], self.eta[t - 1]
        mean = (before / eta) * sample + ((eta - before) / eta) * model_output
        deviation = math.sqrt(self.config.kappa**2 * before * (eta - before) / eta)
        previous = self._with_noise(mean, deviation, generator)
        if not return_dict:
            return (previous,)
        return ResidualShiftSchedulerOutput(prev_sample=previous, pred_original_sample=model_output)

    def _with_noise(self, mean: Tensor, deviation: float, generator: torch.Generator | None) -> Tensor:
        if deviation == 0:
            return mean
        noise = randn_tensor(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + deviation * noise

    def __len__(self) -> int:
        return len(self.eta) - 1
