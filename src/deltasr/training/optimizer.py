"""Optimizers and the learning rate's course."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from deltasr.errors import SettingError
from deltasr.training.recipes.base import Recipe

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_ADAM_RMS = 0.2


def orthogonalised(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly, by a quintic Newton-Schulz iteration (K. Jordan, Muon, 2024).

    Args:
        matrices: (N, rows, columns), any scale.

    Returns:
        (N, rows, columns) with all singular values near 1.
    """
    a, b, c = _NEWTON_SCHULZ
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for the kernels of convolutions, each seen as an (outputs, rest) matrix.

    Updates are scaled by 0.2 sqrt(max(rows, columns)), the typical size of AdamW's (Liu et al., arXiv:2502.16982), so
    that one learning rate serves both. `torch.optim.Muon` takes matrices only.

    Args:
        params: weights of two or more dimensions.
        lr: learning rate.
        momentum: of the gradient's running mean, with Nesterov's look-ahead.
    """

    def __init__(self, params: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient; equal shapes are orthogonalised together."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(weight.shape, []).append(weight)
            for shape, weights in by_shape.items():
                gradients = [weight.grad for weight in weights if weight.grad is not None]
                means = [self._mean(weight) for weight in weights]
                torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
                look_ahead = torch._foreach_lerp(gradients, means, group["momentum"])
                updates = orthogonalised(torch.stack(look_ahead).flatten(2))
                size = _ADAM_RMS * math.sqrt(max(updates.shape[-2:]))
                torch._foreach_add_(weights, list(updates.view(-1, *shape)), alpha=-group["lr"] * size)

    def _mean(self, weight: Tensor) -> Tensor:
        """The gradient's running mean of a weight."""
        state = self.state[weight]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(weight)
        mean: Tensor = state["mean"]
        return mean


def optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe: AdamW for everything, or Muon for the inner convolutions and AdamW for the rest.

    Inner convolutions are those between two hidden layers: the first and last layers (`outer_layers` of a network),
    biases, the time embedding and attention keep AdamW.

    Raises:
        SettingError: the optimizer is Muon, and a network does not say which its first and last layers are.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    inner = inner_convolutions(model) if recipe.optimizer == "muon" else []
    inner_ids = {id(weight) for weight in inner}
    rest = [weight for weight in weights if id(weight) not in inner_ids]
    adamw = torch.optim.AdamW(rest, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay)
    return [adamw, Muon(inner, lr=recipe.learning_rate)] if inner else [adamw]


def inner_convolutions(model: nn.Module) -> list[nn.Parameter]:
    """The kernels of a model's convolutions that can be trained and lie between two hidden layers.

    Raises:
        SettingError: one lies in no network that has `outer_layers`: the names of its first and last layers.
    """
    known: set[int] = set()
    outer: set[int] = set()
    for network in model.modules():
        layers: tuple[str, ...] | None = getattr(network, "outer_layers", None)
        if layers is not None:
            known |= set(map(id, network.parameters()))
            outer |= {id(weight) for name in layers for weight in network.get_submodule(name).parameters()}
    kernels = {name: kernel for name, kernel in model.named_parameters() if kernel.requires_grad and kernel.ndim == 4}
    for name, kernel in kernels.items():
        if id(kernel) not in known:
            raise SettingError(
                "The optimizer 'muon' is for networks that name their first and last layers (outer_layers), and "
                f"'{name}' belongs to none; set optimizer to adamw, or name them."
            )
    return [kernel for kernel in kernels.values() if id(kernel) not in outer]


def learning_rate_factor(images: int, recipe: Recipe) -> float:
    """The share of the peak learning rate after so many images: a linear warm-up, then the recipe's `decay`."""
    if images < recipe.warmup:
        return (images + recipe.batch) / (recipe.warmup + recipe.batch)
    if recipe.decay != "cosine":
        return 0.5 if recipe.decay == "halved" and 2 * images >= recipe.images else 1.0
    rest = max(1, recipe.images - recipe.warmup)
    left = 0.5 * (1 + math.cos(math.pi * min(1.0, (images - recipe.warmup) / rest)))
    return recipe.decay_end + (1 - recipe.decay_end) * left


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Give every parameter group this learning rate."""
    group: dict[str, Any]
    for group in optimizer.param_groups:
        group["lr"] = value
