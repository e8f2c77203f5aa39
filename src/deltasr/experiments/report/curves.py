"""Loss curves of trainings: every weighted loss term, and what a discriminator says of real pictures and of results."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import Run

Curve = tuple[list[int], list[float]]
"""Images seen, and means over the steps up to there."""

_VERDICTS = {"D(real)": "d_real", "D(fake)": "d_fake"}


def loss_plots(runs: Mapping[str, Run]) -> dict[str, bytes]:
    """The course of each weighted loss term, `losses`; of the discriminators where there are any, `discriminator`.

    The latter are the mean verdicts on real pictures and on results, as probabilities; 0.5 for both is no opinion.
    """
    curves = {label: curves_of(run) for label, run in runs.items()}
    names = dict.fromkeys(name for of_run in curves.values() for name in of_run)
    losses = [
        Panel(
            title=term,
            x="images seen",
            y="weighted loss",
            logarithmic=True,
            series=[_series(label, of_run[term]) for label, of_run in curves.items() if term in of_run],
        )
        for term in names
        if term not in _VERDICTS
    ]
    verdicts = [
        Panel(
            title=label,
            x="images seen",
            y="mean verdict",
            series=[_series(name, of_run[name]) for name in _VERDICTS],
        )
        for label, of_run in curves.items()
        if _VERDICTS.keys() <= of_run.keys()
    ]
    plots = {"losses": draw_panels(losses, title="Loss terms during training")}
    return plots | ({"discriminator": draw_panels(verdicts, title="The discriminator's verdicts")} if verdicts else {})


def curves_of(run: Run) -> dict[str, Curve]:
    """The loss terms of a run by name, and its verdicts as `D(real)` and `D(fake)`, over windows of equal length.

    Metrics are also logged where a state is saved or a run was interrupted; such a shorter window goes together with
    those after it, since a mean over a step or two would look like news.
    """
    entries = [entry for entry in run.entries if entry["kind"] == "train"]
    lengths = [later - earlier for earlier, later in pairwise([0, *(entry["images"] for entry in entries)])]
    curves: dict[str, Curve] = {}
    window: list[tuple[dict[str, float], int]] = []
    for number, (entry, length) in enumerate(zip(entries, lengths, strict=True), start=1):
        verdicts = {name: entry[key] for name, key in _VERDICTS.items() if key in entry}
        window.append(({**entry["terms"], **verdicts}, length))
        if sum(covered for _, covered in window) < max(lengths) and number < len(entries):
            continue
        for name in dict.fromkeys(name for values, _ in window for name in values):
            weighed = [(values[name], covered) for values, covered in window if name in values]
            images, means = curves.setdefault(name, ([], []))
            images.append(entry["images"])
            means.append(sum(value * covered for value, covered in weighed) / sum(covered for _, covered in weighed))
        window = []
    return curves


def _series(label: str, curve: Curve) -> Series:
    return Series(label=label, x=curve[0], y=curve[1])
