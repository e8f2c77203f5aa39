"""The report's fifth experiment: perceptual loss on features before against after their layer's activation."""

from __future__ import annotations

from collections.abc import Mapping

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.report.results import REPORT, compare
from deltasr.experiments.report.trainings import GAN_NOTE, TRAINING_NOTE, find_features, train_cnn, train_gan
from deltasr.experiments.runs import Run

_BEFORE, _AFTER = "GAN, before activation", "GAN, after activation"


def _run(settings: Settings) -> Result:
    features = find_features(settings)

    def train(settings: Settings) -> Mapping[str, Run]:
        start = train_cnn(settings)
        return {
            _BEFORE: train_gan("jointly", settings, start, features),
            _AFTER: train_gan("after-activation", settings, start, features, activation="after"),
        }

    return compare(
        train,
        settings,
        title="Features before against after activation",
        reported=(_BEFORE, _AFTER),
        notes=(
            TRAINING_NOTE,
            GAN_NOTE,
            "Both have the same weight of the perceptual loss; after the activation, where negative values are cut "
            "off, the same pictures lie closer together, so that the term is smaller.",
            features.note(),
        ),
        judges=features.independent_distance(),
    )


EXPERIMENT = Experiment(
    name="report-5",
    title="The perceptual loss: features before against after activation",
    source=f"{REPORT}.",
    run=_run,
    trains=True,
    measures=True,
)
