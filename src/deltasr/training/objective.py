"""What a DeltaDiff model is trained on: a loss on the prediction of every step of its own chain.

At kappa = 0 the state `x_t` is an exact mixture of HR and LR, so a network trained on states made from the true HR
picture (teacher forcing, the papers' way) can solve for `x_0` without learning anything of pictures. On-policy training
feeds each step the state that the network's own predictions produced, which is all it will ever see.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from deltasr.diffusion.process import forward_marginal, reverse_step, start
from deltasr.models.deltadiff import DeltaDiff
from deltasr.training.losses import PIXEL_LOSSES
from deltasr.training.recipes import Recipe

_DRAWS = 1 << 20
"""Keeps the draws of steps apart from those of crops, which come from the same seed."""


def teacher_forced_step(recipe: Recipe, images: int) -> int:
    """The step t in 1..T that a teacher-forced batch trains, drawn from the recipe's seed and the run's position."""
    return int(np.random.default_rng((recipe.seed, images, 0, _DRAWS)).integers(1, recipe.steps + 1))


class Objective(nn.Module):
    """Maps a batch to its loss terms; wraps the model so that one call is one forward pass.

    `objective(lr, hr, t)` takes (N, 3, h, w) and (N, 3, scale h, scale w) in [0, 1] and returns the terms (terms,),
    already weighted: their sum is the loss. On-policy terms are `step-1` (the first step taken, t = T) to `step-T`, and
    `t` is left out; a teacher-forced batch has the one term `teacher-forced`, of the step `t` in 1..T.
    """

    def __init__(self, model: DeltaDiff, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.unroll = recipe.unroll
        self.pixel_loss = PIXEL_LOSSES[recipe.loss]
        weights = recipe.step_weights or (1.0,) * recipe.steps
        self.weights = [weight / sum(weights) for weight in weights]

    @property
    def terms(self) -> list[str]:
        """Names of the loss terms, in order."""
        if self.unroll == "teacher-forced":
            return ["teacher-forced"]
        return [f"step-{number}" for number in range(1, self.model.schedule.steps + 1)]

    def forward(self, lr: Tensor, hr: Tensor, t: int | None = None) -> Tensor:
        x_0 = self.model.encode(hr)
        if self.unroll != "teacher-forced":
            return self._on_policy(lr, x_0)
        assert t is not None, "a teacher-forced batch needs its step"
        return self._teacher_forced(lr, x_0, t)

    def _on_policy(self, lr: Tensor, x_0: Tensor) -> Tensor:
        schedule = self.model.schedule
        y_0, predict = self.model.predictor(lr)
        x_t, terms = start(y_0, schedule), []
        for weight, t in zip(self.weights, range(schedule.steps, 0, -1), strict=True):
            prediction = predict(x_t, t)
            terms.append(weight * self.pixel_loss(prediction.float(), x_0))
            x_t = reverse_step(x_t, prediction, t, schedule)
            if self.unroll == "detached":
                x_t = x_t.detach()
        return torch.stack(terms)

    def _teacher_forced(self, lr: Tensor, x_0: Tensor, t: int) -> Tensor:
        schedule = self.model.schedule
        y_0, predict = self.model.predictor(lr)
        prediction = predict(forward_marginal(x_0, y_0, t, schedule), t)
        return self.pixel_loss(prediction.float(), x_0)[None]
