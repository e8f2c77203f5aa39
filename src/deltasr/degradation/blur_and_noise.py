"""The plain degradation `y = (x * k) down + n` of ResShift's synthetic test set (arXiv:2307.12348, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deltasr.degradation.blur import blur
from deltasr.degradation.history import History, resize_to
from deltasr.degradation.random_blur import BlurSettings, draw_kernel
from deltasr.degradation.random_noise import NoiseSettings, draw_noise
from deltasr.degradation.resizing import Method, resize

_MILD_BLUR = BlurSettings(
    sides=(13, 13), shape_probabilities=(0.6, 0.4, 0.0, 0.0, 0.0, 0.0), sigma=(0.2, 0.8), sinc_probability=0.0
)
_MILD_NOISE = NoiseSettings(gaussian_sigma=(1.0, 15.0), poisson_scale=(0.05, 0.3))


@dataclass(frozen=True, kw_only=True)
class BlurAndNoise:
    """Blur, downscaling and noise; by default with ResShift's test settings: mild blur, noise of up to 15 levels."""

    blur: BlurSettings = _MILD_BLUR
    """Of the kernel `k`, in HR pixels."""

    method: Method = "bicubic"
    """Of the shrinking."""

    noise: NoiseSettings = _MILD_NOISE
    """Of `n`, in the LR picture."""

    def __call__(self, hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None) -> Tensor:
        """Degrade pictures alike: (N, 3, H, W) in [0, 1] to (N, 3, H // scale, W // scale) in [0, 1].

        Args:
            hr: the pictures.
            scale: a whole factor, at least 1.
            generator: on the CPU, for the parameters and the noise.
            history: the operations are appended to it.
        """
        kernel = draw_kernel(self.blur, generator)
        noise = draw_noise(self.noise, generator)
        size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
        if history is not None:
            history += [kernel.operation(), resize_to(size, self.method), noise.operation()]
        lr = resize(blur(hr, kernel.weights()), size=size, method=self.method).clamp(0, 1)
        return noise.added_to(lr, generator)
