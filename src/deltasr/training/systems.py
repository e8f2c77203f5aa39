"""From a recipe to the model and the objective of its system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deltasr.errors import CheckpointError, SettingError, TrainingError
from deltasr.models import checkpoint
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.base import Model
from deltasr.models.catalogue import BUNDLED, bundled_file
from deltasr.models.chain import ChainModel
from deltasr.models.configs import ARCHITECTURES, DeltaDiffConfig, DenoiserConfig, VQConfig, model_class
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.resshift import ResShift
from deltasr.training.losses.chain import ChainObjective
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.objective import Objective
from deltasr.training.losses.picture import AutoencoderObjective, OnePassObjective
from deltasr.training.recipes.base import Recipe, config_of
from deltasr.training.recipes.chain import ChainRecipe, DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.recipes.picture import AutoencoderRecipe
from deltasr.training.run_folder import WEIGHTS

SMALL_DENOISER = DenoiserConfig(
    model_channels=32,
    channel_mult=(1, 2),
    num_res_blocks=(2, 2),
    swin_embed_dim=64,
    swin_depth=2,
    num_head_channels=32,
    window_size=8,
    mlp_ratio=2,
    image_size=32,
)
"""A network for two cores."""

TINY_DENOISER = DenoiserConfig(
    model_channels=32,
    channel_mult=(1, 1),
    num_res_blocks=(1, 1),
    swin_embed_dim=32,
    swin_depth=1,
    num_head_channels=32,
    window_size=8,
    mlp_ratio=2,
    image_size=32,
)
"""One for a minute of one core, where many trainings are compared."""


@dataclass(frozen=True)
class System:
    """How the model and the objective of a class of recipes are built.

    Attributes:
        model: (recipe, checkpoint of a first stage or None) to the model with fresh weights.
        objective: (model, recipe, the networks that its losses need) to its objective.
    """

    model: Callable[[Any, Path | None], Model]
    objective: Callable[[Any, Any, LossNetworks], Objective]


def build_model(recipe: Recipe, *, initial: str | Path | None = None, first_stage: Path | None = None) -> Model:
    """The model of a recipe, with weights drawn from its seed or taken from a checkpoint.

    Args:
        recipe: what is going to be trained.
        initial: weights of the same networks to start from, the autoencoder among them: as for `starting_file`.
        first_stage: a checkpoint that holds the trained autoencoder of a recipe with `first_stage` `vq`: an
            `Autoencoder` or a `ResShift`. Its weights stay as they are.

    Raises:
        TrainingError: the checkpoint holds another model than the recipe describes, or the autoencoder is missing.
        CheckpointError: a checkpoint cannot be read.
        SettingError: a first stage is given to a recipe that has no use for it, or the crops do not fit the network.
    """
    initial = None if initial is None else starting_file(initial)
    first_stage = _first_stage(recipe, initial, first_stage)
    torch.manual_seed(recipe.seed)
    model = system_of(recipe).model(recipe, first_stage)
    multiple = model.size_requirements.multiple_of
    if recipe.crop * recipe.scale // model.scale % multiple:
        raise SettingError(f"crop is {recipe.crop}; the recipe's network needs a multiple of {multiple}.")
    if initial is not None:
        trained = checkpoint.load(initial)
        if not model.adopt(trained):
            raise TrainingError(
                f"{initial} holds {trained.description or trained.name}, which is not the network that the recipe "
                "trains."
            )
    return model


def starting_file(initial: str | Path) -> Path:
    """The checkpoint that a bundled model's name, a run's folder or a checkpoint's path stands for.

    Raises:
        CheckpointError: there is none.
    """
    if str(initial) in BUNDLED:
        return bundled_file(str(initial), ".safetensors")
    path = Path(initial)
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(
            f"There is no checkpoint at {file}; start from a checkpoint's file, a run's folder, or one of "
            f"{', '.join(BUNDLED)}."
        )
    return file


def needs_first_stage(recipe: Recipe) -> bool:
    """Whether it trains in the codes of an autoencoder, which has to be trained already."""
    return isinstance(recipe, ResShiftRecipe) and recipe.first_stage == "vq"


def _first_stage(recipe: Recipe, initial: Path | None, first_stage: Path | None) -> Path | None:
    """The checkpoint to take the autoencoder from; None where there is none in the recipe."""
    if not needs_first_stage(recipe):
        if first_stage is not None:
            raise SettingError("--first-stage is for recipes whose first_stage is 'vq'; leave it out.")
        return None
    if initial is not None and first_stage is not None:
        raise SettingError("--init brings an autoencoder of its own; leave --first-stage out.")
    if initial is None and first_stage is None:
        raise TrainingError(
            "This recipe trains a denoiser in the codes of an autoencoder, which has to be trained already: give one "
            "by --first-stage FILE."
        )
    return first_stage or initial


def _deltadiff(recipe: DeltaDiffRecipe, first_stage: Path | None) -> Model:
    is_clean = recipe.degradation == "bicubic" or recipe.restoring
    return DeltaDiff(config_of(recipe, DeltaDiffConfig, consistent=is_clean))


def _resshift(recipe: ResShiftRecipe, first_stage: Path | None) -> Model:
    trained = None if first_stage is None else _trained_autoencoder(first_stage)
    schedule = recipe.shifting_sequence(kappa=recipe.kappa)
    denoisers = {"paper": None, "small": SMALL_DENOISER, "tiny": TINY_DENOISER}
    model = ResShift(
        eta=schedule.eta,
        kappa=schedule.kappa,
        first_stage=recipe.first_stage,
        denoiser=denoisers[recipe.network],
        autoencoder=None if trained is None else trained.config.autoencoder,
    )
    if trained is not None and model.autoencoder is not None:
        model.autoencoder.load_state_dict(trained.autoencoder.state_dict())
        model.autoencoder.requires_grad_(False)
    if model.scale != recipe.scale:
        raise TrainingError(f"{first_stage} holds an autoencoder for x{model.scale}, and the recipe is for x4.")
    return model


def _trained_autoencoder(path: Path) -> Any:
    """A model that has an autoencoder."""
    trained = checkpoint.load(path)
    if getattr(trained, "autoencoder", None) is None:
        raise TrainingError(f"{path} holds {trained.description or trained.name}, and no autoencoder.")
    return trained


def _autoencoder(recipe: AutoencoderRecipe, first_stage: Path | None) -> Model:
    return Autoencoder(autoencoder=config_of(recipe, VQConfig))


def _one_pass(recipe: Recipe, first_stage: Path | None) -> Model:
    kind = ARCHITECTURES[str(recipe.__struct_config__.tag)]
    model = model_class(kind)(config_of(recipe, kind))
    if model.scale != recipe.scale:
        raise SettingError(f"scale is {recipe.scale}; {model.name} is for {model.scale}.")
    return model


def _chain_objective(model: ChainModel, recipe: ChainRecipe, loss_networks: LossNetworks) -> Objective:
    return ChainObjective(model, recipe, loss_networks["lpips"])


SYSTEMS: dict[type[Recipe], System] = {
    DeltaDiffRecipe: System(_deltadiff, _chain_objective),
    ResShiftRecipe: System(_resshift, _chain_objective),
    AutoencoderRecipe: System(_autoencoder, AutoencoderObjective),
}
"""The systems that are not one pass of a network."""

_ONE_PASS = System(_one_pass, OnePassObjective)


def system_of(recipe: Recipe) -> System:
    """How what a recipe trains is built."""
    return SYSTEMS.get(type(recipe), _ONE_PASS)


def build_objective(model: Model, recipe: Recipe, loss_networks: LossNetworks) -> Objective:
    """The objective of a recipe for its model."""
    return system_of(recipe).objective(model, recipe, loss_networks)
