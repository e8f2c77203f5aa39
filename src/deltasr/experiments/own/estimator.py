"""The estimator of a picture's degradation: true against estimated strength on sets that were degraded."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

import numpy as np
from PIL import Image

from deltasr.degradation.draws import derived_seed, generator_for, uniform
from deltasr.degradation.estimate import Estimate, estimate_strength
from deltasr.degradation.strength import JPEG_ALONE, quality_of
from deltasr.evaluation.degraded import degrade_picture
from deltasr.evaluation.sets import Pair
from deltasr.experiments.experiment import SCALE, Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import SET, shown
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.imaging import Picture, picture_from, read_picture

STRENGTHS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
QUICK_STRENGTHS = (0.0, 0.2, 0.5, 0.8)

_KIND, _SEED = "web", 1
_SAVED_AGAIN = 95
"""JPEG quality of files whose pixels have been through more than JPEG."""

_AS, _STRENGTH, _MEAN, _SPREAD, _ERROR, _WORST, _FURTHER = (
    "pictures as", "strength", "estimated", "spread", "error", "worst error", "further"
)  # fmt: skip
_COLUMNS = (
    Column(title=SET),
    Column(title=_AS),
    Column(title=_STRENGTH, digits=2),
    *(Column(title=title, digits=3) for title in (_MEAN, _SPREAD, _ERROR, _WORST)),
    Column(title=_FURTHER, digits=2),
)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How pictures of a strength are stored before their strength is estimated."""

    name: str
    made: Callable[[Pair, float], Picture]
    strengths: Callable[[float], bool]


def _without_file(pair: Pair, strength: float) -> Picture:
    """As a PNG: nothing but pixels, whose JPEG blocks begin anywhere."""
    hr = read_picture(pair.hr)
    return degrade_picture(hr, name=pair.name, kind=_KIND, scale=SCALE, seed=_SEED, strength=strength).picture


def _as_file(pair: Pair, strength: float) -> Picture:
    """As a JPEG file: of the strength's quality; what has been through more is saved again at a high one."""
    if strength > JPEG_ALONE:
        return _saved(_without_file(pair, strength), _SAVED_AGAIN, "4:2:0")
    halved = uniform((0.0, 1.0), generator_for(derived_seed(_SEED, pair.name), "subsampling")) < 0.5
    return _saved(_without_file(pair, 0.0), quality_of(strength), "4:2:0" if halved else "4:4:4")


def _saved(picture: Picture, quality: int, subsampling: str) -> Picture:
    file = io.BytesIO()
    picture.to_pil().save(file, "JPEG", quality=quality, subsampling=subsampling)
    return picture_from(Image.open(file))


_WAYS = (
    _Way(name="PNG", made=_without_file, strengths=lambda strength: True),
    _Way(name="JPEG", made=_as_file, strengths=lambda strength: strength > 0),
)


def _run(settings: Settings) -> Result:
    sets = [shown(test_set, settings) for test_set in settings.sets]
    strengths = QUICK_STRENGTHS if settings.quick else STRENGTHS
    rows = [row for test_set in sets for way in _WAYS for row in _rows(test_set, way, strengths, settings)]
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        plots=(draw_panels([_panel(test_set, rows) for test_set in sets], title="Estimated strength"),),
        scale=(
            "This run is measured on "
            + ", ".join(f"{test_set.benchmark.name} ({len(test_set.benchmark.pairs)} pictures)" for test_set in sets)
            + f", HR pictures degraded by deltasr degrade --kind {_KIND} --seed {_SEED} --strength S.",
        ),
        notes=(
            "PNG: nothing but the pixels, whose JPEG blocks begin at any row and column. JPEG: a file, whose "
            f"quantisation table is read; up to {JPEG_ALONE:g} the resized picture was saved once at the strength's "
            f"quality, above it the degraded pixels were saved again at quality {_SAVED_AGAIN}, so that the table says "
            "little about it.",
            f"{_MEAN} and {_SPREAD}: mean and standard deviation over pictures; {_ERROR}: mean of the absolute error; "
            f"{_FURTHER}: share of pictures with an estimate of more than a single JPEG.",
            f"Above {JPEG_ALONE:g} pictures of one strength differ: its values are drawn from ranges that begin at no "
            "effect, and a picture with a mild draw looks like one of a lower strength.",
        ),
    )


def _rows(test_set: TestSet, way: _Way, strengths: Sequence[float], settings: Settings) -> list[Row]:
    """A row for each strength that the way has."""
    rows = []
    for strength in filter(way.strengths, strengths):
        settings.say(f"estimating {test_set.benchmark.name} as {way.name} at {strength:g}")
        estimates = [_estimated(way.made(pair, strength)) for pair in test_set.benchmark.pairs]
        values = [made.strength for made in estimates]
        errors = [abs(value - strength) for value in values]
        cells: dict[str, Value] = {
            SET: test_set.benchmark.name,
            _AS: way.name,
            _STRENGTH: strength,
            _MEAN: fmean(values),
            _SPREAD: pstdev(values),
            _ERROR: fmean(errors),
            _WORST: max(errors),
            _FURTHER: float(np.mean([made.further for made in estimates])),
        }
        rows.append(Row(cells=cells))
    return rows


def _estimated(picture: Picture) -> Estimate:
    return estimate_strength(picture.pixels, None if picture.compression is None else picture.compression.luma_table)


def _panel(test_set: TestSet, rows: Sequence[Row]) -> Panel:
    """Estimated against true strength, a line for each way, and the diagonal."""
    name = test_set.benchmark.name
    lines = [Series(label="true", x=(0.0, 1.0), y=(0.0, 1.0), published=True)]
    for way in _WAYS:
        own = [row.cells for row in rows if (row.cells[SET], row.cells[_AS]) == (name, way.name)]
        x, y = ([float(cells[title] or 0) for cells in own] for title in (_STRENGTH, _MEAN))
        lines.append(Series(label=way.name, x=x, y=y))
    return Panel(title=name, x="strength", y="mean estimate", series=lines)


EXPERIMENT = Experiment(
    name="estimator",
    title="How degraded a picture is: true against estimated strength",
    source="No paper's: docs/degradations.md says what the strength is and how it is estimated.",
    run=_run,
    measures=True,
)
