"""The report's third experiment: the CNN against the GAN, trained by turns as in the report, and jointly."""

from __future__ import annotations

from collections.abc import Mapping

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.report.results import REPORT, compare
from deltasr.experiments.report.trainings import GAN_NOTE, TRAINING_NOTE, find_features, train_cnn, train_gan
from deltasr.experiments.runs import Run

_CNN, _BY_TURNS, _JOINTLY = "CNN", "GAN, by turns", "GAN, jointly"


def _run(settings: Settings) -> Result:
    features = find_features(settings)

    def train(settings: Settings) -> Mapping[str, Run]:
        start = train_cnn(settings)
        return {
            _CNN: start,
            _BY_TURNS: train_gan("by-turns", settings, start, features, alternation="phases"),
            _JOINTLY: train_gan("jointly", settings, start, features),
        }

    return compare(
        train,
        settings,
        title="CNN against GAN",
        reported=(_CNN, _BY_TURNS),
        notes=(
            TRAINING_NOTE,
            GAN_NOTE,
            f"{_BY_TURNS}: the discriminator alone, then generator and discriminator in turns, twice, as in the "
            "report; so the generator learns from two fifths of the images. Jointly, which the report names as the "
            "remedy for its unbalanced discriminator, both learn from all of them.",
            features.note(),
        ),
        judges=features.independent_distance(),
    )


EXPERIMENT = Experiment(
    name="report-3",
    title="The CNN against the GAN",
    source=f"{REPORT}.",
    run=_run,
    trains=True,
    measures=True,
)
