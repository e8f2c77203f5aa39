"""Rows of all models of the catalogue and of the checkpoints that were given, for tables of methods by sets."""

from __future__ import annotations

from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Settings
from deltasr.experiments.measuring import Meter
from deltasr.experiments.papers import METHOD, MILLIONS
from deltasr.experiments.tables import Row
from deltasr.models import catalogue


def measured_models(settings: Settings, meter: Meter) -> list[Row]:
    """A row with `METHOD`, `MILLIONS` and the scores for each model and set, model by model.

    Raises:
        SettingError: a checkpoint has the name of a model in the catalogue.
        DeltasrError: a file cannot be read, or a measurement failed.
    """
    settings.refuse_checkpoints_named(catalogue.names())
    models = {name: catalogue.load(name) for name in catalogue.names()}
    models |= {name: catalogue.load(path) for name, path in settings.checkpoints.items()}
    rows = []
    for name, model in models.items():
        rows += meter.rows(name, model, {METHOD: name, MILLIONS: parameters_of(model) / 1e6 or None})
    return rows
