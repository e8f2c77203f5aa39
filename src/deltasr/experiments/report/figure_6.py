"""The report's Fig. 6: one picture by all of its methods side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import SCORE_COLUMNS, Meter
from deltasr.experiments.papers import report_scale
from deltasr.experiments.pictures import hr_and_lr, middle
from deltasr.experiments.plots import Strip, draw_strips
from deltasr.experiments.report.gan import SHARED
from deltasr.experiments.report.results import MODEL, REPORT
from deltasr.experiments.report.trainings import GAN_NOTE, TRAINING_NOTE, find_features, train_cnn, train_gan
from deltasr.experiments.runs import scale_of
from deltasr.experiments.tables import Column, Table
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.base import Model

_BASELINES = ("bilinear", "nearest")


def _run(settings: Settings) -> Result:
    first = settings.sets[0]
    (pair, *_) = first.benchmark.pairs
    hr, lr = hr_and_lr(pair)
    meter = Meter(replace(settings, sets=(replace(first, benchmark=replace(first.benchmark, pairs=(pair,))),)))
    features = find_features(settings)
    start = train_cnn(settings)
    runs = {
        "GAN": train_gan(SHARED, settings, start, features),
        "CNN, L1": start,
        "CNN, L2": train_cnn(settings, loss="l2"),
    }
    models: dict[str, Model] = {label: run.model() for label, run in runs.items()}
    models |= {name: catalogue.load(name) for name in _BASELINES}
    rows = [row for label, model in models.items() for row in meter.rows(label, model, {MODEL: label})]
    pictures = {"HR": hr, **{label: _result(model, lr, settings) for label, model in models.items()}}
    window = middle(lr)
    return Result(
        table=Table(columns=(Column(title=MODEL), *SCORE_COLUMNS), rows=tuple(rows)),
        plots=(
            draw_strips(
                [
                    Strip(label="whole", pictures=list(pictures.items())),
                    Strip(label="middle", pictures=[(label, picture[window]) for label, picture in pictures.items()]),
                ],
                title=f"{pair.name} by all methods",
            ),
        ),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), report_scale()),
        notes=(
            *meter.notes(),
            f"The picture is the first of {first.benchmark.name}. The report's figure has a picture of its test split, "
            "by these methods in this order.",
            TRAINING_NOTE,
            GAN_NOTE,
            features.note(),
        ),
    )


def _result(model: Model, lr: NDArray[np.uint8], settings: Settings) -> NDArray[np.uint8]:
    return Upscaler(model, device=settings.device).upscale(lr).pixels.astype(np.uint8)


EXPERIMENT = Experiment(
    name="report-figure-6",
    title="One picture by all methods",
    source=f"{REPORT}, Fig. 6.",
    run=_run,
    trains=True,
    measures=True,
)
