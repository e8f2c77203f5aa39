"""Small ResShift models over T, p and kappa, which Table 1 and Fig. 7 of its paper share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deltasr.experiments.experiment import Settings
from deltasr.experiments.resshift.figure_3 import paper_schedule
from deltasr.experiments.runs import Run, budgeted, trained
from deltasr.experiments.tables import Row

_IMAGES = 16_000


@dataclass(frozen=True, kw_only=True)
class Point:
    """A setting of the process; the default is the paper's choice."""

    steps: int = 15
    p: float = 0.3
    kappa: float = 2.0

    def __str__(self) -> str:
        return f"T = {self.steps}, p = {self.p:g}, kappa = {self.kappa:g}"


CHOSEN = Point()


def point_of(row: Row) -> Point:
    """The setting in a row with the columns T, p and kappa."""
    steps, p, kappa = (float(row.cells[title] or 0) for title in ("T", "p", "kappa"))
    return Point(steps=int(steps), p=p, kappa=kappa)


def over_steps(settings: Settings) -> list[Point]:
    """The chosen setting, with other numbers of steps: those of Table 1, and the released four."""
    return [replace(CHOSEN, steps=steps) for steps in ((4, 15) if settings.quick else (4, 10, 15, 30, 40, 50))]


def over_p(settings: Settings) -> list[Point]:
    """The chosen setting, with other growth exponents."""
    return [replace(CHOSEN, p=p) for p in ((0.3, 1.0) if settings.quick else (0.3, 0.5, 1.0, 2.0, 3.0))]


def over_kappa(settings: Settings) -> list[Point]:
    """The chosen setting, with other noise strengths."""
    return [replace(CHOSEN, kappa=kappa) for kappa in ((0.5, 2.0) if settings.quick else (0.5, 1.0, 2.0, 8.0, 16.0))]


def train_point(point: Point, settings: Settings) -> Run:
    """A small ResShift trained in this setting by the paper's loss."""
    ends = paper_schedule(steps=point.steps, p=point.p, kappa=point.kappa)
    recipe = budgeted(
        "resshift-small",
        settings,
        full=_IMAGES,
        steps=point.steps,
        p=point.p,
        kappa=point.kappa,
        eta_1=ends.eta[1],
        eta_T=ends.eta[-1],
    )
    return trained(f"resshift-T{point.steps}-p{point.p:g}-kappa{point.kappa:g}", recipe, settings)
