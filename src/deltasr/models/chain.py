"""What models of residual shifting have in common: a chain of steps between the LR picture's code and the HR one's."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.sampling import Noise, StepCallback, sample
from deltasr.diffusion.schedule import Schedule
from deltasr.models.base import Model

Condition = float | Tensor | None
"""A number in [0, 1] for all pictures of a batch, or one for each, (N,); None for the model's default."""


class ChainModel(Model):
    """A model whose chain of steps shifts a code by predictions of the HR picture's (ResShift eq. 7; DeltaDiff eq. 5).

    Subclasses define `encode`, `decode` and `predictor`.

    Attributes:
        schedule: the shifting sequence, and the strength of the noise.
    """

    schedule: Schedule

    def encode(self, picture: Tensor) -> Tensor:
        """The first stage's code (N, C, h', w') of a picture (N, 3, scale h, scale w) in [0, 1]."""
        raise TypeError(f"{type(self).__name__} does not define encode")

    def decode(self, code: Tensor) -> Tensor:
        """The picture (N, 3, scale h, scale w) of a code, not clamped."""
        raise TypeError(f"{type(self).__name__} does not define decode")

    def predictor(
        self,
        lr: Tensor,
        fidelity: Condition = None,
        restoration: Condition = None,
        schedule: Schedule | None = None,
    ) -> tuple[Tensor, Callable[[Tensor, int | Tensor], Tensor]]:
        """`y_0` and `f_theta` for a batch of LR pictures.

        Args:
            lr: (N, 3, h, w) in [0, 1].
            fidelity: from 0 (most natural) to 1 (most faithful). Of no effect without a dial.
            restoration: how degraded the pictures are; None for not at all. Of no effect on a model that does not
                restore.
            schedule: the shifting sequence that `t` counts in; None for the model's own.

        Returns:
            `y_0`, the code of the upsampled picture, (N, C, h', w'); and the function (x_t, t) -> prediction of the
            code of `x_0`, same shape. `t` is a step, or one for each picture, (N,).
        """
        raise TypeError(f"{type(self).__name__} does not define predictor")

    @property
    def steps(self) -> int:
        return self.schedule.steps

    def forward(
        self,
        lr: Tensor,
        callback: StepCallback | None = None,
        fidelity: Condition = None,
        restoration: Condition = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1].

        Args:
            lr: the LR pictures, or windows of them, of sizes that `size_requirements` allow.
            callback: called at each step with (t, x_t, prediction of x_0), both as codes; `decode` turns them into
                pictures.
            fidelity, restoration: those of `predictor`.
            noise: the picture's noise as seen from the window's position, such as a `NoiseField`; by default that of
                seed 0. Of no effect at kappa = 0.
        """
        y_0, predict = self.predictor(lr, fidelity, restoration)
        if self.stochastic and noise is None:
            noise = NoiseField()
        return self.decode(sample(predict, y_0, self.schedule, noise=noise, callback=callback)).clamp(0, 1)

    def predictions(self, lr: Tensor, **conditions: Condition) -> list[Tensor]:
        codes: list[Tensor] = []
        self(lr, callback=lambda t, x_t, prediction: codes.append(prediction), **conditions)
        return [self.decode(code) for code in codes]
