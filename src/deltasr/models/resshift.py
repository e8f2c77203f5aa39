"""ResShift: residual shifting by a Swin U-Net, in the codes of a VQ-f4 autoencoder as published, or of pixel-unshuffle.

With kappa = 0 the same system is DeltaDiff as its paper has it (`models.deltadiff` has ours, without the autoencoder).
Conventions are those of the released code, whose weights need them: `y_0` is the code of the LR picture upsampled by
bicubic interpolation without anti-aliasing; the network's inputs are `x_t / sqrt(kappa^2 eta_t + 1)`, steps counted
from 0, and the LR picture itself; pictures have values in [-1, 1].

Pixel-unshuffle costs nothing and loses nothing, which makes models of two cores' size possible. There the network's
output is added to `y_0`, so that an untrained one predicts the bicubic upsampling and not nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from msgspec.structs import asdict, replace
from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.process import per_picture
from deltasr.diffusion.sampling import Noise, StepCallback
from deltasr.diffusion.schedule import Schedule
from deltasr.errors import SettingError
from deltasr.models.base import SizeRequirements
from deltasr.models.chain import ChainModel, Condition
from deltasr.models.configs import DenoiserConfig, ResShiftConfig, VQConfig, configured
from deltasr.nets import first_stage as unshuffle
from deltasr.nets.swin_unet import SwinUNet
from deltasr.nets.vq_autoencoder import VQAutoencoder


class ResShift(ChainModel):
    """Super-resolution by residual shifting of latent codes: ResShift, and at kappa = 0 DeltaDiff as published.

    With kappa > 0 results depend on a seed, through a `NoiseField`. Each picture of a batch gets the same noise, so
    that it does not matter which others are in it.

    Args:
        config: what to build; None for the defaults.
        options: those of `models.configs.ResShiftConfig`, by name; they replace those of `config`.

    Raises:
        SettingError: an option does not exist or is out of range, or options do not fit each other.
        ModelError: an option is none of its choices, or the first stage is `vq` and diffusers is not installed.
    """

    config: ResShiftConfig

    def __init__(self, config: ResShiftConfig | None = None, **options: Any) -> None:
        super().__init__()
        config = configured(ResShiftConfig, options, config)
        self.schedule = Schedule(config.eta, config.kappa)
        self.autoencoder: VQAutoencoder | None = None
        vq = config.autoencoder or VQConfig()
        if config.first_stage == "vq":
            self.autoencoder = VQAutoencoder(**asdict(vq))
            channels = vq.latent_channels
        else:
            self.upsample = unshuffle.BicubicCode(scale=self.scale)
            channels = 3 * self.scale**2
        denoiser = config.denoiser or DenoiserConfig()
        self.scale = config.scale or config.factor
        if self.scale * 2**denoiser.lq_stages != config.factor:
            raise SettingError(
                f"A first stage of factor {config.factor} and {denoiser.lq_stages} lq_stages do not make a scale of "
                f"{self.scale}; change one of them."
            )
        self._lq_stages = denoiser.lq_stages
        self.inpaints = denoiser.lq_channels == 4
        denoiser = replace(
            denoiser,
            in_channels=denoiser.in_channels or channels,
            out_channels=denoiser.out_channels or channels,
        )
        self.denoiser = SwinUNet(**asdict(denoiser))
        self.config = replace(config, denoiser=denoiser, autoencoder=vq if self.autoencoder else None)
        kappa = config.kappa
        self.stochastic = kappa > 0
        multiple_of = self.denoiser.multiple_of * 2**denoiser.lq_stages
        self.size_requirements = SizeRequirements(minimum=multiple_of, multiple_of=multiple_of)
        system, steps = ("ResShift" if kappa else "DeltaDiff, paper"), self.schedule.steps
        self.name = f"{'resshift' if kappa else 'deltadiff-paper'}-x{self.scale}-s{steps}"
        codes = f"VQ-f{config.factor}" if self.autoencoder else "pixel-unshuffle"
        self.description = f"{system} x{self.scale}: {steps} steps in {codes} codes"

    def encode(self, picture: Tensor) -> Tensor:
        """The code (N, C, h, w), not quantised, of a picture (N, 3, scale h, scale w) in [0, 1]."""
        if self.autoencoder is None:
            return unshuffle.encode(2 * picture - 1, self.scale)
        return self.autoencoder.encode(2 * picture - 1).float()

    def decode(self, code: Tensor) -> Tensor:
        """The picture (N, 3, scale h, scale w) of a code (N, C, h, w), which a VQ stage quantises; not clamped.

        Gradients pass through the quantisation as if it were not there.
        """
        if self.autoencoder is None:
            return (unshuffle.decode(code, self.scale) + 1) / 2
        return (self.autoencoder.decode(code).float() + 1) / 2

    def forward(
        self,
        lr: Tensor,
        callback: StepCallback | None = None,
        fidelity: Condition = None,
        restoration: Condition = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """As for every `ChainModel`; one that inpaints changes the picture only where it is to be filled in."""
        if isinstance(noise, NoiseField):
            pixels = 2**self._lq_stages  # of a side of a code
            noise = noise.at(noise.top // pixels, noise.left // pixels)
        if not self.inpaints:
            return super().forward(lr, callback, fidelity, restoration, noise)
        picture, mask = lr[:, :3], lr[:, 3:]
        covered = torch.cat([picture * (1 - mask), mask], dim=1)
        filled = super().forward(covered, callback, fidelity, restoration, noise)
        return mask * filled + (1 - mask) * picture

    def predictor(
        self, lr: Tensor, fidelity: Condition = None, restoration: Condition = None, schedule: Schedule | None = None
    ) -> tuple[Tensor, Callable[[Tensor, int | Tensor], Tensor]]:
        """As for every `ChainModel`; `y_0` and predictions are float32, also under autocast."""
        sequence = self.schedule if schedule is None else schedule
        condition = 2 * lr - 1
        y_0 = self._upsampled(lr[:, :3])
        variances = [sequence.kappa**2 * eta for eta in sequence.eta]

        def predict(x_t: Tensor, t: int | Tensor) -> Tensor:
            steps = torch.as_tensor(t).view(-1)
            size = (per_picture(variances, steps, x_t) + 1).sqrt()
            output: Tensor = self.denoiser(x_t / size, condition, (steps - 1).to(lr.device, non_blocking=True))
            return output.float() if self.autoencoder else y_0 + output.float()

        return y_0, predict

    def _upsampled(self, lr: Tensor) -> Tensor:
        """The code of the LR picture, upsampled by bicubic interpolation."""
        if self.autoencoder is None:
            return self.upsample(2 * lr - 1)
        if self.scale == 1:
            return self.encode(lr)
        return self.encode(F.interpolate(lr, scale_factor=self.scale, mode="bicubic", align_corners=False))
