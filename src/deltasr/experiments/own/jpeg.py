"""Pictures saved as JPEG: models against bicubic interpolation of the same files, by quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deltasr.degradation.strength import strength_of
from deltasr.evaluation.sets import Pair
from deltasr.experiments.experiment import Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import PSNR, SCORE_COLUMNS, SET, Meter, Scores
from deltasr.experiments.own.photo import PHOTO
from deltasr.experiments.pictures import enlarged, hr_and_lr, middle, spread
from deltasr.experiments.plots import Panel, Series, Strip, draw_panels, draw_strips
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.imaging import read_picture
from deltasr.inference.conditions import Restoration, decided_restoration
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.base import Model

QUALITIES = (None, 90, 75, 50, 40, 30)
"""Of JPEG files; None for PNG."""

AUTO, TOLD, CLEAN = "auto", "told", "clean"
"""The restoration of models that have one: estimated, the strength of the quality that a file was saved at, or 0."""

_BASELINE = "bicubic"
_STRIPS, _STRIP_QUALITIES = 2, (75, 30)
_LOSSLESS_AT = 100
"""Where the plot has PNG on its axis of qualities."""

_SAVED, _MODEL, _FIDELITY, _RESTORATION, _GAIN, _ESTIMATE = (
    "saved as", "model", "fidelity", "restoration", "over bicubic", "estimated"
)  # fmt: skip
_COLUMNS = (
    Column(title=_SAVED),
    Column(title=_MODEL),
    Column(title=_FIDELITY),
    Column(title=_RESTORATION),
    *SCORE_COLUMNS,
    Column(title=_GAIN, digits=2),
    Column(title=_ESTIMATE, digits=3),
)


@dataclass(frozen=True, kw_only=True)
class _Entrant:
    """A row for each quality: a model, its fidelity (None without a dial), and one of `AUTO`, `TOLD` and `CLEAN`."""

    name: str
    model: Model
    fidelity: float | None = None
    told: str = AUTO

    @property
    def label(self) -> str:
        """For the plot and the strips."""
        return self.name if self.fidelity is None else f"{self.name} at {self.fidelity:g}"

    def restoration(self, quality: int | None) -> Restoration:
        """What `Upscaler.upscale` is given for a file."""
        if self.told == AUTO:
            return "auto"
        return _true_strength(quality) if self.told == TOLD else 0.0


def _run(settings: Settings) -> Result:
    entrants = _entrants(settings)
    meter = Meter(settings)
    with TemporaryDirectory(prefix="deltasr-") as folder:
        files = {quality: _saved(meter.sets, quality, Path(folder), settings) for quality in QUALITIES}
        rows = [row for quality, sets in files.items() for row in _rows(quality, sets, entrants, meter)]
        strips = _strips(files, entrants, settings)
    order = [test_set.benchmark.name for test_set in meter.sets]
    rows.sort(key=lambda row: order.index(str(row.cells[SET])))
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        plots=(
            draw_panels([_panel(name, rows, entrants) for name in order], title="Pictures saved as JPEG"),
            draw_strips(strips, title=f"{order[0]}, saved as JPEG"),
        ),
        scale=(f"This run: {machine(settings.device)}.", meter.scale()),
        notes=(
            "LR pictures were saved once by Pillow, as PNG or as JPEG of that quality with its default subsampling of "
            "the colour, 4:2:0, and read again as any user's file is. Sets without LR pictures get them by our "
            "bicubic.",
            f"{_GAIN} (dB): {PSNR} above that of {_BASELINE} on the same files.",
            f"{_ESTIMATE}: mean over the files of the restoration that is estimated from them, the same for every "
            "model; only models that restore use it.",
            f"{_RESTORATION}: {AUTO} is what is estimated; {TOLD} the strength whose quality the file has "
            f"(degradation.web.strength_of), {CLEAN} 0: the cost of a wrong estimate. Empty for models that do not "
            "restore.",
            *meter.notes(),
        ),
    )


def _entrants(settings: Settings) -> list[_Entrant]:
    """Bicubic first, then the default model, the bundled one for photos where there is one, and the checkpoints."""
    ours = {name: name for name in (catalogue.DEFAULT, PHOTO) if name in catalogue.BUNDLED}
    settings.refuse_checkpoints_named((_BASELINE, *ours))
    chosen: Mapping[str, str | Path] = {**ours, **settings.checkpoints}
    entrants = [_Entrant(name=_BASELINE, model=catalogue.load(_BASELINE))]
    for name, source in chosen.items():
        model = catalogue.load(source)
        entrants += [
            _Entrant(name=name, model=model, fidelity=fidelity, told=told)
            for told in settings.only or (AUTO, TOLD, CLEAN)
            if told == AUTO or model.restoring
            for fidelity in (dict.fromkeys((model.default_fidelity, 1.0)) if model.dial else (None,))
        ]
    return entrants


def _true_strength(quality: int | None) -> float:
    return 0.0 if quality is None else strength_of(quality)


def _saved(sets: Sequence[TestSet], quality: int | None, folder: Path, settings: Settings) -> list[TestSet]:
    """The sets with LR pictures in files of a quality."""
    made = []
    for number, test_set in enumerate(sets):
        settings.say(f"saving {test_set.benchmark.name} as {_format(quality)}")
        place = folder / f"{number}-{_format(quality)}"
        place.mkdir()
        pairs = tuple(_saved_pair(pair, quality, place) for pair in test_set.benchmark.pairs)
        made.append(replace(test_set, benchmark=replace(test_set.benchmark, pairs=pairs)))
    return made


def _saved_pair(pair: Pair, quality: int | None, folder: Path) -> Pair:
    _, lr = hr_and_lr(pair)
    path = folder / f"{pair.name}.{'png' if quality is None else 'jpg'}"
    if quality is None:
        Image.fromarray(lr).save(path)
    else:
        Image.fromarray(lr).save(path, quality=quality, subsampling="4:2:0")
    return replace(pair, lr=path)


def _format(quality: int | None) -> str:
    return "PNG" if quality is None else f"JPEG {quality}"


def _rows(quality: int | None, sets: Sequence[TestSet], entrants: Sequence[_Entrant], meter: Meter) -> list[Row]:
    """A row for each entrant and set; bicubic, to which the others are compared, is the first entrant."""
    estimates = [fmean(_estimate(pair) for pair in test_set.benchmark.pairs) for test_set in sets]
    rows = []
    baseline: list[Scores] = []
    for entrant in entrants:
        label = f"{entrant.label} ({entrant.told}, {_format(quality)})"
        measured = meter.measure(
            label, entrant.model, fidelity=entrant.fidelity, restoration=entrant.restoration(quality), sets=sets
        )
        baseline = baseline or measured
        for scores, bicubic, estimate in zip(measured, baseline, estimates, strict=True):
            cells: dict[str, Value] = {
                _SAVED: _format(quality),
                _MODEL: entrant.name,
                _FIDELITY: "" if entrant.fidelity is None else f"{entrant.fidelity:g}",
                _RESTORATION: entrant.told if entrant.model.restoring else "",
                _GAIN: scores.psnr_y - bicubic.psnr_y,
                _ESTIMATE: estimate,
            }
            rows.append(Row(cells={**cells, **scores.cells()}))
    return rows


def _estimate(pair: Pair) -> float:
    """The estimated restoration of a file."""
    assert pair.lr is not None
    return decided_restoration(read_picture(pair.lr), "auto")[0]


def _panel(name: str, rows: Sequence[Row], entrants: Sequence[_Entrant]) -> Panel:
    """PSNR-Y of models above that of bicubic on a set, by quality."""
    lines = []
    for entrant in entrants[1:]:
        own = [row.cells for row in rows if row.cells[SET] == name and _is_of(row, entrant)]
        lines.append(
            Series(
                label=entrant.label if entrant.told == AUTO else f"{entrant.label}, {entrant.told}",
                x=[_LOSSLESS_AT if quality is None else quality for quality in QUALITIES],
                y=[float(cells[_GAIN] or 0) for cells in own],
            )
        )
    return Panel(title=name, x=f"JPEG quality ({_LOSSLESS_AT}: PNG)", y="PSNR-Y over bicubic (dB)", series=lines)


def _is_of(row: Row, entrant: _Entrant) -> bool:
    fidelity = "" if entrant.fidelity is None else f"{entrant.fidelity:g}"
    told = entrant.told if entrant.model.restoring else ""
    return (row.cells[_MODEL], row.cells[_FIDELITY], row.cells[_RESTORATION]) == (entrant.name, fidelity, told)


def _strips(
    files: Mapping[int | None, Sequence[TestSet]], entrants: Sequence[_Entrant], settings: Settings
) -> list[Strip]:
    """The middles of two pictures of the first set in two qualities, by the entrants with `AUTO`."""
    strips = []
    for quality in _STRIP_QUALITIES:
        for pair in spread(files[quality][0].benchmark.pairs, _STRIPS):
            settings.say(f"upscaling {pair.name} for the strips")
            hr, lr = hr_and_lr(pair)
            pictures = [("HR", hr), (_format(quality), enlarged(lr))]
            pictures += [
                (entrant.label, _upscaled(pair, entrant, settings)) for entrant in entrants if entrant.told == AUTO
            ]
            window = middle(lr)
            strips.append(Strip(label=pair.name, pictures=[(caption, pixels[window]) for caption, pixels in pictures]))
    return strips


def _upscaled(pair: Pair, entrant: _Entrant, settings: Settings) -> NDArray[np.uint8]:
    assert pair.lr is not None
    result = Upscaler(entrant.model, device=settings.device).upscale(pair.lr, fidelity=entrant.fidelity)
    return result.pixels.astype(np.uint8)


EXPERIMENT = Experiment(
    name="jpeg",
    title="Pictures saved as JPEG, by quality",
    source="No paper's: Pillow's JPEG of LR pictures, as people have them.",
    run=_run,
    measures=True,
    compares=True,
    parts=(AUTO, TOLD, CLEAN),
)
