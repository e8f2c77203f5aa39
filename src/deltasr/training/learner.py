"""A model that is being trained: its weights, their average, the optimizers, and one step of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from deltasr.devices import drawback
from deltasr.errors import TrainingError, reason
from deltasr.models.base import Model
from deltasr.training.losses.objective import Loss, Objective, RngStreams
from deltasr.training.optimizer import learning_rate_factor, optimizers, set_learning_rate
from deltasr.training.recipes.base import Recipe
from deltasr.training.saved_state import count, restore_optimizer


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step showed: scalars on the device, none of which is waited for.

    Attributes:
        terms: the weighted loss terms of this process's share, which sum to its loss; empty where nothing of the
            model was trained.
        watched: what else is worth a look, `gradient_norm` (of the whole gradient, before clipping) among it.
    """

    terms: dict[str, Tensor]
    watched: dict[str, Tensor] = field(default_factory=dict)


class Learner:
    """Everything that changes from step to step.

    Args:
        recipe: how to train.
        objective: its model and its loss, on the accelerator's device.
        accelerator: Accelerate's `Accelerator`, which spreads the objective over its processes.

    Attributes:
        model: the weights that the optimizers move.
        average: their running mean, which is what is validated and released.
        images: crops seen so far, over all processes.
    """

    def __init__(self, recipe: Recipe, objective: Objective, accelerator: Any) -> None:
        self.recipe, self.model, self.images = recipe, objective.model, 0
        self._device: torch.device = accelerator.device
        self._process: int = accelerator.process_index
        self._bf16 = recipe.precision == "bf16" and drawback("bfloat16", self._device) is None
        if recipe.channels_last:
            nn.utils.convert_conv2d_weight_memory_format(objective, torch.channels_last)
        self._average = AveragedModel(self.model)
        self._optimizers = optimizers(self.model, recipe)
        self._weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self._terms = objective.terms
        self._objective = accelerator.prepare(torch.compile(objective) if recipe.compile else objective)

    @property
    def average(self) -> Model:
        """The model with the averaged weights."""
        average = self._average.module
        assert isinstance(average, Model)
        return average

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.recipe.learning_rate * learning_rate_factor(self.images, self.recipe)

    def step(self, lr: Tensor, hr: Tensor, target: Tensor | None = None, restoration: Tensor | None = None) -> Step:
        """One optimizer step.

        Args:
            lr: this process's share of the batch, (n, 3, crop, crop) uint8.
            hr: the true pictures, (n, 3, scale crop, scale crop) uint8.
            target: what pixels are compared with, of the same size; None for `hr`.
            restoration: how degraded `lr` is, (n,) in [0, 1]; None for not at all.
        """
        loss = self._loss(self._as_input(lr), self._as_input(hr), target, restoration)
        step = self._improve(loss.terms)
        self.images += self.recipe.batch
        return step

    def warnings(self, watched: dict[str, float]) -> list[str]:
        """Sentences for the user about the steps since the last log entry, whose watched means are given."""
        return []

    def _loss(self, lr: Tensor, hr: Tensor, target: Tensor | None, restoration: Tensor | None) -> Loss:
        streams = RngStreams(seed=self.recipe.seed, position=self.images + self._process * len(lr))
        with self._autocast():
            pixels = None if target is None else self._as_input(target)
            loss: Loss = self._objective(lr, hr, streams, pixels, restoration)
        return loss

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16)

    def _improve(self, terms: Tensor, names: list[str] | None = None) -> Step:
        """Move the weights against the gradient of the terms' sum, and their average after them."""
        terms.sum().backward()  # type: ignore[no-untyped-call]
        norm = clipped(self._weights, self.recipe.clip)
        move(self._optimizers, self.learning_rate)
        self._move_average()
        return Step(terms=dict(zip(names or self._terms, terms.detach(), strict=True)), watched={"gradient_norm": norm})

    @torch.no_grad()
    def _move_average(self) -> None:
        """An exponential mean whose decay grows with the weights n seen, as (1 + n) / (10 + n), up to the recipe's.

        With the recipe's from the beginning, initial weights would stay in the mean of a short run until its end. The
        count stays on the CPU, where `AveragedModel.update_parameters` would wait for the device.
        """
        seen = int(self._average.n_averaged)
        share = 1.0 if seen == 0 else 1 - min(self.recipe.ema, (1 + seen) / (10 + seen))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), share)
        self._average.n_averaged += 1

    def _as_input(self, crop: Tensor) -> Tensor:
        values = crop.float() / 255
        return values.contiguous(memory_format=torch.channels_last) if self.recipe.channels_last else values

    def state(self) -> dict[str, Any]:
        """All of it, for `restore`: tensors, numbers, and lists and dictionaries of them."""
        return {
            "model": self.model.state_dict(),
            "average": self._average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "images": self.images,
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned.

        Raises:
            TrainingError: it does not fit the recipe.
        """
        try:
            self._restore(state)
        except Exception as error:  # what a damaged state is given to has no common base for what it raises
            raise TrainingError(f"The saved state does not fit the recipe: {reason(error)}.") from error

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            restore_optimizer(optimizer, saved)
        steps = count(state["images"], "images", most=sys.maxsize) / self.recipe.batch
        count(int(self._average.n_averaged), "n_averaged", most=int(steps))
        if not steps.is_integer():
            raise ValueError(f"images is {state['images']}, which is no multiple of the batch of {self.recipe.batch}")
        self.images = state["images"]
        torch.set_rng_state(state["random"])


def clipped(weights: list[nn.Parameter], largest: float) -> Tensor:
    """Clip the gradient's norm to `largest`, unless that is 0; the norm before."""
    return nn.utils.clip_grad_norm_(weights, largest or float("inf"))


def move(optimizers: Iterable[torch.optim.Optimizer], learning_rate: float) -> None:
    """One step of each optimizer; the gradients are gone afterwards."""
    for optimizer in optimizers:
        set_learning_rate(optimizer, learning_rate)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
