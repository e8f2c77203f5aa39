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
from typing import Annotated, ClassVar, TypedDict

import torch
from msgspec import Meta
from torch import Tensor

from deltasr.diffusion.process import per_picture
from deltasr.diffusion.sampling import StepCallback, sample
from deltasr.diffusion.schedule import Schedule, geometric_schedule
from deltasr.errors import ModelError, SettingError
from deltasr.models.base import Model
from deltasr.models.limits import Share, Steps
from deltasr.nets import first_stage
from deltasr.nets.blocks import BLOCKS
from deltasr.nets.residual_net import ResidualNet


@dataclass(frozen=True, kw_only=True)
class NetSize:
    """How large a `ResidualNet` is: channels, and blocks once a picture and once a step."""

    width: int
    encoder_blocks: int
    body_blocks: int


SIZES: dict[str, NetSize] = {
    "tiny": NetSize(width=48, encoder_blocks=10, body_blocks=2),
    "small": NetSize(width=64, encoder_blocks=13, body_blocks=4),
    "base": NetSize(width=128, encoder_blocks=16, body_blocks=6),
}

_SCALES = range(2, 9)
_CENTRE = 0.5
_FEATURES = ("once", "every-step")


class DeltaDiffLimits(TypedDict, total=False):
    """What a checkpoint's header may say."""

    size: str
    scale: int
    steps: Steps
    p: Annotated[float, Meta(gt=0, le=100)]
    eta_1: Share
    eta_T: Share
    dial: bool
    default_fidelity: Share
    restoring: bool
    consistent: bool
    block: str
    shared: bool
    features: str


