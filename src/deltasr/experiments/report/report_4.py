"""The report's fourth experiment: perceptual and adversarial loss against the same with L1."""

from __future__ import annotations

from collections.abc import Mapping

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.report.results import REPORT, compare
from deltasr.experiments.report.trainings import GAN_NOTE, TRAINING_NOTE, find_features, train_cnn, train_gan
from deltasr.experiments.runs import Run

_DUAL, _TRIAD = "GAN, dual", "GAN, triad"


def _run(settings: Settings) -> Result:
    features = find_features(settings)

    def train(settings: Settings) -> Mapping[str, Run]:
        start = train_cnn(settings)
        return {
            _DUAL: train_gan("dual", settings, start, features, with_l1=False),
            _TRIAD: train_gan("jointly", settings, start, features),
        }

    return compare(
        train,
        settings,
        title="Dual against triad loss",
        reported=(_DUAL, _TRIAD),
        notes=(
            TRAINING_NOTE,
            GAN_NOTE,
            "Dual: perceptual and adversarial loss. Triad: these and L1, weighted as in the recipe rrdb-gan.",
            features.note(),
        ),
        judges=features.independent_distance(),
    )


EXPERIMENT = Experiment(
    name="report-4",
    title="The GAN's loss: dual against triad",
    source=f"{REPORT}.",
    run=_run,
    trains=True,
    measures=True,
)
