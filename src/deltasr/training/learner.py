"""A model that is being trained: its weights, their average, the optimizers, and one step of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deltasr.errors import TrainingError
from deltasr.models import checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.training.objective import Objective, teacher_forced_step
from deltasr.training.optimizer import learning_rate_factor, optimizers, set_learning_rate
from deltasr.training.recipes import Recipe


def build_model(recipe: Recipe, initial: Path | None) -> DeltaDiff:
    """The model of a recipe, with weights drawn from its seed or taken from a checkpoint.

    Raises:
        TrainingError: the checkpoint holds another model than the recipe describes.
        CheckpointError: the checkpoint cannot be read.
    """
    torch.manual_seed(recipe.seed)
    model = DeltaDiff(
        size=recipe.size,
        scale=recipe.scale,
        steps=recipe.steps,
        p=recipe.p,
        eta_1=recipe.eta_1,
        eta_T=recipe.eta_T,
    )
    if initial is not None:
        trained = checkpoint.load(initial)
        if not isinstance(trained, DeltaDiff) or trained.net_arguments() != model.net_arguments():
            raise TrainingError(
                f"{initial} holds {trained.description}, which is not the network that the recipe trains."
            )
        model.load_state_dict(trained.state_dict())
    return model


class Learner:
    """Everything that changes from step to step.

    Args:
        recipe: how to train.
        model: what to train, on the accelerator's device.
        accelerator: Accelerate's `Accelerator`, which spreads the objective over its processes.

    Attributes:
        model: the weights that the optimizers move.
        average: their running mean, which is what is validated and released.
        images: crops seen so far, over all processes.
        terms: names of the loss terms.
    """

    def __init__(self, recipe: Recipe, model: DeltaDiff, accelerator: Any) -> None:
        self.recipe, self.model, self.images = recipe, model, 0
        self._device: torch.device = accelerator.device
        self._bf16 = recipe.precision == "bf16" and self._device.type == "cuda"
        if recipe.channels_last:
            torch.nn.utils.convert_conv2d_weight_memory_format(model, torch.channels_last)
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema))  # type: ignore[no-untyped-call]
        self._optimizers = optimizers(model, recipe)
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        objective = Objective(model, recipe)
        self.terms = objective.terms
        self._objective = accelerator.prepare(torch.compile(objective) if recipe.compile else objective)

    @property
    def average(self) -> DeltaDiff:
        """The model with the averaged weights."""
        average = self._average.module
        assert isinstance(average, DeltaDiff)
        return average

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.recipe.learning_rate * learning_rate_factor(self.images, self.recipe)

    def step(self, lr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
        """One optimizer step.

        Args:
            lr: this process's share of the batch, (n, 3, crop, crop) uint8.
            hr: its targets, (n, 3, scale crop, scale crop) uint8.

        Returns:
            The loss terms of this share (terms,), and the norm of the whole gradient before clipping, a scalar; neither
            is waited for.
        """
        for optimizer in self._optimizers:
            set_learning_rate(optimizer, self.learning_rate)
        t = teacher_forced_step(self.recipe, self.images) if self.recipe.unroll == "teacher-forced" else None
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            terms = self._objective(self._as_input(lr), self._as_input(hr), t)
        terms.sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self.recipe.clip or float("inf"))
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._average.update_parameters(self.model)
        self.images += self.recipe.batch
        return terms.detach(), norm

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
        """Become what `state` was taken from.

        Raises:
            TrainingError: it was taken from something else.
        """
        try:
            self.model.load_state_dict(state["model"])
            self._average.load_state_dict(state["average"])
            for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.images = int(state["images"])
            torch.set_rng_state(state["random"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise TrainingError(f"The saved state does not fit the recipe: {error}") from error
