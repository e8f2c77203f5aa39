"""The Markov chain that shifts the residual, forwards and backwards (ResShift eq. 1-7; DeltaDiff eq. 5 at kappa = 0).

`x_0` is the HR picture (or its first-stage code), `y_0` the LR picture on the same grid, `e_0 = y_0 - x_0` the
residual. Every tensor is (N, C, H, W); a step `t` counts from 1 to T. `noise` is a standard normal tensor of the same
shape. Where its factor is zero (kappa = 0 everywhere, and the last reverse step) it is not used and may be left
out; where it is not zero, leaving it out is a `SettingError`. No formula uses a random generator. All raise
`SettingError` for a step outside 1..T, except `forward_marginals`, which does not check its tensor of steps.

DeltaDiff's text swaps letters (its `y_T` is HR, its `y_0` LR) and its eq. 4 writes one forward step where its figure
and eq. 5 need the marginal. Its figure, eq. 5 and eq. 7 agree with ResShift's formulas at kappa = 0; that reading is
used here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deltasr.diffusion.schedule import Schedule
from deltasr.errors import SettingError

_NOISE_NEEDED = "This step of a process with kappa > 0 needs noise; pass a standard normal tensor."


def _with_noise(mean: Tensor, std: float, noise: Tensor | None) -> Tensor:
    if std == 0.0:
        return mean
    if noise is None:
        raise SettingError(_NOISE_NEEDED)
    return mean + std * noise


def forward_marginal(x_0: Tensor, y_0: Tensor, t: int, schedule: Schedule, noise: Tensor | None = None) -> Tensor:
    """`x_t = x_0 + eta_t e_0 + kappa sqrt(eta_t) eps` (ResShift eq. 2)."""
    noise_std = schedule.relative_noise(t)
    return _with_noise(x_0 + schedule.eta[t] * (y_0 - x_0), noise_std, noise)


def forward_marginals(
    x_0: Tensor, y_0: Tensor, steps: Tensor, schedule: Schedule, noise: Tensor | None = None
) -> Tensor:
    """`forward_marginal` with a step of its own for each picture of the batch: `steps` (N,), whole numbers in 1..T."""
    eta = per_picture(schedule.eta, steps, x_0)
    mean = x_0 + eta * (y_0 - x_0)
    if schedule.kappa == 0:
        return mean
    if noise is None:
        raise SettingError(_NOISE_NEEDED)
    return mean + schedule.kappa * eta.sqrt() * noise


def per_picture(values: Sequence[float], steps: Tensor, like: Tensor) -> Tensor:
    """`values[t]` for the step t of each picture, (N, 1, 1, 1), of the type and on the device of `like`.

    `steps` are looked up on the CPU; if they are there already, nothing waits for the device.
    """
    chosen = torch.tensor(values, dtype=like.dtype)[steps.cpu()]
    return chosen.view(-1, 1, 1, 1).to(like.device, non_blocking=True)


def forward_transition(
    x_previous: Tensor, x_0: Tensor, y_0: Tensor, t: int, schedule: Schedule, noise: Tensor | None = None
) -> Tensor:
    """`x_t = x_{t-1} + alpha_t e_0 + kappa sqrt(alpha_t) eps` (ResShift eq. 1)."""
    alpha = schedule.alpha(t)
    return _with_noise(x_previous + alpha * (y_0 - x_0), schedule.kappa * math.sqrt(alpha), noise)


def posterior(x_t: Tensor, x_0: Tensor, t: int, schedule: Schedule) -> tuple[Tensor, float]:
    """Mean and variance of `q(x_{t-1} | x_t, x_0, y_0)` (ResShift eq. 6).

    Mean `(eta_{t-1}/eta_t) x_t + (alpha_t/eta_t) x_0`; variance `kappa^2 eta_{t-1} alpha_t / eta_t`, one number for all
    values.
    """
    alpha, eta, eta_previous = schedule.alpha(t), schedule.eta[t], schedule.eta[t - 1]
    mean = (eta_previous / eta) * x_t + (alpha / eta) * x_0
    return mean, schedule.kappa**2 * eta_previous * alpha / eta


def reverse_step(x_t: Tensor, prediction: Tensor, t: int, schedule: Schedule, noise: Tensor | None = None) -> Tensor:
    """`x_{t-1}` from `x_t` and the network's prediction of `x_0` (ResShift eq. 7; DeltaDiff eq. 5).

    The last step (t = 1) returns the prediction itself, without noise, since `eta_0 = 0`.
    """
    mean, variance = posterior(x_t, prediction, t, schedule)
    return _with_noise(mean, math.sqrt(variance), noise)


def start(y_0: Tensor, schedule: Schedule, noise: Tensor | None = None) -> Tensor:
    """`x_T = y_0 + kappa sqrt(eta_T) eps` (ResShift, below eq. 7); at kappa = 0 exactly `y_0` (DeltaDiff)."""
    return _with_noise(y_0, schedule.relative_noise(schedule.steps), noise)
