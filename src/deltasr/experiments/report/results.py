"""Results of the report's experiments: scores on the test split and on benchmark sets, and loss curves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from deltasr.evaluation.sets import BenchmarkSet, Pair
from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Result, Settings, TestSet
from deltasr.experiments.measuring import SCORE_COLUMNS, SET, Meter, perception_panels
from deltasr.experiments.papers import METHOD, MILLIONS, published, remarks, report_scale
from deltasr.experiments.plots import draw_panels
from deltasr.experiments.report.curves import loss_plots
from deltasr.experiments.runs import Run, scale_of
from deltasr.experiments.tables import Column, Row, Table
from deltasr.imaging import Picture, write_picture
from deltasr.models import catalogue
from deltasr.training.data.cache import build_cache
from deltasr.training.run_folder import RunFolder

REPORT = "A course report on an RRDB super-resolution CNN and GAN"
MODEL = "model"

_IMAGES, _SECONDS = "images", "s of training"
_COLUMNS = (
    Column(title=MODEL),
    Column(title=MILLIONS, digits=2),
    Column(title=_IMAGES),
    Column(title=_SECONDS, digits=0),
    *SCORE_COLUMNS,
)
_TEST_SPLIT = "test split"


def compare(
    train: Callable[[Settings], Mapping[str, Run]],
    settings: Settings,
    *,
    title: str,
    baselines: Sequence[str] = ("bicubic",),
    reported: str,
    notes: Sequence[str],
    further: Mapping[str, nn.Module] | None = None,
) -> Result:
    """Train, measure on the test split and on the sets, and draw perception against distortion and the loss curves.

    Args:
        train: trains the models and returns the runs by the names of their rows; all have the same test split.
        settings: of the experiment.
        title: of the plot of scores.
        baselines: models of the catalogue to measure first.
        reported: name of the table of the report that stands below.
        notes: on how to read the numbers, besides how they were measured.
        further: more perceptual metrics than LPIPS, by the titles of their columns.

    Raises:
        DeltasrError: a training, a measurement or a file failed.
    """
    Meter(settings)  # weights of metrics that cannot be read are an error before the trainings, not after
    runs = train(settings)
    meter = Meter(
        replace(settings, sets=(*held_out_sets(next(iter(runs.values())), settings), *settings.sets)), further=further
    )
    rows = [row for name in baselines for row in meter.rows(name, catalogue.load(name), {MODEL: name})]
    for label, run in runs.items():
        model = run.model()
        cells = {MILLIONS: parameters_of(model) / 1e6, _IMAGES: run.recipe.images, _SECONDS: run.seconds}
        rows += meter.rows(label, model, {MODEL: label, **cells})
    columns = (*_COLUMNS, *(Column(title=name, digits=4) for name in further or {}))
    panels = perception_panels(rows, label=MODEL)
    scores = [draw_panels(panels, title=f"{title}: better is to the right and below")] if panels else []
    return Result(
        table=Table(columns=columns, rows=(*sorted(rows, key=lambda row: _place(row, meter)), *_published(reported))),
        plots=(*scores, *loss_plots(runs)),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), report_scale()),
        notes=(
            *meter.notes(),
            f"The {_TEST_SPLIT}: a tenth of the training folder's pictures, halved, which no training saw.",
            *notes,
            *remarks(reported),
        ),
    )


def _published(name: str) -> list[Row]:
    rows = published(name, dataset="NTIRE 2017")
    return [
        replace(row, cells={MODEL if title == METHOD else title: value for title, value in row.cells.items()})
        for row in rows
    ]


def held_out_sets(run: Run, settings: Settings) -> tuple[TestSet, ...]:
    """The pictures that a run held out for tests, downscaled as for its training and written to its folder, as a set.

    Returns:
        One set, or none where the run held out no picture.

    Raises:
        TrainingError: a picture is missing.
        PictureError: a picture cannot be written.
    """
    assert settings.data is not None, "a run has pictures"
    folder = RunFolder(run.weights.parent)
    names: list[str] = json.loads(folder.held_out_file.read_text(encoding="utf-8"))["test"]
    if not names:
        return ()
    recipe = run.recipe
    pictures, _ = build_cache(
        [settings.data / name for name in names],
        settings.cache_folder,
        scale=recipe.scale,
        smallest=recipe.crop * recipe.scale,
        shrink=recipe.shrink,
    )
    files = [
        folder.path / "test" / f"{index:03}-{name.replace('/', '-')}.png" for index, name in enumerate(names, start=1)
    ]
    for file, picture in zip(files, pictures, strict=True):
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            write_picture(Picture(pixels=np.array(picture.arrays()[0])), file)
    pairs = tuple(Pair(name=file.stem, hr=file, lr=None) for file in files)
    return (TestSet(benchmark=BenchmarkSet(name=_TEST_SPLIT, pairs=pairs)),)


def _place(row: Row, meter: Meter) -> int:
    return [test_set.benchmark.name for test_set in meter.sets].index(str(row.cells[SET]))
