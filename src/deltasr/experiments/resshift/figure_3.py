"""ResShift's Fig. 3: the shifting sequence and the noise over p and kappa. Nothing is trained."""

from __future__ import annotations

import math

from deltasr.diffusion.schedule import Schedule, geometric_schedule, resshift_paper
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.papers import RESSHIFT
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.tables import Column, Row, Table, Value

_STEPS, _P, _KAPPA = 15, 0.3, 2.0
_EXPONENTS = (0.3, 0.5, 1.0, 2.0, 3.0)
_KAPPAS = (0.5, 1.0, 2.0, 8.0, 16.0)
_HALF_WAY = (_STEPS + 1) // 2

_COLUMNS = (
    Column(title="p", digits=1),
    Column(title="kappa", digits=1),
    Column(title="sqrt(eta_1)", digits=5),
    Column(title=f"sqrt(eta_{_HALF_WAY})", digits=5),
    Column(title="sqrt(eta_T)", digits=5),
    Column(title="kappa sqrt(eta_1)", digits=5),
    Column(title=f"kappa sqrt(eta_{_HALF_WAY})", digits=5),
    Column(title="kappa sqrt(eta_T)", digits=5),
)


def paper_schedule(*, steps: int, p: float, kappa: float) -> Schedule:
    """ResShift's schedule with its ends as the paper has them: eta_1 = min((0.04/kappa)^2, 0.001), eta_T = 0.999."""
    ends = resshift_paper(kappa)
    return geometric_schedule(steps=steps, p=p, kappa=kappa, eta_1=ends.eta[1], eta_T=ends.eta[-1])


def _row(p: float, kappa: float) -> Row:
    schedule = paper_schedule(steps=_STEPS, p=p, kappa=kappa)
    roots = [math.sqrt(schedule.eta[t]) for t in (1, _HALF_WAY, _STEPS)]
    values = [p, kappa, *roots, *(kappa * root for root in roots)]
    return Row(cells=dict(zip((column.title for column in _COLUMNS), values, strict=True)))


def _paper_row(kappa: float) -> Row:
    """What the paper states of the ends, for any p (below eq. 9)."""
    first, last = math.sqrt(min((0.04 / kappa) ** 2, 0.001)), math.sqrt(0.999)
    cells: dict[str, Value] = {
        "p": "any",
        "kappa": kappa,
        "sqrt(eta_1)": first,
        "sqrt(eta_T)": last,
        "kappa sqrt(eta_1)": kappa * first,
        "kappa sqrt(eta_T)": kappa * last,
    }
    return Row(cells=cells, source="paper")


def _run(settings: Settings) -> Result:
    rows = [_row(p, _KAPPA) for p in _EXPONENTS] + [_row(_P, kappa) for kappa in _KAPPAS if kappa != _KAPPA]
    rows += [_paper_row(kappa) for kappa in _KAPPAS]
    steps = range(1, _STEPS + 1)
    speed = Panel(
        title=f"Shifting speed, kappa = {_KAPPA:g}",
        x="t",
        y="sqrt(eta_t)",
        series=[
            Series(
                label=f"p = {p:g}",
                x=steps,
                y=[math.sqrt(eta) for eta in paper_schedule(steps=_STEPS, p=p, kappa=_KAPPA).eta[1:]],
            )
            for p in _EXPONENTS
        ],
    )
    noise = Panel(
        title=f"Relative noise, p = {_P:g}",
        x="t",
        y="kappa sqrt(eta_t)",
        logarithmic=True,
        series=[
            Series(
                label=f"kappa = {kappa:g}",
                x=steps,
                y=[paper_schedule(steps=_STEPS, p=_P, kappa=kappa).relative_noise(t) for t in steps],
            )
            for kappa in _KAPPAS
        ],
    )
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        plots=(draw_panels([speed, noise], title=f"Schedules of T = {_STEPS} steps"),),
        scale=(f"Computed from ResShift's eq. 9 and 10 at T = {_STEPS}; nothing is trained or measured.",),
        notes=("The paper's rows are the ends that it states; its figure has curves without numbers.",),
    )


EXPERIMENT = Experiment(
    name="resshift-figure-3",
    title="Schedules: shifting speed and relative noise",
    source=f"{RESSHIFT}, Fig. 3.",
    run=_run,
)
