"""Rows of all models of the catalogue and of the checkpoints that were given, for tables of methods by sets."""

from __future__ import annotations

from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Settings
from deltasr.experiments.measuring import Meter
from deltasr.experiments.papers import METHOD, MILLIONS
from deltasr.experiments.tables import Row
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.models.ldm import LatentDiffusion


def given_models(settings: Settings, *, eta: float = 0.0) -> dict[str, Model]:
    """The checkpoints that were given, by their names; those of latent diffusion by DDIM with some eta.

    Raises:
        DeltasrError: a file cannot be read.
    """
    models = {name: catalogue.load(path) for name, path in settings.checkpoints.items()}
    for model in models.values():
        if isinstance(model, LatentDiffusion):
            model.use_eta(eta)
    return models


def about_latent_diffusion(eta: float) -> str:
    """A note on how `given_models` are run."""
    return f"Checkpoints of latent diffusion (LDM) are run by DDIM with eta = {eta:g}, as the paper runs LDM."


def measured_models(settings: Settings, meter: Meter, *, eta: float = 0.0) -> list[Row]:
    """A row with `METHOD`, `MILLIONS` and the scores for each model and set, model by model.

    `eta` is that of `given_models`.

    Raises:
        SettingError: a checkpoint has the name of a model in the catalogue.
        DeltasrError: a file cannot be read, or a measurement failed.
    """
    settings.refuse_checkpoints_named(catalogue.names())
    models = {name: catalogue.load(name) for name in catalogue.names()}
    models |= given_models(settings, eta=eta)
    rows = []
    for name, model in models.items():
        rows += meter.rows(name, model, {METHOD: name, MILLIONS: parameters_of(model) / 1e6 or None})
    return rows
