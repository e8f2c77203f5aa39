"""From a recipe to the model and the objective of its system."""

from __future__ import annotations

from pathlib import Path

import torch

from deltasr.diffusion.schedule import geometric_schedule
from deltasr.errors import CheckpointError, SettingError, TrainingError
from deltasr.models import checkpoint
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.base import Model
from deltasr.models.catalogue import BUNDLED, bundled_file
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb
from deltasr.training.losses.chain import ChainObjective
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.objective import Objective
from deltasr.training.losses.picture import AutoencoderObjective, RrdbObjective
from deltasr.training.recipes.types import (
    AutoencoderRecipe,
    ChainRecipe,
    DeltaDiffRecipe,
    PictureRecipe,
    Recipe,
    ResShiftRecipe,
    RrdbRecipe,
)
from deltasr.training.run_folder import WEIGHTS

SMALL_DENOISER = {
    "model_channels": 32,
    "channel_mult": [1, 2],
    "num_res_blocks": [2, 2],
    "swin_embed_dim": 64,
    "swin_depth": 2,
    "num_head_channels": 32,
    "window_size": 8,
    "mlp_ratio": 2,
    "image_size": 32,
}
"""Arguments of `nets.swin_unet.SwinUNet` for two cores."""


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
    model = _fresh(recipe, first_stage)
    multiple = 1 if isinstance(model, Autoencoder) else model.size_requirements.multiple_of
    if recipe.crop % multiple:
        raise SettingError(f"crop is {recipe.crop}; the recipe's network needs a multiple of {multiple}.")
    if initial is not None:
        trained = checkpoint.load(initial)
        if not model.adopt(trained):
            raise TrainingError(
                f"{initial} holds {trained.description or trained.name}, which is not the network that the recipe "
                "trains."
            )
    if isinstance(model, ResShift) and model.autoencoder is not None:
        model.autoencoder.requires_grad_(False)
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


def _fresh(recipe: Recipe, first_stage: Path | None) -> Model:
    if isinstance(recipe, DeltaDiffRecipe):
        return DeltaDiff(
            size=recipe.size,
            scale=recipe.scale,
            steps=recipe.steps,
            p=recipe.p,
            eta_1=recipe.eta_1,
            eta_T=recipe.eta_T,
            dial=recipe.dial,
            default_fidelity=recipe.default_fidelity,
            restoring=recipe.restoring,
            consistent=recipe.degradation == "bicubic" or recipe.restoring,
            block=recipe.block,
            shared=recipe.shared,
            features=recipe.features,
        )
    if isinstance(recipe, RrdbRecipe):
        return Rrdb(blocks=recipe.blocks, width=recipe.width)
    if isinstance(recipe, AutoencoderRecipe):
        return Autoencoder(autoencoder=_autoencoder_arguments(recipe))
    assert isinstance(recipe, ResShiftRecipe)
    return _fresh_resshift(recipe, first_stage)


def _autoencoder_arguments(recipe: AutoencoderRecipe) -> dict[str, object]:
    return {
        "widths": recipe.widths,
        "blocks": recipe.blocks,
        "latent_channels": recipe.latent_channels,
        "codes": recipe.codes,
    }


def _fresh_resshift(recipe: ResShiftRecipe, first_stage: Path | None) -> ResShift:
    schedule = geometric_schedule(
        steps=recipe.steps, p=recipe.p, kappa=recipe.kappa, eta_1=recipe.eta_1, eta_T=recipe.eta_T
    )
    autoencoder = None if first_stage is None else _trained_autoencoder(first_stage)
    model = ResShift(
        eta=schedule.eta,
        kappa=schedule.kappa,
        first_stage=recipe.first_stage,
        denoiser=SMALL_DENOISER if recipe.network == "small" else None,
        autoencoder=None if autoencoder is None else autoencoder.net_arguments()["autoencoder"],  # type: ignore[arg-type]
    )
    if autoencoder is not None and autoencoder.autoencoder is not None and model.autoencoder is not None:
        model.autoencoder.load_state_dict(autoencoder.autoencoder.state_dict())
    if model.scale != recipe.scale:
        raise TrainingError(f"{first_stage} holds an autoencoder for x{model.scale}, and the recipe is for x4.")
    return model


def _trained_autoencoder(path: Path) -> Autoencoder | ResShift:
    trained = checkpoint.load(path)
    if isinstance(trained, Autoencoder) or (isinstance(trained, ResShift) and trained.autoencoder is not None):
        return trained
    raise TrainingError(f"{path} holds {trained.description or trained.name}, and no autoencoder.")


def build_objective(model: Model, recipe: Recipe, loss_networks: LossNetworks) -> Objective:
    """The objective of a recipe for its model."""
    if isinstance(recipe, ChainRecipe):
        assert isinstance(model, DeltaDiff | ResShift)
        return ChainObjective(model, recipe, loss_networks["lpips"])
    if isinstance(recipe, AutoencoderRecipe):
        assert isinstance(model, Autoencoder)
        return AutoencoderObjective(model, recipe, loss_networks)
    assert isinstance(recipe, PictureRecipe)
    assert isinstance(model, Rrdb)
    return RrdbObjective(model, recipe, loss_networks)
