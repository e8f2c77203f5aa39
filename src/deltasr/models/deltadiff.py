"""DeltaDiff: four deterministic steps from the LR picture to the HR picture, by residuals alone.

The process is residual shifting at kappa = 0 (DeltaDiff eq. 5, 7; ResShift eq. 7, 10), in an exact pixel-unshuffle
first stage. With kappa = 0 the state holds `x_t - y_0 = (1 - eta_t) r`, where `r` is a mixture of the residuals
predicted so far (their weights sum to a little less than 1, since the chain starts at `y_0` itself though
`eta_T < 1`). The network sees `r` and predicts a correction to it, so every step refines the one before, and an
untrained network returns the bicubic upsampling.

The paper's own configuration, a Swin U-Net in the codes of a VQ-f4 autoencoder, is `models.resshift.ResShift` with the
schedule `diffusion.schedule.PRESETS["deltadiff"]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from deltasr.diffusion.process import per_picture
from deltasr.diffusion.sampling import StepCallback, sample
from deltasr.diffusion.schedule import geometric_schedule
from deltasr.errors import ModelError, SettingError
from deltasr.models.base import Model
from deltasr.nets import first_stage
from deltasr.nets.residual_net import ResidualNet


@dataclass(frozen=True, kw_only=True)
class NetSize:
    """How large a `ResidualNet` is: channels, and residual blocks once a picture and once a step."""

    width: int
    encoder_blocks: int
    body_blocks: int


SIZES: dict[str, NetSize] = {
    "tiny": NetSize(width=48, encoder_blocks=10, body_blocks=2),
    "small": NetSize(width=64, encoder_blocks=14, body_blocks=4),
    "base": NetSize(width=128, encoder_blocks=16, body_blocks=6),
}

_SCALES = range(2, 9)
_CENTRE = 0.5


class DeltaDiff(Model):
    """Super-resolution by deterministic residual shifting on the LR grid.

    Args:
        size: a name in `SIZES`.
        scale: the factor, from 2 to 8.
        steps: T of the shifting sequence.
        p, eta_1, eta_T: its shape (`diffusion.schedule.geometric_schedule`).

    Raises:
        ModelError: `size` is not in `SIZES`.
        SettingError: the scale or the schedule's values are out of range.
    """

    architecture: ClassVar[str] = "deltadiff"
    consistent = True

    def __init__(
        self,
        *,
        size: str = "tiny",
        scale: int = 4,
        steps: int = 4,
        p: float = 0.3,
        eta_1: float = 0.01,
        eta_T: float = 0.99,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ModelError(f"DeltaDiff has no size '{size}'; choose one of {', '.join(SIZES)}.")
        if scale not in _SCALES:
            raise SettingError(f"DeltaDiff has no scale {scale}; give a whole number from 2 to 8.")
        dimensions = SIZES[size]
        self.size, self.p, self.eta_1, self.eta_T = size, p, eta_1, eta_T
        self.scale = scale
        self.name = f"deltadiff-{size}-x{scale}"
        self.description = f"DeltaDiff x{scale}, {size}: {steps} deterministic steps on the LR grid, no autoencoder"
        self.schedule = geometric_schedule(steps=steps, p=p, kappa=0.0, eta_1=eta_1, eta_T=eta_T)
        self.upsample = first_stage.BicubicCode(scale=scale)
        self.net = ResidualNet(
            width=dimensions.width,
            encoder_blocks=dimensions.encoder_blocks,
            body_blocks=dimensions.body_blocks,
            code_channels=3 * scale**2,
        )
        self.receptive_field = self.net.encoder_reach + steps * self.net.body_reach

    def arguments(self) -> dict[str, object]:
        return {
            "size": self.size,
            "scale": self.scale,
            "steps": self.schedule.steps,
            "p": self.p,
            "eta_1": self.eta_1,
            "eta_T": self.eta_T,
        }

    def net_arguments(self) -> dict[str, object]:
        return {"size": self.size, "scale": self.scale}

    def predictor(self, lr: Tensor) -> tuple[Tensor, Callable[[Tensor, int | Tensor], Tensor]]:
        """`y_0` and `f_theta` for a batch of LR pictures, their features computed once.

        Args:
            lr: (N, 3, h, w) in [0, 1].

        Returns:
            `y_0`, the code of the bicubic upsampling, (N, 3 scale^2, h, w); and the function (x_t, t) -> prediction
            of the code of `x_0`, same shape. `t` is a step, or one for each picture, (N,).
        """
        y_0 = self.upsample(lr)
        features = self.net.encode(lr - _CENTRE)

        def predict(x_t: Tensor, t: int | Tensor) -> Tensor:
            eta = per_picture(self.schedule.eta, torch.as_tensor(t).view(-1), y_0)
            residual = torch.where(eta < 1, (x_t - y_0) / (1 - eta), 0.0)
            return y_0 + residual + self.net(residual, features, eta.flatten())

        return y_0, predict

    def decode(self, code: Tensor) -> Tensor:
        """The picture (N, 3, scale h, scale w) of a code (N, 3 scale^2, h, w), not clamped."""
        return first_stage.decode(code, self.scale)

    def encode(self, picture: Tensor) -> Tensor:
        """The code (N, 3 scale^2, h, w) of a picture (N, 3, scale h, scale w)."""
        return first_stage.encode(picture, self.scale)

    def forward(self, lr: Tensor, callback: StepCallback | None = None) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1].

        `callback` sees (t, x_t, prediction of x_0) at each step, both as codes; `decode` turns them into pictures.
        """
        y_0, predict = self.predictor(lr)
        return self.decode(sample(predict, y_0, self.schedule, callback=callback)).clamp(0, 1)
