"""DeltaDiff's Table II: the ends of the shifting sequence."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import LPIPS, PSNR, SCORE_COLUMNS, SET, Meter
from deltasr.experiments.papers import DELTADIFF, DELTADIFF_SCALE, PAPER
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import Run, budgeted, scale_of, trained
from deltasr.experiments.tables import Column, Row, Table

_IMAGES = 24_000
_BEST = (0.01, 0.99)

_FIRST, _LAST = "eta_1", "eta_T"
_COLUMNS = (Column(title=_FIRST), Column(title=_LAST), *SCORE_COLUMNS)


def _grid(settings: Settings) -> list[tuple[float, float]]:
    firsts = (0.01, 0.1) if settings.quick else (0.001, 0.01, 0.1)
    lasts = (0.9, 0.99) if settings.quick else (0.9, 0.99, 0.999)
    return list(product(firsts, lasts))


def _trained(first: float, last: float, settings: Settings) -> Run:
    recipe = budgeted("deltadiff-tiny-x4", settings, full=_IMAGES, eta_1=first, eta_T=last)
    return trained(f"deltadiff-eta1-{first:g}-etaT-{last:g}", recipe, settings)


def _run(settings: Settings) -> Result:
    meter = Meter(settings)
    runs = {ends: _trained(*ends, settings) for ends in _grid(settings)}
    rows = {ends: meter.rows(run.label, run.model(), {_FIRST: ends[0], _LAST: ends[1]}) for ends, run in runs.items()}
    best = Row(cells={_FIRST: _BEST[0], _LAST: _BEST[1]}, source=f"{PAPER}: its best")
    measured = [PSNR, *([LPIPS] if meter.perceptual else [])]
    return Result(
        table=Table(columns=_COLUMNS, rows=(*(row for ends in rows for row in rows[ends]), best)),
        plots=tuple(_plot(title, rows) for title in measured),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), DELTADIFF_SCALE),
        notes=(
            *meter.notes(),
            "The paper trains teacher-forced in VQ-f4 codes; this run on-policy in pixel-unshuffle codes, where the "
            "ends decide only how the steps' predictions are weighed.",
            "The numbers of the paper's table were not available; it takes eta_1 = 0.01 and eta_T = 0.99 as the best.",
        ),
    )


def _plot(title: str, rows: Mapping[tuple[float, float], list[Row]]) -> bytes:
    sets = [str(row.cells[SET]) for row in next(iter(rows.values()))]
    lasts = list(dict.fromkeys(last for _, last in rows))
    panels = [
        Panel(
            title=name,
            x="eta_1",
            y=title,
            series=[
                Series(
                    label=f"eta_T = {last:g}",
                    x=[ends[0] for ends in rows if ends[1] == last],
                    y=[float(rows[ends][index].cells[title] or 0) for ends in rows if ends[1] == last],
                )
                for last in lasts
            ],
        )
        for index, name in enumerate(sets)
    ]
    return draw_panels(panels, title=f"{title} over the ends of the sequence")


EXPERIMENT = Experiment(
    name="deltadiff-table-2",
    title="The ends of the shifting sequence",
    source=f"{DELTADIFF}, Table II.",
    run=_run,
    trains=True,
    measures=True,
)
