"""The fixed networks that some losses look through, from weights given for the run."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from torch import nn

from deltasr.errors import ModelError, SettingError, TrainingError
from deltasr.evaluation.lpips_source import LPIPS_VARIABLE, find_lpips
from deltasr.nets.classifiers import pool_by_l2
from deltasr.training.losses.perceptual import PerceptualLoss
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.picture import PictureRecipe


class LossNetworks(TypedDict):
    """The networks; None for those that a recipe does not need."""

    lpips: nn.Module | None
    perceptual: nn.Module | None


def find_loss_networks(recipe: Recipe, source: Path | None) -> LossNetworks:
    """The networks that a recipe's losses need.

    Args:
        recipe: what is going to be trained.
        source: a weights file, or a folder with such files; by default what DELTASR_LPIPS names, the `lpips` package
            or torchvision.

    Raises:
        TrainingError: a loss has a weight and its network is nowhere.
        CheckpointError: what `source` names does not hold the network wanted.
        SettingError: the recipe's crops are too small for a network.
    """
    loss_networks = LossNetworks(lpips=_lpips(recipe, source), perceptual=_perceptual(recipe, source))
    side = recipe.crop * recipe.scale
    for network in (loss_networks["lpips"], loss_networks["perceptual"]):
        smallest = getattr(network, "smallest_side", 1)
        if side < smallest:
            raise SettingError(
                f"crop is {recipe.crop}, whose HR crops of {side}x{side} are too small for a loss that uses "
                f"{smallest}x{smallest} pixels at least; give a larger crop."
            )
    return loss_networks


def _lpips(recipe: Recipe, source: Path | None) -> nn.Module | None:
    if not recipe.lpips:
        return None
    found, reason = find_lpips(source, nets=[recipe.lpips_network])
    if reason is not None:
        raise TrainingError(
            f"The recipe has a loss through LPIPS-{recipe.lpips_network}, whose weights are nowhere: give them by "
            f"--networks FILE or {LPIPS_VARIABLE}, or set lpips to 0."
        )
    network = found[f"LPIPS-{recipe.lpips_network}"].requires_grad_(False)
    if recipe.lpips_pooling == "l2":
        pool_by_l2(network)
    return network


def _perceptual(recipe: Recipe, source: Path | None) -> nn.Module | None:
    if not isinstance(recipe, PictureRecipe) or not recipe.perceptual:
        return None
    try:
        return PerceptualLoss.from_source(
            source,
            network=recipe.features,
            layer=recipe.feature_layer,
            activation=recipe.feature_activation,
            distance=recipe.feature_distance,
        )
    except ModelError as error:
        if source is not None:
            raise
        raise TrainingError(f"{str(error).rstrip('.')}, by --networks, or set perceptual to 0.") from error
