"""ResShift's Fig. 3: the shifting sequence and the noise over p and kappa, and states of the forward process.

Nothing is trained.
"""

from __future__ import annotations

import math

from deltasr.diffusion.schedule import Schedule, geometric_schedule, resshift_paper
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.papers import RESSHIFT
from deltasr.experiments.pictures import hr_and_lr
from deltasr.experiments.plots import Panel, Series, draw_panels, draw_strips
from deltasr.experiments.resshift.states import LDM_STEPS, Example, ldm_relative_noise
from deltasr.experiments.tables import Column, Row, Table, Value

_STEPS, _P, _KAPPA = 15, 0.3, 2.0
_EXPONENTS = (0.3, 0.5, 1.0, 2.0, 3.0)
_KAPPAS = (0.5, 1.0, 2.0, 8.0, 16.0)
_SHOWN_KAPPAS = (0.5, 2.0, 8.0, 16.0)
"""Of the strips (a) to (d); the paper's are not among the settings that are known of it."""
_SHOWN_STEPS = (1, 3, 5, 7, 9, 12, 15)
_SHOWN_INCHES = 0.9
_LONG = {"p": 0.8, "kappa": 40.0}
"""The process of strip (e), which has as many steps as LDM's."""
_LONG_STEPS = (100, 200, 400, 600, 800, 900, 1000)

_PROCESS, _T, _FIRST, _HALF_WAY, _LAST = "process", "T", "t = 1", "t = (T+1)/2", "t = T"
_TRUE = "true ratio"
_COLUMNS = (
    Column(title=_PROCESS),
    Column(title=_T),
    Column(title="p", digits=1),
    Column(title="kappa", digits=1),
    *(Column(title=f"sqrt(eta), {at}", digits=5) for at in (_FIRST, _HALF_WAY, _LAST)),
    *(Column(title=f"relative noise, {at}", digits=5) for at in (_FIRST, _HALF_WAY, _LAST)),
)
_TRUE_COLUMNS = tuple(Column(title=f"{_TRUE}, {at}", digits=5) for at in (_FIRST, _HALF_WAY, _LAST))


def paper_schedule(*, steps: int, p: float, kappa: float) -> Schedule:
    """ResShift's schedule with its ends as the paper has them: eta_1 = min((0.04/kappa)^2, 0.001), eta_T = 0.999."""
    ends = resshift_paper(kappa)
    return geometric_schedule(steps=steps, p=p, kappa=kappa, eta_1=ends.eta[1], eta_T=ends.eta[-1])


