"""Degraded sets: bicubic, the model for clean pictures and one for photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from deltasr.evaluation.degraded import Line
from deltasr.evaluation.sets import Pair
from deltasr.experiments.degraded_sets import Degradation, degraded
from deltasr.experiments.experiment import Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import SCORE_COLUMNS, SET, Meter, perception_panels, shown, squeeze_lpips
from deltasr.experiments.pictures import enlarged, middle, spread
from deltasr.experiments.plots import Strip, draw_panels, draw_strips
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.imaging import read_rgb8
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.base import Model

PHOTO = "deltadiff-photo-x4"
"""The bundled model for photos."""

FIDELITIES = (0.0, 0.5, 1.0)
"""Fidelities at which a model for photos is measured."""

_BASELINE, _CLEAN = "bicubic", catalogue.DEFAULT
_KIND, _SEED = "realesrgan", 1
_STRIPS = 3

_MODEL, _FIDELITY = "model", "fidelity"
_COLUMNS = (Column(title=_MODEL), Column(title=_FIDELITY), *SCORE_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class _Entrant:
    """A model, and the settings of its dial that are measured; None for a model without one, and for its default."""

    model: Model
    fidelities: tuple[float | None, ...] = (None,)

    def written(self, fidelity: float | None) -> str:
        """The setting as the table has it."""
        if not self.model.dial:
            return ""
        return f"{self.model.default_fidelity if fidelity is None else fidelity:g}"


def _run(settings: Settings) -> Result:
    entrants = _entrants(settings)
    further, left_out = squeeze_lpips(settings)
    with TemporaryDirectory(prefix="deltasr-") as folder:
        sets, lines = _degraded(settings, Path(folder))
        meter = Meter(replace(settings, sets=sets), further=further)
        rows = [row for name, entrant in entrants.items() for row in _rows(name, entrant, meter)]
        pairs = spread(sets[0].benchmark.pairs, _STRIPS)
        strips = [_strip(pair, entrants, settings) for pair in pairs]
    rows.sort(key=lambda row: str(row.cells[SET]))
    panels = perception_panels(rows, label=_MODEL, caption=_FIDELITY)
    curves = [draw_panels(panels, title=f"Degraded sets ({_KIND}, seed {_SEED})")] if panels else []
    return Result(
        table=Table(columns=(*_COLUMNS, *(Column(title=name, digits=4) for name in further)), rows=tuple(rows)),
        plots=(draw_strips(strips, title=f"{sets[0].benchmark.name}, degraded"), *curves),
        scale=(f"This run: {machine(settings.device)}.", meter.scale()),
        notes=(
            f"LR pictures are made by deltasr degrade SET/HR -o LR --kind {_KIND} --seed {_SEED}; deltasr "
            "degrade --list FILE writes the degradation of each, and docs/experiments/photo has the lists of Set5, "
            "Set14, BSD100 and DeltaDiffSet14.",
            "Resizes without anti-aliasing shift degraded pictures by parts of a pixel, and the detail that is lost "
            "cannot come back, so that PSNR-Y is low for every model.",
            *meter.notes(),
            _projected(entrants),
            *left_out,
            *(f"{pair.name} in the strips, its middle: {lines[pair.name].operations}." for pair in pairs),
        ),
    )


def _entrants(settings: Settings) -> dict[str, _Entrant]:
    """Bicubic, the clean model, and those for photos: the bundled one and the checkpoints."""
    settings.refuse_checkpoints_named((_BASELINE, _CLEAN))
    chosen: dict[str, str | Path] = {PHOTO: PHOTO, **settings.checkpoints}
    entrants = {name: _Entrant(model=catalogue.load(name)) for name in (_BASELINE, _CLEAN)}
    for name, source in chosen.items():
        model = catalogue.load(source)
        entrants[name] = _Entrant(model=model, fidelities=FIDELITIES) if model.dial else _Entrant(model=model)
    return entrants


def _degraded(settings: Settings, folder: Path) -> tuple[tuple[TestSet, ...], Mapping[str, Line]]:
    """The sets with degraded LR pictures, which are written to the folder; and the lines about the first set's."""
    made = []
    for number, test_set in enumerate(shown(test_set, settings) for test_set in settings.sets):
        settings.say(f"degrading {test_set.benchmark.name}")
        made.append(degraded(test_set, folder / str(number), Degradation(kind=_KIND, seed=_SEED)))
    return tuple(test_set for test_set, _ in made), made[0][1]


def _rows(name: str, entrant: _Entrant, meter: Meter) -> list[Row]:
    """A row for each set and setting of the dial."""
    rows = []
    for fidelity in entrant.fidelities:
        label = name if fidelity is None else f"{name}@{fidelity:g}"
        cells: dict[str, Value] = {_MODEL: name, _FIDELITY: entrant.written(fidelity)}
        measured = meter.measure(label, entrant.model, fidelity=fidelity)
        rows += [Row(cells={**cells, **scores.cells()}) for scores in measured]
    return rows


def _projected(entrants: Mapping[str, _Entrant]) -> str:
    """Which results are projected onto their input, which keeps the faults of a degraded one."""
    names = [name for name, entrant in entrants.items() if entrant.model.consistent]
    return f"Projected onto their input here: {', '.join(names) or 'none'}."


def _strip(pair: Pair, entrants: Mapping[str, _Entrant], settings: Settings) -> Strip:
    """The middle of a picture: HR, the input, and the result of each model, the highest fidelity first."""
    assert pair.lr is not None
    settings.say(f"upscaling {pair.name} for the strips")
    lr = read_rgb8(pair.lr)
    window = middle(lr)
    pictures = [
        ("HR", read_rgb8(pair.hr)[window]),
        ("LR", enlarged(lr)[window]),
    ]
    for name, entrant in entrants.items():
        upscaler = Upscaler(entrant.model, device=settings.device)
        for fidelity in dict.fromkeys((entrant.fidelities[-1], entrant.fidelities[0])):
            caption = name if fidelity is None else f"{name} at {fidelity:g}"
            result = upscaler.upscale(lr, fidelity=fidelity)
            pictures.append((caption, result.pixels[window].astype(np.uint8)))
    return Strip(label=pair.name, pictures=pictures)


EXPERIMENT = Experiment(
    name="photo",
    title="Pictures off the web: degraded sets",
    source="No paper's: the degradation is Real-ESRGAN's (arXiv:2107.10833) with ResShift's parameters.",
    run=_run,
    measures=True,
    compares=True,
)
