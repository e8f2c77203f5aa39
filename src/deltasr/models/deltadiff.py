"""DeltaDiff: four deterministic steps from the LR picture to the HR picture, by residuals alone.

The process is residual shifting at kappa = 0 (DeltaDiff eq. 5, 7; ResShift eq. 7, 10), in an exact pixel-unshuffle
first stage. With kappa = 0 the state holds `x_t - y_0 = (1 - eta_t) r`, where `r` is a mixture of the residuals
predicted so far (their weights sum to a little less than 1, since the chain starts at `y_0` itself though
`eta_T < 1`). From `r` the network predicts a correction to it, so every step refines the one before, and an untrained
network returns the bicubic upsampling.

The paper's own configuration, a Swin U-Net in the codes of a VQ-f4 autoencoder, is `models.resshift.ResShift` with the
schedule `diffusion.schedule.PRESETS["deltadiff"]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deltasr.diffusion.process import per_picture
from deltasr.diffusion.schedule import Schedule, geometric_schedule
from deltasr.errors import SettingError
from deltasr.models.base import Model
from deltasr.models.chain import ChainModel, Condition
from deltasr.models.configs import DeltaDiffConfig, configured
from deltasr.models.deltadiff_graph import DeltaDiffGraph
from deltasr.nets import first_stage
from deltasr.nets.residual_net import ResidualNet


@dataclass(frozen=True, kw_only=True)
class NetSize:
    """How large a `ResidualNet` is: channels, and the blocks that run once per picture and once per step."""

    width: int
    encoder_blocks: int
    body_blocks: int


SIZES: dict[str, NetSize] = {
    "tiny": NetSize(width=48, encoder_blocks=10, body_blocks=2),
    "small": NetSize(width=64, encoder_blocks=13, body_blocks=4),
    "base": NetSize(width=128, encoder_blocks=16, body_blocks=6),
}

_CENTRE = 0.5


class DeltaDiff(ChainModel):
    """Super-resolution by deterministic residual shifting on the LR grid.

    Args:
        config: what to build; None for the defaults.
        options: those of `models.configs.DeltaDiffConfig`, by name; they replace those of `config`.

    Raises:
        ModelError: an option is none of its choices.
        SettingError: an option does not exist or is out of range.
    """

    config: DeltaDiffConfig

    def __init__(self, config: DeltaDiffConfig | None = None, **options: Any) -> None:
        super().__init__()
        self.config = config = configured(DeltaDiffConfig, options, config)
        self.scale, self.consistent = config.scale, config.consistent
        self.dial, self.default_fidelity, self.restoring = config.dial, config.default_fidelity, config.restoring
        self.name = f"deltadiff-{config.size}-x{config.scale}"
        self.description = (
            f"DeltaDiff x{config.scale}, {config.size}: {config.steps} deterministic steps on the LR grid, no "
            "autoencoder"
        )
        self.description += ", a dial from fidelity to realism" if config.dial else ""
        self.description += ", and one for degraded pictures" if config.restoring else ""
        self.schedule = geometric_schedule(
            steps=config.steps, p=config.p, kappa=0.0, eta_1=config.eta_1, eta_T=config.eta_T
        )
        self.upsample = first_stage.BicubicCode(scale=config.scale)
        self.encodes_once, self._shares_body = config.features == "once", config.shared
        dimensions = SIZES[config.size]
        self.net = ResidualNet(
            width=dimensions.width,
            encoder_blocks=dimensions.encoder_blocks,
            body_blocks=dimensions.body_blocks,
            code_channels=3 * config.scale**2,
            dials=config.dial + config.restoring,
            block=config.block,
            bodies=config.bodies,
            encodes_state=not self.encodes_once,
        )
        first_step = self.net.encoder_reach + self.net.body_reach
        self.receptive_field = first_step + (config.steps - 1) * self.net.state_reach

    def adopt(self, other: Model) -> bool:
        """Take over the weights of a model of the same network, and return whether it is one.

        It may lack dials that this one has: the results are then its own, at every value of those dials. Or it may
        have dials while this one has none: the results are then its own at fidelity 1 and restoration 0.
        """
        if not isinstance(other, DeltaDiff) or self._dials() == other._dials():
            return super().adopt(other)
        dials = {"dial": self.dial, "restoring": self.restoring}
        if other.net_arguments() | dials != self.net_arguments():
            return False
        if not self._dials():
            self.net.become(other.net, dial_values=list(other._dials().values()))
        elif other._dials().keys() <= self._dials().keys():
            order = list(self._dials())
            self.net.adopt(other.net.state_dict(), places=[order.index(name) for name in other._dials()])
        else:
            return False
        return True

    def _dials(self) -> dict[str, float]:
        """The dials in their order, each with its most faithful value for a clean picture."""
        dials = {"fidelity": 1.0} if self.dial else {}
        return dials | ({"restoration": 0.0} if self.restoring else {})

    def features(self, lr: Tensor, fidelity: Condition = None, restoration: Condition = None) -> Tensor:
        """The encoder's features (N, width, h, w) of LR pictures, for models that encode nothing else."""
        return self.net.encode(lr - _CENTRE, self._dial_values(lr, fidelity, restoration))

    def predictor(
        self,
        lr: Tensor,
        fidelity: Condition = None,
        restoration: Condition = None,
        schedule: Schedule | None = None,
        *,
        features: Tensor | None = None,
    ) -> tuple[Tensor, Callable[[Tensor, int | Tensor], Tensor]]:
        """As for every `ChainModel`: `y_0` is the code of the bicubic upsampling.

        Features of the LR pictures are computed once, unless every step has its own, or they are given. Where steps
        have bodies of their own, `t` is the same for all pictures.
        """
        sequence = self.schedule if schedule is None else schedule
        y_0 = self.upsample(lr)
        correct = self.corrector(lr, fidelity, restoration, features=features)

        def predict(x_t: Tensor, t: int | Tensor) -> Tensor:
            eta = per_picture(sequence.eta, torch.as_tensor(t).view(-1), y_0)
            residual = torch.where(eta < 1, (x_t - y_0) / (1 - eta), 0.0)
            return y_0 + residual + correct(residual, eta.flatten(), t)

        return y_0, predict

    def corrector(
        self, lr: Tensor, fidelity: Condition = None, restoration: Condition = None, *, features: Tensor | None = None
    ) -> Callable[[Tensor | None, Tensor, int | Tensor], Tensor]:
        """The network for a batch of LR pictures: (residual so far, `eta_t` (N,) or (1,), t) -> correction to it.

        Arguments are those of `predictor`. The residual and the correction are codes; None is a residual of zeros, for
        networks that allow it (`ResidualNet.forward`).
        """
        dial_values = self._dial_values(lr, fidelity, restoration)
        centred = lr - _CENTRE
        once = features
        if once is None and self.encodes_once:
            once = self.net.encode(centred, dial_values)

        def correct(residual: Tensor | None, eta: Tensor, t: int | Tensor) -> Tensor:
            features = self.net.encode(centred, dial_values, residual) if once is None else once
            return self.net(residual, features, eta, dial_values, self._body(t))

        return correct

    def graph(self) -> nn.Module:
        return DeltaDiffGraph(self)

    def _dial_values(self, lr: Tensor, fidelity: Condition, restoration: Condition) -> Tensor | None:
        """The values of the dials, (N or 1, dials); None for a model without dials."""
        fidelity = self.default_fidelity if fidelity is None else fidelity
        places = [fidelity] * self.dial + [0.0 if restoration is None else restoration] * self.restoring
        if not places:
            return None
        columns = [torch.as_tensor(place, dtype=torch.float32, device=lr.device).view(-1) for place in places]
        rows = max(map(len, columns))
        return torch.stack([column.expand(rows) for column in columns], dim=1)

    def _body(self, t: int | Tensor) -> int:
        """Which of the network's bodies a step runs."""
        if self._shares_body:
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
