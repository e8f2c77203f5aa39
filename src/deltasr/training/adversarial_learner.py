"""Adversarial training: a model and a discriminator that separates its results from real pictures."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from deltasr.nets.discriminators import DISCRIMINATORS
from deltasr.training.learner import Learner, Step, clipped, move
from deltasr.training.losses.adversarial import discriminator_loss, generator_loss, probabilities
from deltasr.training.losses.objective import Loss, Objective
from deltasr.training.optimizer import learning_rate_factor
from deltasr.training.recipes.base import Recipe
from deltasr.training.saved_state import restore_optimizer

Phase = Literal["both", "generator", "discriminator"]

_PHASES: tuple[Phase, ...] = ("discriminator", "generator", "discriminator", "generator", "discriminator")
_BETAS = (0.9, 0.999)
_CERTAIN, _CLUELESS = 0.98, 0.02


class AdversarialLearner(Learner):
    """A learner whose model has an opponent.

    The model's loss has one more term, `adversarial`. Watched are the discriminator's own loss (`discriminator`), its
    gradient's norm (`discriminator_gradient_norm`) and its mean verdicts on real pictures and results before the step
    (`d_real`, `d_fake`, as probabilities).

    Args:
        recipe: how to train, with `adversarial` above zero.
        objective: the model's other losses.
        accelerator: Accelerate's `Accelerator`.
    """

    def __init__(self, recipe: Recipe, objective: Objective, accelerator: Any) -> None:
        super().__init__(recipe, objective, accelerator)
        discriminator = DISCRIMINATORS[recipe.discriminator](width=recipe.discriminator_width)
        self.discriminator: nn.Module = discriminator.to(accelerator.device)
        if recipe.channels_last:
            nn.utils.convert_conv2d_weight_memory_format(self.discriminator, torch.channels_last)
        self._trained_discriminator = accelerator.prepare(self.discriminator)
        self._its_weights = list(self.discriminator.parameters())
        self._its_optimizer = torch.optim.Adam(self._its_weights, lr=recipe.discriminator_learning_rate, betas=_BETAS)
        self._warned = ""

    @property
    def phase(self) -> Phase:
        """Which networks the next step trains."""
        if self.recipe.alternation == "joint":
            return "both"
        return _PHASES[min(self.images * len(_PHASES) // self.recipe.images, len(_PHASES) - 1)]

    def step(self, lr: Tensor, hr: Tensor, target: Tensor | None = None, restoration: Tensor | None = None) -> Step:
        lr, hr = self._as_input(lr), self._as_input(hr)
        phase = self.phase
        self.discriminator.train(phase != "generator")  # spectral normalisation has a state that training moves
        with torch.set_grad_enabled(phase != "discriminator"):
            loss = self._loss(lr, hr, target, restoration)
        step = Step(terms={})
        if phase != "discriminator":
            adversarial = self.recipe.adversarial * self._verdict(loss, hr)
            step = self._improve(torch.cat([loss.terms, adversarial[None]]), [*self._terms, "adversarial"])
        watched = self._improve_discriminator(loss, hr, learns=phase != "generator")
        self.images += self.recipe.batch
        return Step(terms=step.terms, watched=step.watched | watched)

    def _verdict(self, loss: Loss, hr: Tensor) -> Tensor:
        """The generator's loss, whose gradient leaves the discriminator alone."""
        self.discriminator.requires_grad_(False)
        kind = self.recipe.adversarial_loss
        with self._autocast():
            fake = self.discriminator(_picture(loss))
            real = fake.detach()
            if kind == "relativistic":
                with torch.no_grad():
                    real = self.discriminator(hr)
        self.discriminator.requires_grad_(True)
        return generator_loss(real.float(), fake.float(), kind, loss.shares)

    def _improve_discriminator(self, generated: Loss, hr: Tensor, *, learns: bool) -> dict[str, Tensor]:
        kind = self.recipe.adversarial_loss
        with torch.set_grad_enabled(learns), self._autocast():
            both = torch.cat([hr, _picture(generated).detach()])
            real, fake = (verdict.float() for verdict in self._trained_discriminator(both).chunk(2))
        loss = discriminator_loss(real, fake, kind, generated.shares)
        d_real, d_fake = probabilities(real.detach(), fake.detach(), kind, generated.shares)
        watched = {"discriminator": loss.detach(), "d_real": d_real, "d_fake": d_fake}
        if learns:
            loss.backward()  # type: ignore[no-untyped-call]
            watched["discriminator_gradient_norm"] = clipped(self._its_weights, self.recipe.clip)
            rate = self.recipe.discriminator_learning_rate * learning_rate_factor(self.images, self.recipe)
            move([self._its_optimizer], rate)
        return watched

    def warnings(self, watched: dict[str, float]) -> list[str]:
        """A sentence when the discriminator no longer contributes, once until that changes."""
        real, fake = watched["d_real"], watched["d_fake"]
        reason = ""
        if real - fake > _CERTAIN:
            reason = (
                "separates all results from real pictures, so its gradient is of little use; lower its learning rate"
            )
        elif abs(real - fake) < _CLUELESS and self.images > self.recipe.images // 20:
            reason = "does not separate results from real pictures; raise its learning rate or its width"
        news = reason and reason != self._warned
        self._warned = reason
        return [f"the discriminator {reason} (D(real) = {real:.3f}, D(fake) = {fake:.3f})"] if news else []

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "discriminator": self.discriminator.state_dict(),
            "discriminator_optimizer": self._its_optimizer.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.discriminator.load_state_dict(state["discriminator"])
        restore_optimizer(self._its_optimizer, state["discriminator_optimizer"])


def _picture(loss: Loss) -> Tensor:
    assert loss.picture is not None, "an adversarial objective returns its picture"
    return loss.picture
