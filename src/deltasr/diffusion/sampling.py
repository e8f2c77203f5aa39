"""The sampling loop: from the LR picture to the HR picture in T steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deltasr.diffusion.process import reverse_step, start
from deltasr.diffusion.schedule import Schedule
from deltasr.errors import SettingError

Predictor = Callable[[Tensor, int], Tensor]
"""`f_theta`: (x_t, t) -> prediction of x_0, both (N, C, H, W)."""

StepCallback = Callable[[int, Tensor, Tensor], None]
"""Called at each step with (t, x_t, the prediction of x_0 made from it); it must not change the tensors."""

Noise = Callable[[int, Tensor], Tensor]
"""(t, a tensor) -> the standard normal noise of `x_t`, in the tensor's shape and type and on its device."""


def noise_from(generator: torch.Generator) -> Noise:
    """Noise drawn from a generator, in float32 on the generator's own device, one tensor after the other."""

    def draw(t: int, like: Tensor) -> Tensor:
        noise = torch.randn(like.shape, generator=generator, device=generator.device, dtype=torch.float32)
        return noise.to(like)

    return draw


def sample(
    predict: Predictor,
    y_0: Tensor,
    schedule: Schedule,
    *,
    generator: torch.Generator | None = None,
    noise: Noise | None = None,
    callback: StepCallback | None = None,
) -> Tensor:
    """Run the reverse chain from `x_T` to `x_0` (ResShift's and DeltaDiff's inference).

    Args:
        predict: the network, (x_t, t) -> prediction of `x_0`.
        y_0: the LR picture on the HR grid (or its first-stage code), (N, C, H, W).
        schedule: the shifting sequence; with `kappa = 0` no random number is drawn.
        generator: source of the noise when `kappa > 0` (`noise_from`); not used when `kappa = 0`.
        noise: source of the noise instead of a generator, such as a `diffusion.noise.NoiseField`; not called when
            `kappa = 0`.
        callback: called at every step, from t = T down to 1, with (t, x_t, prediction).

    Returns:
        `x_0`, (N, C, H, W).

    Raises:
        SettingError: `kappa > 0` and there is neither a generator nor noise.
    """
    if noise is None and generator is not None:
        noise = noise_from(generator)
    if noise is None and schedule.kappa > 0:
        raise SettingError("Sampling with kappa > 0 draws noise; pass a torch.Generator so that it can be repeated.")

    def drawn(t: int) -> Tensor | None:
        return None if noise is None or schedule.kappa == 0 or t == 0 else noise(t, y_0)

    x_t = start(y_0, schedule, drawn(schedule.steps))
    for t in range(schedule.steps, 0, -1):
        prediction = predict(x_t, t)
        if callback is not None:
            callback(t, x_t, prediction)
        x_t = reverse_step(x_t, prediction, t, schedule, drawn(t - 1))
    return x_t
