"""The report's second experiment: mean absolute against mean squared difference as the CNN's loss."""

from __future__ import annotations

from collections.abc import Mapping

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.report.results import REPORT, compare
from deltasr.experiments.report.trainings import TRAINING_NOTE, train_cnn
from deltasr.experiments.runs import Run


def _train(settings: Settings) -> Mapping[str, Run]:
    return {"CNN, L1": train_cnn(settings, loss="l1"), "CNN, L2": train_cnn(settings, loss="l2")}


def _run(settings: Settings) -> Result:
    return compare(_train, settings, title="L1 against L2", reported=("CNN, L1", "CNN, L2"), notes=(TRAINING_NOTE,))


EXPERIMENT = Experiment(
    name="report-2",
    title="The CNN's loss: L1 against L2",
    source=f"{REPORT}.",
    run=_run,
    trains=True,
    measures=True,
)
