"""DeltaDiff's Fig. 4: forward and reverse strips of a process without noise, and of ResShift's with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.process import forward_marginal
from deltasr.errors import SettingError
from deltasr.evaluation.metrics import psnr_y, to_8_bit_levels
from deltasr.evaluation.sets import Pair
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.papers import DELTADIFF
from deltasr.experiments.plots import Panel, Series, Strip, draw_panels, draw_strips
from deltasr.experiments.runs import Run, budgeted, scale_of, trained
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.imaging import read_rgb8
from deltasr.models import catalogue
from deltasr.models.chain import ChainModel

_IMAGES = 32_000
_SIDE = 64
"""LR pixels of the part that is shown; a Swin U-Net takes this size without padding."""
_NEEDED = "resshift"
"""Name of the checkpoint that is used instead of a training."""

_PROCESS, _KAPPA, _STEP, _ETA = "process", "kappa", "t", "eta_t"
_STATE, _PREDICTION, _FORWARD = "PSNR-Y of x_t", "PSNR-Y of the prediction", "PSNR-Y of x_t, forward"
_COLUMNS = (
    Column(title=_PROCESS),
    Column(title=_KAPPA, digits=1),
    Column(title=_STEP),
    Column(title=_ETA, digits=4),
    Column(title=_FORWARD, digits=2),
    Column(title=_STATE, digits=2),
    Column(title=_PREDICTION, digits=2),
)


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """A process on one picture: states of the forward process by t, states and predictions of the reverse process."""

    name: str
    model: ChainModel
    forward: dict[int, Tensor]
    reverse: dict[int, tuple[Tensor, Tensor]]

    @torch.inference_mode()
    def picture(self, code: Tensor) -> Tensor:
        return to_8_bit_levels(self.model.decode(code))


def _run(settings: Settings) -> Result:
    pair = settings.sets[0].benchmark.pairs[0]
    lr, hr = _middle(pair)
    resshift, runs = _resshift(settings)
    ours = _chain_model(catalogue.DEFAULT, stochastic=False)
    chains = [_chain("DeltaDiff", ours, lr, hr), _chain("ResShift", resshift, lr, hr)]
    rows = [row for chain in chains for row in _rows(chain, hr)]
    strips = [strip for chain in chains for strip in _strips(chain)]
    trainings = (
        (scale_of(runs, settings.device),)
        if runs
        else ("ResShift is the checkpoint that was given; nothing was trained.",)
    )
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        plots=(draw_strips(strips, title=f"{pair.name}: forward and reverse"), _plot(rows)),
        scale=(
            *trainings,
            f"Shown: the middle {_SIDE * 4}x{_SIDE * 4} pixels of {pair.name}; DeltaDiff is the bundled {ours.name}.",
            "The paper: its figure has pictures without numbers.",
        ),
        notes=(
            "PSNR-Y (dB) against the HR picture, the scale's border left out. DeltaDiff's states hold no noise; that "
            "of ResShift's has a standard deviation of kappa sqrt(eta_t) in codes from -1 to 1, clamped to be shown.",
            "ResShift's predictions here are in pixel-unshuffle codes, not in those of the paper's autoencoder.",
        ),
    )


def _resshift(settings: Settings) -> tuple[ChainModel, list[Run]]:
    """The checkpoint called `resshift`, or one trained here by ResShift's released schedule of four steps."""
    if others := settings.checkpoints.keys() - {_NEEDED}:
        raise SettingError(f"--checkpoint {min(others)} has no place in the strips; name it {_NEEDED}.")
    if path := settings.checkpoints.get(_NEEDED):
        return _chain_model(path, stochastic=True), []
    if settings.data is None:
        raise SettingError(
            f"The strips of ResShift need a model: give --checkpoint {_NEEDED}=FILE, or pictures to train on by --data."
        )
    run = trained("resshift-small", budgeted("resshift-small", settings, full=_IMAGES), settings)
    return _chain_model(run.weights, stochastic=True), [run]


def _chain_model(name: str | Path, *, stochastic: bool) -> ChainModel:
    model = catalogue.load(name)
    if not isinstance(model, ChainModel) or model.stochastic != stochastic:
        noise = "with noise, as ResShift's" if stochastic else "without noise, as DeltaDiff's"
        raise SettingError(f"{name} is no model whose steps are {noise}, which the strips show; name one.")
    return model


