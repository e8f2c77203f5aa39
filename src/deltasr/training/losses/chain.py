"""What residual shifting is trained on: a loss on the predictions of its steps.

At kappa = 0 the state `x_t` is an exact mixture of HR and LR, so a network trained on states made from the true HR
picture (teacher forcing, the papers' way) can solve for `x_0` without learning anything of pictures. On-policy training
gives each step the state that the network's own predictions produced, as at inference. docs/method.md has more.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.diffusion.process import forward_marginals, reverse_step, start
from deltasr.diffusion.schedule import Schedule
from deltasr.models.chain import ChainModel
from deltasr.training.losses.objective import Loss, Objective, RngStreams
from deltasr.training.losses.pixel import PIXEL_LOSSES, grid_distance, outside_local_range, per_picture_mean
from deltasr.training.losses.spectrum import excess_power
from deltasr.training.recipes.chain import ChainRecipe, DeltaDiffRecipe

_STRIDE = 8
"""Stride of the deepest layers of perceptual networks, in pixels."""


def teacher_forced_steps(streams: RngStreams, count: int, steps: int) -> Tensor:
    """The step t in 1..`steps` that each of `count` pictures trains, (count,)."""
    generators = streams.generators("steps", count)
    return torch.cat([torch.randint(1, steps + 1, (1,), generator=generator) for generator in generators])


def drawn_fidelities(streams: RngStreams, count: int) -> Tensor:
    """The fidelity that each of `count` pictures is trained at, (count,): of every four 1, 0 and two in between."""
    drawn = [torch.rand((), generator=generator) for generator in streams.generators("fidelity", count)]
    places = (torch.arange(count) + streams.position) % 4
    return torch.where(places == 0, 1.0, torch.where(places == 1, 0.0, torch.stack(drawn)))


def shifted(pictures: Tensor, streams: RngStreams) -> Tensor:
    """Pictures (N, C, H, W) moved by 0 to 7 pixels in each direction, mirrored at the border, (N, C, H + 8, W + 8).

    Perceptual networks have strides of 2, 4 and 8 pixels. On crops that always begin at an LR pixel, a network that
    makes its pixels in groups learns dots between those places (Kettunen et al., E-LPIPS, 2019, arXiv:1906.03973,
    make distances robust by random transformations). The same `streams` give the same shift.
    """
    (generator,) = streams.generators("shift", 1)
    top, left = torch.randint(_STRIDE, (2,), generator=generator).tolist()
    return F.pad(pictures, (left, _STRIDE - left, top, _STRIDE - top), mode="reflect")


def _weighted_mean(values: Tensor, weights: Tensor | None, count: int) -> Tensor:
    """The mean over `count` pictures of which some count by weights, all of them if None, and those left out by 0."""
    return (values if weights is None else weights * values).sum() / count


class ChainObjective(Objective):
    """The loss of every step's prediction, in the first stage's codes.

    On-policy terms are `step-1` (the first step taken, t = T) to `step-T`; a teacher-forced batch has the one term
    `teacher-forced`, of a random step for each picture. Either may be followed by `grid`, `lpips`, `spectrum` and
    `local_range`. With a dial, all of these but `grid` count by `(1 - fidelity)^dial_power`, as an adversarial loss.

    Args:
        model: what to train.
        recipe: its losses.
        lpips: the network, if the recipe gives LPIPS a weight.
    """

    model: ChainModel

    def __init__(self, model: ChainModel, recipe: ChainRecipe, lpips: nn.Module | None) -> None:
        super().__init__()
        self.model, self.lpips = model, lpips
        self.unroll, self.lpips_weight = recipe.unroll, recipe.lpips
        self.dial_power = recipe.dial_power if isinstance(recipe, DeltaDiffRecipe) else 0
        self.drawn, self.shifted = drawn_fidelities, shifted
        if recipe.compile:  # a generator's seed is no part of a graph
            self.drawn, self.shifted = (
                torch.compiler.disable(draw)  # type: ignore[no-untyped-call]
                for draw in (drawn_fidelities, shifted)
            )
        self.grid_weight = recipe.grid
        self.spectrum_weight, self.local_range_weight = recipe.spectrum, recipe.local_range
        self.needs_picture = bool(recipe.lpips or recipe.adversarial or recipe.spectrum or recipe.local_range)
        self.pixel_loss = PIXEL_LOSSES[recipe.loss]
        weights = recipe.step_weights or (1.0,) * recipe.steps
        self.weights = [weight / sum(weights) for weight in weights]
        self.early: Schedule | None
        self.early, self.early_images = recipe.early_part() or (None, 0)
        self.is_early = self._is_early
        if recipe.compile:  # where a run stands is no part of a graph
            self.is_early = torch.compiler.disable(self._is_early)  # type: ignore[no-untyped-call]
        factors = recipe.step_factors(model.schedule)
        self.step_factors = None if factors is None else [0.0, *factors]

    @property
    def terms(self) -> list[str]:  # type: ignore[override]
        """Names of the loss terms, in order."""
        own = [f"step-{number}" for number in range(1, self.model.schedule.steps + 1)]
        rest = (
            ["grid"] * (self.grid_weight > 0)
            + ["lpips"] * (self.lpips is not None)
            + ["spectrum"] * (self.spectrum_weight > 0)
            + ["local_range"] * (self.local_range_weight > 0)
        )
        return (["teacher-forced"] if self.unroll == "teacher-forced" else own) + rest

    def forward(
        self,
        lr: Tensor,
        hr: Tensor,
        streams: RngStreams,
        target: Tensor | None = None,
        restoration: Tensor | None = None,
    ) -> Loss:
        with torch.no_grad():
            x_0 = self.model.encode(hr if target is None else target)
        shares: Tensor | None = None
        compared: Tensor | slice = slice(None)
        if self.unroll == "teacher-forced":
            terms, prediction = self._teacher_forced(lr, x_0, streams)
        elif self.model.dial:
            drawn = self.drawn(streams, len(lr))
            fidelity, compared = (
                part.to(lr.device, non_blocking=True) for part in (drawn, (drawn < 1).nonzero()[:, 0])
            )
            shares = (1 - fidelity) ** self.dial_power
            terms, prediction = self._on_policy(lr, x_0, streams, fidelity, restoration)
        else:
            terms, prediction = self._on_policy(lr, x_0, streams, None, restoration)
        if self.grid_weight:
            terms.append(self.grid_weight * grid_distance(prediction.float(), x_0))
        if not self.needs_picture:
            return Loss(torch.stack(terms))
        picture = self.model.decode(prediction).float()
        counted = None if shares is None else shares[compared]
        if self.lpips is not None:
            distances = self.lpips(*(self.shifted(part[compared], streams) for part in (picture, hr)))
            terms.append(self.lpips_weight * _weighted_mean(distances, counted, len(lr)))
        if self.spectrum_weight:
            excess = excess_power(picture[compared], hr[compared])
            terms.append(self.spectrum_weight * _weighted_mean(excess, counted, len(lr)))
        if self.local_range_weight:
            outside = outside_local_range(picture[compared], hr[compared])
            terms.append(self.local_range_weight * _weighted_mean(outside, counted, len(lr)))
        return Loss(torch.stack(terms), picture, shares)

    def _is_early(self, streams: RngStreams) -> bool:
        """Whether a batch belongs to the first part of a run, whose chain has fewer steps."""
        return self.early is not None and streams.position < self.early_images

    def _on_policy(
        self, lr: Tensor, x_0: Tensor, streams: RngStreams, fidelity: Tensor | None, restoration: Tensor | None
    ) -> tuple[list[Tensor], Tensor]:
        """The terms of all steps, and the last prediction; a shorter chain's are those of the last steps."""
        schedule, weights, terms = self.model.schedule, self.weights, []
        if self.early is not None and self.is_early(streams):
            schedule = self.early
            left_out = len(weights) - schedule.steps
            terms = [lr.new_zeros(())] * left_out
            weights = [weight / sum(weights[left_out:]) for weight in weights[left_out:]]
        y_0, predict = self.model.predictor(lr, fidelity, restoration, schedule)
        noise = self._noise(streams, y_0, schedule.steps + 1)
        x_t, prediction = start(y_0, schedule, noise[schedule.steps]), y_0
        for weight, t in zip(weights, range(schedule.steps, 0, -1), strict=True):
            prediction = predict(x_t, t)
            terms.append(weight * self.pixel_loss(prediction.float(), x_0))
            x_t = reverse_step(x_t, prediction, t, schedule, noise[t - 1])
            if self.unroll == "detached":
                x_t = x_t.detach()
        return terms, prediction

    def _teacher_forced(self, lr: Tensor, x_0: Tensor, streams: RngStreams) -> tuple[list[Tensor], Tensor]:
        schedule = self.model.schedule
        y_0, predict = self.model.predictor(lr)
        steps = teacher_forced_steps(streams, len(lr), schedule.steps)
        (noise,) = self._noise(streams, y_0, 1)
        prediction = predict(forward_marginals(x_0, y_0, steps, schedule, noise), steps)
        if self.step_factors is None:
            return [self.pixel_loss(prediction.float(), x_0)], prediction
        weights = torch.tensor(self.step_factors, device=lr.device)[steps]
        return [(weights * per_picture_mean(self.pixel_loss, prediction.float(), x_0)).mean()], prediction

    def _noise(self, streams: RngStreams, like: Tensor, count: int) -> list[Tensor] | list[None]:
        """`count` standard normal tensors, none of which is drawn where kappa = 0."""
        if self.model.schedule.kappa == 0:
            return [None] * count
        generators = streams.generators("noise", len(like))
        fields = [torch.randn(count, *like.shape[1:], generator=generator) for generator in generators]
        return list(torch.stack(fields, dim=1).to(like))
