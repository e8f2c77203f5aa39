"""DeltaDiff in the form that is exported: the same results by fewer passes over the picture, for other programs.

With `x_t - y_0 = (1 - eta_t) r_t` and the network's prediction `y_0 + r_t + c_t`, the posterior's mean (ResShift eq. 7)
becomes `r_{t-1} = r_t + (1 - eta_{t-1}/eta_t) / (1 - eta_{t-1}) c_t`, from `r_T = 0`. So only `r` is carried from step
to step. Each factor is a constant after a convolution, and each sum one before or after it; programs that fuse these
into convolutions have little else left to do.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from deltasr.models.deltadiff import DeltaDiff


class DeltaDiffGraph(nn.Module):
    """A `DeltaDiff`, whose weights are copied, as sums of corrections."""

    def __init__(self, model: DeltaDiff) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        moved = self.model.net.move_state_bias()
        self.register_buffer("moved", moved[:, None, None], persistent=False)

    moved: Tensor

    def forward(
        self,
        lr: Tensor,
        fidelity: Tensor | None = None,
        restoration: Tensor | None = None,
        *,
        features: Tensor | None = None,
    ) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1]; features may be given."""
        model, eta = self.model, self.model.schedule.eta
        y_0 = model.upsample(lr)
        correct = model.corrector(lr, fidelity, restoration, features=features)
        residual = None if model.encodes_once else torch.zeros_like(y_0)
        for t in range(model.schedule.steps, 0, -1):
            correction = correct(residual, torch.tensor([eta[t]], dtype=lr.dtype), t)
            share = (1 - eta[t - 1] / eta[t]) / (1 - eta[t - 1])
            added = correction if share == 1 else correction * share
            residual = added if residual is None else residual + added
        return model.decode(y_0 + residual).clamp(0, 1)

    def with_features(
        self, lr: Tensor, fidelity: Tensor | None = None, restoration: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What a call gives, and the encoder's features as `DeltaDiff.features` has them."""
        features = self.model.features(lr, fidelity, restoration)
        return self(lr, fidelity, restoration, features=features), features - self.moved