def _middle(pair: Pair) -> tuple[Tensor, Tensor]:
    """(1, 3, 64, 64) and (1, 3, 256, 256) in [0, 1]: the middle of a pair of pictures."""
    if pair.lr is None:
        raise SettingError(f"{pair.hr} has no LR partner; give a set that has LR pictures.")
    hr, lr = read_rgb8(pair.hr), read_rgb8(pair.lr)
    if min(lr.shape[:2]) < _SIDE:
        raise SettingError(f"{pair.lr} is smaller than {_SIDE} pixels on one side; give a set with larger pictures.")
    top, left = ((side - _SIDE) // 2 for side in lr.shape[:2])
    lr = lr[top : top + _SIDE, left : left + _SIDE]
    hr = hr[4 * top : 4 * (top + _SIDE), 4 * left : 4 * (left + _SIDE)]
    return _tensor(lr), _tensor(hr)


def _tensor(levels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(levels.copy()).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def _chain(name: str, model: ChainModel, lr: Tensor, hr: Tensor) -> _Chain:
    y_0, _ = model.predictor(lr)
    noise = NoiseField()
    x_0 = model.encode(hr)
    forward = {
        t: forward_marginal(x_0, y_0, t, model.schedule, noise(t, x_0)) for t in range(1, model.schedule.steps + 1)
    }
    reverse: dict[int, tuple[Tensor, Tensor]] = {}
    model(lr, callback=lambda t, x_t, prediction: reverse.update({t: (x_t, prediction)}))
    return _Chain(name=name, model=model, forward=forward, reverse=reverse)


def _rows(chain: _Chain, hr: Tensor) -> list[Row]:
    schedule = chain.model.schedule
    rows = []
    for t, (state, prediction) in chain.reverse.items():
        codes = {_FORWARD: chain.forward[t], _STATE: state, _PREDICTION: prediction}
        scores = {title: float(psnr_y(chain.picture(code), hr, border=4)) for title, code in codes.items()}
        cells: dict[str, Value] = {_PROCESS: chain.name, _KAPPA: schedule.kappa, _STEP: t, _ETA: schedule.eta[t]}
        rows.append(Row(cells={**cells, **scores}))
    return rows


def _strips(chain: _Chain) -> list[Strip]:
    steps = _spread(chain.model.schedule.steps)
    name = f"{chain.name}, kappa = {chain.model.schedule.kappa:g}"

    def panel(caption: str, code: Tensor) -> tuple[str, NDArray[np.uint8]]:
        levels = (chain.picture(code)[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        return caption, levels

    downwards = steps[::-1]
    return [
        Strip(label=f"{name}\nforward", pictures=[panel(f"x_{t}", chain.forward[t]) for t in steps]),
        Strip(label=f"{name}\nreverse", pictures=[panel(f"x_{t}", chain.reverse[t][0]) for t in downwards]),
        Strip(label=f"{name}\nprediction", pictures=[panel(f"at t = {t}", chain.reverse[t][1]) for t in downwards]),
    ]


def _spread(steps: int, most: int = 5) -> list[int]:
    """At most `most` of the steps 1..T, the first and the last among them."""
    if steps <= most:
        return list(range(1, steps + 1))
    return [round(1 + number * (steps - 1) / (most - 1)) for number in range(most)]


def _plot(rows: Sequence[Row]) -> bytes:
    names = list(dict.fromkeys(str(row.cells[_PROCESS]) for row in rows))
    panels = [
        Panel(
            title=name,
            x="t (the reverse process goes from right to left)",
            y="PSNR-Y (dB)",
            series=[
                Series(
                    label=title.removeprefix("PSNR-Y of "),
                    x=[float(row.cells[_STEP] or 0) for row in rows if row.cells[_PROCESS] == name],
                    y=[float(row.cells[title] or 0) for row in rows if row.cells[_PROCESS] == name],
                )
                for title in (_FORWARD, _STATE, _PREDICTION)
            ],
        )
        for name in names
    ]
    return draw_panels(panels, title="Fidelity along the chains")


EXPERIMENT = Experiment(
    name="deltadiff-figure-4",
    title="Forward and reverse strips of both processes",
    source=f"{DELTADIFF}, Fig. 4.",
    run=_run,
    may_train=True,
    measures=True,
    compares=True,
)
