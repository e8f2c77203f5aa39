"""ResShift: residual shifting by a Swin U-Net, in the codes of a VQ-f4 autoencoder as published, or of pixel-unshuffle.

With kappa = 0 the same system is DeltaDiff as its paper has it (`models.deltadiff` has ours, without the autoencoder).
Conventions are those of the released code, whose weights need them: `y_0` is the code of the LR picture upsampled by
bicubic interpolation without anti-aliasing; the network sees `x_t / sqrt(kappa^2 eta_t + 1)`, steps counted from 0, and
the LR picture itself; pictures have values in [-1, 1].

Pixel-unshuffle costs nothing and loses nothing, which makes models of two cores' size possible. There the network's
output is added to `y_0`, so that an untrained one predicts the bicubic upsampling and not nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypedDict

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.process import per_picture
from deltasr.diffusion.sampling import StepCallback, sample
from deltasr.diffusion.schedule import PRESETS, Schedule
from deltasr.errors import SettingError
from deltasr.models.autoencoder import VQLimits
from deltasr.models.base import Model, SizeRequirements, complete_arguments
from deltasr.models.limits import Blocks, BlocksByLevel, Channels, ChannelsByLevel, Share
from deltasr.nets import first_stage as unshuffle
from deltasr.nets.swin_unet import SwinUNet
from deltasr.nets.vq_autoencoder import VQAutoencoder

FIRST_STAGES = ("vq", "pixel-unshuffle")
"""What can make codes of pictures."""

_DEFAULT = PRESETS["resshift-s15"]


class DenoiserLimits(TypedDict, total=False):
    """What a checkpoint's header may say of a Swin U-Net."""

    in_channels: Channels
    lq_channels: Channels
    out_channels: Channels
    model_channels: Channels
    channel_mult: ChannelsByLevel
    num_res_blocks: BlocksByLevel
    swin_embed_dim: Channels
    swin_depth: Blocks
    num_head_channels: Channels
    window_size: Annotated[int, Meta(ge=1, le=32)]
    mlp_ratio: Annotated[int, Meta(ge=1, le=64)]
    image_size: Annotated[int, Meta(ge=1, le=1 << 16)]
    dropout: Share


class ResShiftLimits(TypedDict, total=False):
    """What a checkpoint's header may say."""

    eta: Annotated[list[Share], Meta(min_length=2, max_length=1001)]
    kappa: Annotated[float, Meta(ge=0, le=100)]
    first_stage: str
    denoiser: DenoiserLimits | None
    autoencoder: VQLimits | None


class ResShift(Model):
    """Super-resolution by residual shifting of latent codes: ResShift, and at kappa = 0 DeltaDiff as published.

    With kappa > 0 results depend on a seed, through a `NoiseField`. Each picture of a batch gets the same noise, so
    that it does not matter which others are in it.

    Args:
        eta: the shifting sequence `eta_0, ..., eta_T`; by default that of the released code with 15 steps.
        kappa: noise strength.
        first_stage: what makes codes of pictures: `vq`, or `pixel-unshuffle` (x4, 48 values in [-1, 1]).
        denoiser: arguments of `nets.swin_unet.SwinUNet`; by default those of the published x4 models, with the first
            stage's channels.
        autoencoder: arguments of `nets.vq_autoencoder.VQAutoencoder`; by default those of the published one. Nothing
            to pixel-unshuffle.

    Raises:
        SettingError: `eta` or `kappa` is out of range, or the first stage does not exist.
        ModelError: the first stage is `vq` and diffusers is not installed.
    """

    architecture: ClassVar[str] = "resshift"
    limits = ResShiftLimits

    def __init__(
        self,
        *,
        eta: Sequence[float] = _DEFAULT.eta,
        kappa: float = _DEFAULT.kappa,
        first_stage: str = "vq",
        denoiser: Mapping[str, Any] | None = None,
        autoencoder: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if first_stage not in FIRST_STAGES:
            raise SettingError(f"There is no first stage '{first_stage}'; choose one of {', '.join(FIRST_STAGES)}.")
        self.schedule = Schedule(tuple(eta), kappa)
        self.autoencoder: VQAutoencoder | None = None
        if first_stage == "vq":
            autoencoder = complete_arguments(VQAutoencoder, autoencoder or {})
            self.autoencoder = VQAutoencoder(**autoencoder)
            self.scale, channels = self.autoencoder.factor, autoencoder["latent_channels"]
        else:
            self.upsample = unshuffle.BicubicCode(scale=self.scale)
            channels = 3 * self.scale**2
        denoiser = complete_arguments(SwinUNet, {"in_channels": channels, "out_channels": channels, **(denoiser or {})})
        self._net_arguments: dict[str, Any] = {"first_stage": first_stage, "denoiser": denoiser}
        if first_stage == "vq":
            self._net_arguments["autoencoder"] = autoencoder
        self.denoiser = SwinUNet(**denoiser)
        self.stochastic = kappa > 0
        self.size_requirements = SizeRequirements(
            minimum=self.denoiser.multiple_of, multiple_of=self.denoiser.multiple_of
        )
        system, steps = ("ResShift" if kappa else "DeltaDiff, paper"), self.schedule.steps
        self.name = f"{'resshift' if kappa else 'deltadiff-paper'}-x{self.scale}-s{steps}"
        codes = f"VQ-f{self.scale}" if self.autoencoder else "pixel-unshuffle"
        self.description = f"{system} x{self.scale}: {steps} steps in {codes} codes"

    def arguments(self) -> dict[str, object]:
        return {"eta": list(self.schedule.eta), "kappa": self.schedule.kappa, **self._net_arguments}

    def net_arguments(self) -> dict[str, object]:
        return dict(self._net_arguments)

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

    def predictor(self, lr: Tensor) -> tuple[Tensor, Callable[[Tensor, int | Tensor], Tensor]]:
        """`y_0` and `f_theta` for a batch of LR pictures.

        Args:
            lr: (N, 3, h, w) in [0, 1].

        Returns:
            `y_0`, the code of the upsampled picture, (N, C, h, w); and the function (x_t, t) -> prediction of the code
            of `x_0`, same shape. `t` is a step, or one for each picture, (N,). Both are float32, also under autocast.
        """
        condition = 2 * lr - 1
        y_0 = self._upsampled(lr)
        variances = [self.schedule.kappa**2 * eta for eta in self.schedule.eta]

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
        return self.encode(F.interpolate(lr, scale_factor=self.scale, mode="bicubic", align_corners=False))

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
