"""ResShift's Table 1: fidelity and realism over T, p and kappa."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import LPIPS, PSNR, SCORE_COLUMNS, SET, Meter
from deltasr.experiments.no_reference import NO_REFERENCE_COLUMNS, about, installed_metrics
from deltasr.experiments.papers import RESSHIFT, published, remarks, resshift_scale
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.resshift.grid import CHOSEN, Point, over_kappa, over_p, over_steps, point_of, train_point
from deltasr.experiments.runs import scale_of
from deltasr.experiments.tables import Column, Row, Table, Value

_COLUMNS = (
    Column(title="T"),
    Column(title="p", digits=1),
    Column(title="kappa", digits=1),
    *SCORE_COLUMNS,
    *NO_REFERENCE_COLUMNS,
)
_TABLE = "resshift-table-1"


def _cells(point: Point) -> dict[str, Value]:
    return {"T": point.steps, "p": point.p, "kappa": point.kappa}


def _run(settings: Settings) -> Result:
    metrics, left_out = installed_metrics()
    meter = Meter(settings, further=metrics)
    axes = {"T": over_steps(settings), "p": over_p(settings), "kappa": over_kappa(settings)}
    points = list(dict.fromkeys(point for values in axes.values() for point in values))
    runs = {point: train_point(point, settings) for point in points}
    rows = {point: meter.rows(str(point), run.model(), _cells(point)) for point, run in runs.items()}
    papers = {point_of(row): row for row in published(_TABLE, dataset="ImageNet-Test")}
    ordered = sorted({*points, *papers}, key=lambda point: (point.p, point.kappa, point.steps))
    together = [
        row for point in ordered for row in (*rows.get(point, ()), *([papers[point]] if point in papers else []))
    ]
    measured = [PSNR, *([LPIPS] if meter.has_lpips else [])]
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(together)),
        plots=tuple(_plot(title, axes, rows) for title in measured),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), resshift_scale()),
        notes=(
            *meter.notes(),
            "The paper finds that a larger p improves PSNR and SSIM at the cost of realism (CLIPIQA, MUSIQ), "
            "that fewer steps cost realism, and that kappa from 1 to 2 is the most realistic; it takes T = 15, p = 0.3 "
            "and kappa = 2.",
            *remarks(_TABLE),
            *about(metrics),
            *left_out,
            "Results depend on noise; this run draws that of seed 0.",
        ),
    )


_NUMBER_OF: Mapping[str, Callable[[Point], float]] = {
    "T": lambda point: point.steps,
    "p": lambda point: point.p,
    "kappa": lambda point: point.kappa,
}


def _plot(title: str, axes: Mapping[str, Sequence[Point]], rows: Mapping[Point, Sequence[Row]]) -> bytes:
    sets = [str(row.cells[SET]) for row in rows[CHOSEN]]
    panels = [
        Panel(
            title=", ".join(f"{other} = {_NUMBER_OF[other](CHOSEN):g}" for other in axes if other != axis),
            x=axis,
            y=title,
            series=[
                Series(
                    label=name,
                    x=[_NUMBER_OF[axis](point) for point in points],
                    y=[float(rows[point][index].cells[title] or 0) for point in points],
                )
                for index, name in enumerate(sets)
            ],
        )
        for axis, points in axes.items()
    ]
    return draw_panels(panels, title=f"{title} of small ResShift models")


EXPERIMENT = Experiment(
    name=_TABLE,
    title="Steps, growth exponent and noise strength",
    source=f"{RESSHIFT}, Table 1.",
    run=_run,
    trains=True,
    measures=True,
)
