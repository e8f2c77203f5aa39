"""Rows of all models of the catalogue and of the checkpoints that were given, for tables of methods by sets."""

from __future__ import annotations

from collections.abc import Sequence

from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Settings
from deltasr.experiments.measuring import Meter
from deltasr.experiments.papers import METHOD, MILLIONS
from deltasr.experiments.tables import Row
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.models.ldm import LatentDiffusion


def given_models(settings: Settings, *, eta: float = 0.0, steps: int | None = None) -> dict[str, Model]:
    """The checkpoints that were given, by their names; those of latent diffusion by DDIM with some eta.

    `steps` are those of latent diffusion; None for its own.

    Raises:
        DeltasrError: a file cannot be read, or a schedule has not as many steps.
    """
    models = {name: catalogue.load(path) for name, path in settings.checkpoints.items()}
    for model in models.values():
        if isinstance(model, LatentDiffusion):
            model.use_eta(eta)
            if steps is not None:
                model.use_steps(steps)
    return models


def about_latent_diffusion(eta: float, *, steps: Sequence[int] = ()) -> str:
    """A note on how `given_models` are run; with the numbers of steps where they are not the checkpoints' own."""
    counts = f" in {', '.join(map(str, steps))} steps" if steps else ""
    return f"Checkpoints of latent diffusion (LDM) are run by DDIM with eta = {eta:g}{counts}, as the paper runs LDM."


def measured_models(settings: Settings, meter: Meter, *, eta: float = 0.0, steps: int | None = None) -> list[Row]:
    """A row with `METHOD`, `MILLIONS` and the scores for each model and set, model by model.

    `eta` and `steps` are those of `given_models`.

    Raises:
        SettingError: a checkpoint has the name of a model in the catalogue.
        DeltasrError: a file cannot be read, or a measurement failed.
    """
    settings.refuse_checkpoints_named(catalogue.names())
    models = {name: catalogue.load(name) for name in catalogue.names()}
    models |= given_models(settings, eta=eta, steps=steps)
    rows = []
    for name, model in models.items():
        rows += meter.rows(name, model, {METHOD: name, MILLIONS: parameters_of(model) / 1e6 or None})
    return rows