class DeltaDiff(Model):
    """Super-resolution by deterministic residual shifting on the LR grid.

    Args:
        size: a name in `SIZES`.
        scale: the factor, from 2 to 8.
        steps: T of the shifting sequence.
        p, eta_1, eta_T: its shape (`diffusion.schedule.geometric_schedule`).
        dial: whether results depend on the fidelity that is asked for.
        default_fidelity: what is asked for where nothing is said, in [0, 1].
        restoring: whether results depend on how degraded the LR picture is said to be.
        consistent: whether results are projected onto the pictures that downscale to the input unless told otherwise,
            which is right for pictures that were made small by clean downscaling.
        block: what the network is stacked of, a name in `nets.blocks.BLOCKS`.
        shared: whether all steps have the same blocks; else each has a body of its own, between a first and a last
            layer that all have in common.
        features: `once`, from the LR picture alone, or `every-step`, from the LR picture and the state.

    Raises:
        ModelError: `size` is not in `SIZES`, `block` not in `BLOCKS`, or `features` is something else.
        SettingError: the scale, the schedule's values or the default fidelity are out of range.
    """

    architecture: ClassVar[str] = "deltadiff"
    limits = DeltaDiffLimits

    def __init__(
        self,
        *,
        size: str = "tiny",
        scale: int = 4,
        steps: int = 4,
        p: float = 0.3,
        eta_1: float = 0.01,
        eta_T: float = 0.99,
        dial: bool = False,
        default_fidelity: float = 1.0,
        restoring: bool = False,
        consistent: bool = True,
        block: str = "residual",
        shared: bool = True,
        features: str = "once",
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ModelError(f"DeltaDiff has no size '{size}'; choose one of {', '.join(SIZES)}.")
        if block not in BLOCKS:
            raise ModelError(f"DeltaDiff has no block '{block}'; choose one of {', '.join(BLOCKS)}.")
        if features not in _FEATURES:
            raise ModelError(f"DeltaDiff has no features '{features}'; choose one of {', '.join(_FEATURES)}.")
        if scale not in _SCALES:
            raise SettingError(f"DeltaDiff has no scale {scale}; give a whole number from 2 to 8.")
        if not 0 <= default_fidelity <= 1:
            raise SettingError(f"DeltaDiff has no fidelity {default_fidelity}; give a number from 0 to 1.")
        dimensions = SIZES[size]
        self.size, self.p, self.eta_1, self.eta_T = size, p, eta_1, eta_T
        self.scale, self.consistent = scale, consistent
        self.dial, self.default_fidelity, self.restoring = dial, default_fidelity, restoring
        self.block, self.shared, self.features = block, shared, features
        self.name = f"deltadiff-{size}-x{scale}"
        self.description = f"DeltaDiff x{scale}, {size}: {steps} deterministic steps on the LR grid, no autoencoder"
        self.description += ", a dial from fidelity to realism" if dial else ""
        self.description += ", and one for degraded pictures" if restoring else ""
        self.schedule = geometric_schedule(steps=steps, p=p, kappa=0.0, eta_1=eta_1, eta_T=eta_T)
        self.upsample = first_stage.BicubicCode(scale=scale)
        self.net = ResidualNet(
            width=dimensions.width,
            encoder_blocks=dimensions.encoder_blocks,
            body_blocks=dimensions.body_blocks,
            code_channels=3 * scale**2,
            dials=dial + restoring,
            block=block,
            bodies=1 if shared else steps,
            encodes_state=features == "every-step",
        )
        first_step = self.net.encoder_reach + self.net.body_reach
        self.receptive_field = first_step + (steps - 1) * self.net.state_reach

    def arguments(self) -> dict[str, object]:
        return {
            "size": self.size,
            "scale": self.scale,
            "steps": self.schedule.steps,
            "p": self.p,
            "eta_1": self.eta_1,
            "eta_T": self.eta_T,
            "dial": self.dial,
            "default_fidelity": self.default_fidelity,
            "restoring": self.restoring,
            "consistent": self.consistent,
            "block": self.block,
            "shared": self.shared,
            "features": self.features,
        }

    def net_arguments(self) -> dict[str, object]:
        return {
            "size": self.size,
            "scale": self.scale,
            "dial": self.dial,
            "restoring": self.restoring,
            "block": self.block,
            "bodies": 1 if self.shared else self.schedule.steps,
            "features": self.features,
        }

    def adopt(self, other: Model) -> bool:
        """Take over the weights of a model of the same network, and say whether it is one.

        It may lack dials that this one has: wherever those stand, results are its own until training parts them. Or
        it may have dials while this one has none, which is then what the other is at fidelity 1 and restoration 0.
        """
        if not isinstance(other, DeltaDiff) or self._dials() == other._dials():
            return super().adopt(other)
        dials = {"dial": self.dial, "restoring": self.restoring}
        if other.net_arguments() | dials != self.net_arguments():
            return False
        if not self._dials():
            self.net.become(other.net, asked=list(other._dials().values()))
        elif other._dials().keys() <= self._dials().keys():
            order = list(self._dials())
            self.net.adopt(other.net.state_dict(), places=[order.index(name) for name in other._dials()])
        else:
            return False
        return True

    def _dials(self) -> dict[str, float]:
        """The dials in their order, each with its most faithful place for a clean picture."""
        dials = {"fidelity": 1.0} if self.dial else {}
        return dials | ({"restoration": 0.0} if self.restoring else {})

    def predictor(
        self,
        lr: Tensor,
        fidelity: float | Tensor | None = None,
        restoration: float | Tensor | None = None,
        schedule: Schedule | None = None,
    ) -> tuple[Tensor, Callable[[Tensor, int | Tensor], Tensor]]:
        """`y_0` and `f_theta` for a batch of LR pictures, their features computed once unless every step has its own.

        Args:
            lr: (N, 3, h, w) in [0, 1].
            fidelity: in [0, 1], for all pictures or for each, (N,); None for the default. Of no effect without a dial.
            restoration: how degraded they are, in [0, 1], for all or for each, (N,); None for 0. Of no effect on a
                model that does not restore.
            schedule: the shifting sequence that `t` counts in; None for the model's own.

        Returns:
            `y_0`, the code of the bicubic upsampling, (N, 3 scale^2, h, w); and the function (x_t, t) -> prediction
            of the code of `x_0`, same shape. `t` is a step, or one for each picture, (N,); where steps have bodies of
            their own, the same for all.
        """
        sequence = self.schedule if schedule is None else schedule
        y_0 = self.upsample(lr)
        asked = self._asked(lr, fidelity, restoration)
        centred = lr - _CENTRE
        once = self.net.encode(centred, asked) if self.features == "once" else None

        def predict(x_t: Tensor, t: int | Tensor) -> Tensor:
            eta = per_picture(sequence.eta, torch.as_tensor(t).view(-1), y_0)
            residual = torch.where(eta < 1, (x_t - y_0) / (1 - eta), 0.0)
            features = self.net.encode(centred, asked, residual) if once is None else once
            return y_0 + residual + self.net(residual, features, eta.flatten(), asked, self._body(t))

        return y_0, predict

    def _asked(self, lr: Tensor, fidelity: float | Tensor | None, restoration: float | Tensor | None) -> Tensor | None:
        """Where the dials stand, (N or 1, dials); None for a model without."""
        fidelity = self.default_fidelity if fidelity is None else fidelity
        places = [fidelity] * self.dial + [0.0 if restoration is None else restoration] * self.restoring
        if not places:
            return None
        columns = [torch.as_tensor(place, dtype=torch.float32, device=lr.device).view(-1) for place in places]
        rows = max(map(len, columns))
        return torch.stack([column.expand(rows) for column in columns], dim=1)

    def _body(self, t: int | Tensor) -> int:
        """Which of the network's bodies a step runs."""
        if self.shared:
            return 0
        steps = {t} if isinstance(t, int) else set(t.view(-1).tolist())
        if len(steps) > 1:
            raise SettingError("A DeltaDiff whose steps have bodies of their own takes one step for a whole batch.")
        return int(steps.pop()) - 1

    def decode(self, code: Tensor) -> Tensor:
        """The picture (N, 3, scale h, scale w) of a code (N, 3 scale^2, h, w), not clamped."""
        return first_stage.decode(code, self.scale)

    def encode(self, picture: Tensor) -> Tensor:
        """The code (N, 3 scale^2, h, w) of a picture (N, 3, scale h, scale w)."""
        return first_stage.encode(picture, self.scale)

    def forward(
        self,
        lr: Tensor,
        callback: StepCallback | None = None,
        fidelity: float | Tensor | None = None,
        restoration: float | Tensor | None = None,
    ) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1].

        `callback` sees (t, x_t, prediction of x_0) at each step, both as codes; `decode` turns them into pictures.
        `fidelity` and `restoration` are those of `predictor`.
        """
        y_0, predict = self.predictor(lr, fidelity, restoration)
        return self.decode(sample(predict, y_0, self.schedule, callback=callback)).clamp(0, 1)
