"""ResShift as published: residual shifting in the codes of a VQ-f4 autoencoder, by a Swin U-Net.

With kappa = 0 the same system is DeltaDiff as its paper has it (`models.deltadiff` has ours, without the autoencoder).
Conventions are those of the released code, whose weights need them: `y_0` is the code of the LR picture upsampled by
bicubic interpolation without anti-aliasing; the network sees `x_t / sqrt(kappa^2 eta_t + 1)`, steps counted from 0, and
the LR picture itself; pictures have values in [-1, 1].
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.sampling import StepCallback, sample
from deltasr.diffusion.schedule import PRESETS, Schedule
from deltasr.models.base import Model, SizeRequirements
from deltasr.nets.swin_unet import SwinUNet
from deltasr.nets.vq_autoencoder import VQAutoencoder

_DEFAULT = PRESETS["resshift-s15"]


class ResShift(Model):
    """Super-resolution by residual shifting of latent codes: ResShift, and at kappa = 0 DeltaDiff as published.

    With kappa > 0 results depend on a seed, through a `NoiseField`. Each picture of a batch gets the same noise, so
    that it does not matter which others are in it.

    Args:
        eta: the shifting sequence `eta_0, ..., eta_T`; by default that of the released code with 15 steps.
        kappa: noise strength.
        denoiser: arguments of `nets.swin_unet.SwinUNet`; by default those of the published x4 models.
        autoencoder: arguments of `nets.vq_autoencoder.VQAutoencoder`; by default those of the published one.

    Raises:
        SettingError: `eta` or `kappa` is out of range.
        ModelError: diffusers is not installed.
    """

    architecture: ClassVar[str] = "resshift"

    def __init__(
        self,
        *,
        eta: Sequence[float] = _DEFAULT.eta,
        kappa: float = _DEFAULT.kappa,
        denoiser: Mapping[str, Any] | None = None,
        autoencoder: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.schedule = Schedule(tuple(eta), kappa)
        self._net_arguments = {
            "denoiser": _complete(SwinUNet, denoiser or {}),
            "autoencoder": _complete(VQAutoencoder, autoencoder or {}),
        }
        self.denoiser = SwinUNet(**self._net_arguments["denoiser"])
        self.autoencoder = VQAutoencoder(**self._net_arguments["autoencoder"])
        self.scale = self.autoencoder.factor
        self.stochastic = kappa > 0
        self.size_requirements = SizeRequirements(
            minimum=self.denoiser.multiple_of, multiple_of=self.denoiser.multiple_of
        )
        system, steps = ("ResShift" if kappa else "DeltaDiff, paper"), self.schedule.steps
        self.name = f"{'resshift' if kappa else 'deltadiff-paper'}-x{self.scale}-s{steps}"
        self.description = f"{system} x{self.scale}: {steps} steps in VQ-f{self.scale} codes"

    def arguments(self) -> dict[str, object]:
        return {"eta": list(self.schedule.eta), "kappa": self.schedule.kappa, **self._net_arguments}

    def net_arguments(self) -> dict[str, object]:
        """The arguments that decide the networks' shapes; models that agree in them can exchange weights."""
        return dict(self._net_arguments)

    def encode(self, picture: Tensor) -> Tensor:
        """The code (N, C, h, w), not quantised, of a picture (N, 3, scale h, scale w) in [0, 1]."""
        return self.autoencoder.encode(2 * picture - 1).float()

    def decode(self, code: Tensor) -> Tensor:
        """The picture (N, 3, scale h, scale w) of a code (N, C, h, w), which is quantised; not clamped."""
        return (self.autoencoder.decode(code).float() + 1) / 2

    def predictor(self, lr: Tensor) -> tuple[Tensor, Callable[[Tensor, int], Tensor]]:
        """`y_0` and `f_theta` for a batch of LR pictures.

        Args:
            lr: (N, 3, h, w) in [0, 1].

        Returns:
            `y_0`, the code of the upsampled picture, (N, C, h, w); and the function (x_t, t) -> prediction of the code
            of `x_0`, same shape. Both are float32, also under autocast.
        """
        upsampled = F.interpolate(lr, scale_factor=self.scale, mode="bicubic", align_corners=False)
        condition = 2 * lr - 1

        def predict(x_t: Tensor, t: int) -> Tensor:
            size = math.sqrt(self.schedule.relative_noise(t) ** 2 + 1)
            prediction: Tensor = self.denoiser(x_t / size, condition, torch.tensor([t - 1], device=lr.device))
            return prediction.float()

        return self.encode(upsampled), predict

    def forward(self, lr: Tensor, *, noise: NoiseField | None = None, callback: StepCallback | None = None) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1]; h and w multiples of 64 as published.

        Args:
            lr: the LR pictures, or windows of them.
            noise: the picture's noise as seen from the window's position; by default that of seed 0. Not asked at
                kappa = 0.
            callback: sees (t, x_t, prediction of x_0) at each step, both as codes.
        """
        y_0, predict = self.predictor(lr)
        code = sample(predict, y_0, self.schedule, noise=noise or NoiseField(), callback=callback)
        return self.decode(code).clamp(0, 1)


def _complete(network: type[nn.Module], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A network's arguments with those left at their defaults, as JSON values: a file must not depend on defaults."""
    bound = inspect.signature(network).bind(**arguments)
    bound.apply_defaults()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in bound.arguments.items()}
