"""The report's experiments with the GAN: against the CNN, by its loss terms, and by where its features are taken.

The three share their training of the GAN by turns, by perceptual and adversarial loss, on features after activation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.report.results import REPORT, compare
from deltasr.experiments.report.trainings import (
    GAN_NOTE,
    TRAINING_NOTE,
    Features,
    find_features,
    train_cnn,
    train_gan,
)
from deltasr.experiments.runs import Run

_CNN, _GAN, _JOINTLY = "CNN", "GAN", "GAN, jointly"
_DUAL, _TRIAD = "GAN, dual", "GAN, triad"
_BEFORE, _AFTER = "GAN, before activation", "GAN, after activation"
SHARED = "dual"
"""The label of the training that the three have in common."""


def _training_schemes(settings: Settings, start: Run, features: Features) -> Mapping[str, Run]:
    return {
        _CNN: start,
        _GAN: train_gan(SHARED, settings, start, features),
        _JOINTLY: train_gan("jointly", settings, start, features, alternation="joint"),
    }


def _loss_terms(settings: Settings, start: Run, features: Features) -> Mapping[str, Run]:
    return {
        _DUAL: train_gan(SHARED, settings, start, features),
        _TRIAD: train_gan("triad", settings, start, features, with_l1=True),
    }


def _activations(settings: Settings, start: Run, features: Features) -> Mapping[str, Run]:
    return {
        _BEFORE: train_gan("before-activation", settings, start, features, activation="before"),
        _AFTER: train_gan(SHARED, settings, start, features),
    }


def _experiment(
    name: str,
    title: str,
    table: int,
    train: Callable[[Settings, Run, Features], Mapping[str, Run]],
    *,
    plot_title: str,
    note: str,
) -> Experiment:
    """An experiment that trains GANs from the weights of one CNN.

    Args:
        name, title: of the experiment.
        table: its number in the report.
        train: makes the runs by the names of their rows, from the CNN's run.
        plot_title: of the plot of scores.
        note: on what is compared.
    """

    def run(settings: Settings) -> Result:
        features = find_features(settings)
        return compare(
            lambda settings: train(settings, train_cnn(settings), features),
            settings,
            title=plot_title,
            reported=name,
            notes=(TRAINING_NOTE, GAN_NOTE, note, features.note()),
            further=features.other_lpips(),
        )

    source = f"{REPORT}, Table {table}, and Fig. 7."
    return Experiment(name=name, title=title, source=source, run=run, trains=True, measures=True)


GAN_EXPERIMENTS = (
    _experiment(
        "report-3",
        "The CNN against the GAN",
        3,
        _training_schemes,
        plot_title="CNN against GAN",
        note=(
            f"{_GAN}: the report's, with dual loss on features after activation, by turns; report-4 and report-5 have "
            "the same. Jointly, which the report proposes against its unbalanced discriminator, both networks learn "
            "from all images."
        ),
    ),
    _experiment(
        "report-4",
        "The GAN's loss: dual against triad",
        4,
        _loss_terms,
        plot_title="Dual against triad loss",
        note="Dual: perceptual and adversarial loss. Triad: these and L1.",
    ),
    _experiment(
        "report-5",
        "The perceptual loss: features before against after activation",
        5,
        _activations,
        plot_title="Features before against after activation",
        note=(
            "The weight of the perceptual loss is the same in both. After the activation, which cuts off negative "
            "values, differences of features are smaller, and so is the term."
        ),
    ),
)
"""`report-3` to `report-5`."""