def _row(p: float, kappa: float, example: Example | None, *, steps: int = _STEPS) -> Row:
    schedule = paper_schedule(steps=steps, p=p, kappa=kappa)
    places = {_FIRST: 1, _HALF_WAY: (steps + 1) // 2, _LAST: steps}
    cells: dict[str, Value] = {_PROCESS: "ResShift", _T: steps, "p": p, "kappa": kappa}
    for at, t in places.items():
        cells[f"sqrt(eta), {at}"] = math.sqrt(schedule.eta[t])
        cells[f"relative noise, {at}"] = schedule.relative_noise(t)
        if example is not None:
            cells[f"{_TRUE}, {at}"] = example.true_ratio(schedule, t)
    return Row(cells=cells)


def _ldm_row(example: Example | None) -> Row:
    cells: dict[str, Value] = {_PROCESS: "LDM", _T: LDM_STEPS}
    for at, t in {_FIRST: 1, _HALF_WAY: (LDM_STEPS + 1) // 2, _LAST: LDM_STEPS}.items():
        cells[f"relative noise, {at}"] = ldm_relative_noise(t)
        if example is not None:
            cells[f"{_TRUE}, {at}"] = example.true_ldm_ratio(t)
    return Row(cells=cells)


def _paper_row(kappa: float) -> Row:
    """What the paper states of the ends, for any p (below eq. 9)."""
    first, last = math.sqrt(min((0.04 / kappa) ** 2, 0.001)), math.sqrt(0.999)
    cells: dict[str, Value] = {
        _PROCESS: "ResShift",
        _T: "any",
        "p": "any",
        "kappa": kappa,
        f"sqrt(eta), {_FIRST}": first,
        f"sqrt(eta), {_LAST}": last,
        f"relative noise, {_FIRST}": kappa * first,
        f"relative noise, {_LAST}": kappa * last,
    }
    return Row(cells=cells, source="paper")


def _run(settings: Settings) -> Result:
    example = _example(settings)
    rows = [_row(p, _KAPPA, example) for p in _EXPONENTS]
    rows += [_row(_P, kappa, example) for kappa in _KAPPAS if kappa != _KAPPA]
    rows += [_row(_LONG["p"], _LONG["kappa"], example, steps=LDM_STEPS), _ldm_row(example)]
    rows += [_paper_row(kappa) for kappa in (*_KAPPAS, _LONG["kappa"])]
    curves = draw_panels([_noise(None), _speed()], title="Schedules: (g) and (h)")
    shown: tuple[str, ...] = ()
    if example is not None:
        shown = (
            f"Shown: the middle of {example.name}, in pixels from -1 to 1 and not in codes of the paper's autoencoder; "
            "states are clamped to be shown, and all have the same noise.",
        )
    return Result(
        table=Table(columns=(*_COLUMNS, *(_TRUE_COLUMNS if example else ())), rows=tuple(rows)),
        plots=(curves,) if example is None else (_strips(example), curves, _true_ratios(example)),
        scale=("Computed from ResShift's eq. 2, 9 and 10 and LDM's betas; nothing is trained or measured.", *shown),
        notes=(
            "The paper's rows are the ends that it states; its figure has curves and pictures without numbers.",
            "Relative noise is kappa sqrt(eta_t), and of LDM sqrt((1 - a_t) / a_t) with a_t the product of 1 - beta: "
            "sqrt(1 / SNR) for a signal of variance 1. Its betas are those of the released model for super-resolution: "
            "their roots go evenly from sqrt(0.0015) to sqrt(0.0155) in 1,000 steps.",
            *(
                (f"The {_TRUE} divides by the standard deviation that the signal of the shown picture really has.",)
                if example
                else ("Without --set there are no states of a picture, (a) to (f), and no true ratio of its noise.",)
            ),
        ),
    )


def _example(settings: Settings) -> Example | None:
    if not settings.sets:
        return None
    (pair, *_) = settings.sets[0].benchmark.pairs
    return Example.of(pair.name, *hr_and_lr(pair))


def _strips(example: Example) -> bytes:
    strips = [
        example.strip(f"({letter}) kappa = {kappa:g}", paper_schedule(steps=_STEPS, p=_P, kappa=kappa), _SHOWN_STEPS)
        for letter, kappa in zip("abcd", _SHOWN_KAPPAS, strict=True)
    ]
    long = f"(e) kappa = {_LONG['kappa']:g}, p = {_LONG['p']:g}"
    strips += [example.strip(long, _long_schedule(), _LONG_STEPS), example.ldm_strip("(f) LDM", _LONG_STEPS)]
    title = f"{example.name}: states, (a) to (d) of T = {_STEPS} steps at p = {_P:g}, (e) and (f) of {LDM_STEPS:,}"
    return draw_strips(strips, title=title, side=_SHOWN_INCHES)


def _long_schedule() -> Schedule:
    return paper_schedule(steps=LDM_STEPS, p=_LONG["p"], kappa=_LONG["kappa"])


def _speed() -> Panel:
    return Panel(
        title=f"Shifting speed, kappa = {_KAPPA:g}, T = {_STEPS}",
        x="t",
        y="sqrt(eta_t)",
        series=[
            Series(
                label=f"p = {p:g}",
                x=range(1, _STEPS + 1),
                y=[math.sqrt(eta) for eta in paper_schedule(steps=_STEPS, p=p, kappa=_KAPPA).eta[1:]],
            )
            for p in _EXPONENTS
        ],
    )


def _noise(example: Example | None) -> Panel:
    """Noise over the share of the steps taken: relative, or of a picture the true ratio."""

    def ratio(schedule: Schedule, t: int) -> float:
        return schedule.relative_noise(t) if example is None else example.true_ratio(schedule, t)

    steps, many = range(1, _STEPS + 1), (1, *range(25, LDM_STEPS + 1, 25))
    long = _long_schedule()
    series = []
    for kappa in _KAPPAS:
        schedule = paper_schedule(steps=_STEPS, p=_P, kappa=kappa)
        series.append(
            Series(label=f"kappa = {kappa:g}", x=[t / _STEPS for t in steps], y=[ratio(schedule, t) for t in steps])
        )
    share = [t / LDM_STEPS for t in many]
    series.append(
        Series(label=f"kappa = {_LONG['kappa']:g}, p = {_LONG['p']:g}", x=share, y=[ratio(long, t) for t in many])
    )
    of_ldm = ldm_relative_noise if example is None else example.true_ldm_ratio
    series.append(Series(label="LDM", x=share, y=[of_ldm(t) for t in many]))
    name = "Relative noise" if example is None else f"Noise over the signal of {example.name}"
    return Panel(title=f"{name}, p = {_P:g}", x="t / T", y="ratio", logarithmic=True, series=series)


def _true_ratios(example: Example) -> bytes:
    return draw_panels([_noise(example)], title="The true ratio")


EXPERIMENT = Experiment(
    name="resshift-figure-3",
    title="Schedules: shifting speed, relative noise, and states of a picture",
    source=f"{RESSHIFT}, Fig. 3.",
    run=_run,
    may_measure=True,
)
