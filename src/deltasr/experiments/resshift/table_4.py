"""ResShift's Table 4: methods on pictures as found, which have no HR picture, by metrics that need none."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray

from deltasr.errors import SettingError
from deltasr.evaluation.sets import Pair
from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import SCALE, Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import PICTURES, SET, shown
from deltasr.experiments.methods import about_latent_diffusion, given_models
from deltasr.experiments.no_reference import NO_REFERENCE_COLUMNS, Lenient, about, installed_metrics
from deltasr.experiments.papers import (
    METHOD,
    MILLIONS,
    RESSHIFT,
    ldm_eta,
    ldm_steps,
    published,
    remarks,
    resshift_scale,
)
from deltasr.experiments.pictures import enlarged, middle, spread
from deltasr.experiments.plots import Strip, draw_strips
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table
from deltasr.imaging import read_picture, read_rgb8
from deltasr.imaging.colour import as_8_bits
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.base import Model

_TABLE = "resshift-table-4"
(_LDM_STEPS,) = ldm_steps(_TABLE)
_STRIPS = 3
_COLUMNS = (
    Column(title=METHOD),
    Column(title=MILLIONS, digits=2),
    Column(title=SET),
    Column(title=PICTURES),
    *NO_REFERENCE_COLUMNS,
)


def _run(settings: Settings) -> Result:
    metrics, left_out = installed_metrics()
    if not metrics:
        raise SettingError(
            f"{_TABLE} measures pictures without a reference, and no metric for that is there: "
            "pip install -e '.[iqa]' installs some."
        )
    settings.refuse_checkpoints_named(catalogue.names())
    sets = tuple(shown(test_set, settings) for test_set in settings.sets)
    models: dict[str, Model] = {name: catalogue.load(name) for name in catalogue.names()}
    models |= given_models(settings, eta=ldm_eta(), steps=_LDM_STEPS)
    rows = []
    shown_pairs = spread(sets[0].benchmark.pairs, _STRIPS)
    details: dict[Path, list[tuple[str, NDArray[np.uint8]]]] = {
        _input(pair): [_lr_detail(pair)] for pair in shown_pairs
    }
    for name, model in models.items():
        upscaler = Upscaler(model, device=settings.device)
        for test_set in sets:
            settings.say(f"measuring {name} on {test_set.benchmark.name}")
            scores: dict[str, list[float]] = {title: [] for title in metrics}
            for pair in test_set.benchmark.pairs:
                lr = read_picture(_input(pair))
                result = as_8_bits(upscaler.upscale(lr).pixels)
                for title, score in _scored(result, metrics).items():
                    scores[title].append(score)
                if _input(pair) in details and model.scale == SCALE:
                    window = middle(read_rgb8(_input(pair)))
                    details[_input(pair)].append((name, np.broadcast_to(result, (*result.shape[:2], 3))[window]))
            rows.append(_row(name, model, test_set, scores))
    return Result(
        table=Table(columns=_COLUMNS, rows=(*rows, *published(_TABLE))),
        plots=(
            draw_strips(
                [Strip(label=path.stem, pictures=pictures) for path, pictures in details.items()],
                title=f"{sets[0].benchmark.name}: details",
            ),
        ),
        scale=(
            f"This run: {machine(settings.device)}, "
            f"{', '.join(f'{s.benchmark.name} ({len(s.benchmark.pairs)} pictures)' for s in sets)}.",
            resshift_scale(),
        ),
        notes=(
            "The pictures of a set are the input as they are, where it has HR and LR pictures the latter; results are "
            "rounded to 8 bits, and scores are means over pictures.",
            about_latent_diffusion(ldm_eta(), steps=[_LDM_STEPS]),
            *about(metrics),
            *left_out,
            *remarks(_TABLE),
        ),
    )


def _input(pair: Pair) -> Path:
    """What is upscaled: of a set without LR pictures, those that it has."""
    return pair.lr or pair.hr


def _lr_detail(pair: Pair) -> tuple[str, NDArray[np.uint8]]:
    lr = read_rgb8(_input(pair))
    return "input", enlarged(lr)[middle(lr)]


@torch.inference_mode()
def _scored(pixels: NDArray[np.uint8], metrics: Mapping[str, Lenient]) -> dict[str, float]:
    values = torch.from_numpy(pixels.copy()).permute(2, 0, 1).expand(3, -1, -1)[None].double() / 255
    return {title: metric(values, values).item() for title, metric in metrics.items()}


def _row(name: str, model: Model, test_set: TestSet, scores: Mapping[str, list[float]]) -> Row:
    return Row(
        cells={
            METHOD: name,
            MILLIONS: parameters_of(model) / 1e6 or None,
            SET: test_set.benchmark.name,
            PICTURES: len(test_set.benchmark.pairs),
            **{title: None if isnan(mean := fmean(values)) else mean for title, values in scores.items()},
        }
    )


EXPERIMENT = Experiment(
    name=_TABLE,
    title="Methods on pictures without a reference",
    source=f"{RESSHIFT}, Table 4.",
    run=_run,
    measures=True,
    compares=True,
)
