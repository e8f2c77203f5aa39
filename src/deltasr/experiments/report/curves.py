"""Loss curves of trainings: every weighted loss term, and the discriminator's outputs for real pictures and results."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import Run

Curve = tuple[list[int], list[float]]
"""Images seen, and means over the steps up to there."""

_OUTPUTS = {"D(real)": "d_real", "D(fake)": "d_fake"}


def loss_plots(runs: Mapping[str, Run]) -> list[bytes]:
    """A plot of each weighted loss term during training, and one of the discriminators' outputs where there are any.

    The outputs are means over real pictures and over results, as probabilities; at 0.5 the two are not told apart.
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
        if term not in _OUTPUTS
    ]
    outputs = [
        Panel(
            title=label,
            x="images seen",
            y="mean probability of being real",
            series=[_series(name, of_run[name]) for name in _OUTPUTS],
        )
        for label, of_run in curves.items()
        if _OUTPUTS.keys() <= of_run.keys()
    ]
    plots = [draw_panels(losses, title="Loss terms during training")]
    return plots + ([draw_panels(outputs, title="Outputs of the discriminator")] if outputs else [])


def curves_of(run: Run) -> dict[str, Curve]:
    """The loss terms of a run and the outputs `D(real)` and `D(fake)`, by name, over windows of equal length.

    Metrics are also logged where a state is saved or a run was interrupted. Such a shorter window is joined with those
    after it, because a mean over one or two steps scatters more than the others.
    """
    entries = [entry for entry in run.entries if entry["kind"] == "train"]
    lengths = [later - earlier for earlier, later in pairwise([0, *(entry["images"] for entry in entries)])]
    curves: dict[str, Curve] = {}
    window: list[tuple[dict[str, float], int]] = []
    for number, (entry, length) in enumerate(zip(entries, lengths, strict=True), start=1):
        outputs = {name: entry[key] for name, key in _OUTPUTS.items() if key in entry}
        window.append(({**entry["terms"], **outputs}, length))
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
