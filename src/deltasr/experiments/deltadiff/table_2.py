"""DeltaDiff's Table II: the ends of the shifting sequence."""

from __future__ import annotations

from collections.abc import Mapping

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import LPIPS, PSNR, SCORE_COLUMNS, SET, Meter
from deltasr.experiments.papers import DELTADIFF, deltadiff_scale, published, remarks
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import Run, budgeted, scale_of, trained
from deltasr.experiments.tables import Column, Row, Table

_IMAGES = 24_000
_PAPERS_ENDS = ((0.01, 0.8), (0.01, 0.99), (0.2, 0.99), (0.5, 0.999))
_OUR_ENDS = ((0.001, 0.99), (0.01, 0.9), (0.01, 0.999), (0.1, 0.99))
"""One end changed at a time from the paper's choice."""
_TABLE = "deltadiff-table-2"

_FIRST, _LAST = "eta_1", "eta_T"
_ENDS = {"eta_1 (header: eta_t)": _FIRST, "eta_T (header: eta_0)": _LAST}
_COLUMNS = (Column(title=_FIRST), Column(title=_LAST), *SCORE_COLUMNS)


def ends_of(settings: Settings) -> tuple[tuple[float, float], ...]:
    """The pairs eta_1, eta_T to train: the paper's, and without haste ours."""
    return _PAPERS_ENDS if settings.quick else (*_PAPERS_ENDS, *_OUR_ENDS)


def _trained(first: float, last: float, settings: Settings) -> Run:
    recipe = budgeted("deltadiff-tiny-x4", settings, full=_IMAGES, eta_1=first, eta_T=last)
    return trained(f"deltadiff-eta1-{first:g}-etaT-{last:g}", recipe, settings)


def _run(settings: Settings) -> Result:
    meter = Meter(settings)
    runs = {ends: _trained(*ends, settings) for ends in ends_of(settings)}
    rows = {ends: meter.rows(run.label, run.model(), {_FIRST: ends[0], _LAST: ends[1]}) for ends, run in runs.items()}
    papers = {_ends(row): row for row in published(_TABLE, dataset="Set14", settings=_ENDS)}
    together = [row for ends in rows for row in (*rows[ends], *([papers[ends]] if ends in papers else []))]
    measured = [PSNR, *([LPIPS] if meter.perceptual else [])]
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(together)),
        plots=tuple(_plot(title, rows) for title in measured),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), deltadiff_scale()),
        notes=(
            *meter.notes(),
            "The paper trains teacher-forced in VQ-f4 codes; this run on-policy in pixel-unshuffle codes, where the "
            "ends decide only how the steps' predictions are weighed.",
            *remarks(_TABLE),
            "The paper takes eta_1 = 0.01 and eta_T = 0.99 as the best.",
        ),
    )


def _ends(row: Row) -> tuple[float, float]:
    return float(row.cells[_FIRST] or 0), float(row.cells[_LAST] or 0)


def _plot(title: str, rows: Mapping[tuple[float, float], list[Row]]) -> bytes:
    sets = [str(row.cells[SET]) for row in next(iter(rows.values()))]
    lasts = sorted({last for _, last in rows})
    panels = [
        Panel(
            title=name,
            x="eta_1",
            y=title,
            series=[
                Series(
                    label=f"eta_T = {last:g}",
                    x=[ends[0] for ends in sorted(rows) if ends[1] == last],
                    y=[float(rows[ends][index].cells[title] or 0) for ends in sorted(rows) if ends[1] == last],
                )
                for last in lasts
            ],
        )
        for index, name in enumerate(sets)
    ]
    return draw_panels(panels, title=f"{title} over the ends of the sequence")


EXPERIMENT = Experiment(
    name=_TABLE,
    title="The ends of the shifting sequence",
    source=f"{DELTADIFF}, Table II.",
    run=_run,
    trains=True,
    measures=True,
)
