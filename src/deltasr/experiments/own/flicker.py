"""Flicker: how far a model's results for consecutive frames differ where the scene does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from deltasr.evaluation.metrics import psnr_y
from deltasr.experiments.experiment import SCALE, Experiment, Result, Settings
from deltasr.experiments.measuring import PICTURES, PSNR, SET, shown
from deltasr.experiments.own.motion import BORDER, LARGEST_SIDE, Frame, flicker, moving_window, shrunk
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table
from deltasr.imaging import Picture, read_rgb8
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.base import Model

SHIFTS = (0, 1, 2, 4)
"""Motion in HR pixels per frame, down and to the right; 4 is one LR pixel."""

FRAMES, QUICK_FRAMES = 5, 3

_MODEL, _NOISE = "model", "noise"
_SAME, _NEW = "the same in every frame", "new in every frame"
_STANDARD = ("bicubic", "deltadiff-x4", "rrdb-x4", "rrdb-gan-x4")


def _title(shift: int) -> str:
    return "still" if shift == 0 else f"{shift}/{SCALE}" if shift < SCALE else f"{shift // SCALE}"


_COLUMNS = (
    Column(title=_MODEL),
    Column(title=_NOISE),
    Column(title=SET),
    Column(title=PICTURES),
    *(Column(title=_title(shift), digits=3) for shift in SHIFTS),
    Column(title=PSNR, digits=2),
)


@dataclass(frozen=True, kw_only=True)
class _Method:
    """A row: a model, its fidelity, and how its noise is drawn, for models that use noise."""

    name: str
    model: Model
    fidelity: float | None = None
    noise: str = ""

    @property
    def name_and_fidelity(self) -> str:
        """As in the tables of `deltasr evaluate`."""
        return self.name if self.fidelity is None else f"{self.name}@{self.fidelity:g}"

    @property
    def label(self) -> str:
        """For plots and messages."""
        return f"{self.name_and_fidelity}, noise {self.noise}" if self.noise else self.name_and_fidelity

    def frames(self, upscaler: Upscaler, small: Sequence[Frame]) -> list[Frame]:
        """Its results for the LR frames of a clip; one run for frames that are the same and get the same noise."""
        results: list[Frame] = []
        for number, lr in enumerate(small):
            if results and self.noise != _NEW and (lr == small[number - 1]).all():
                results.append(results[-1])
                continue
            upscaled = upscaler.upscale(
                Picture(pixels=lr),
                seed=number if self.noise == _NEW else 0,
                fidelity=self.fidelity,
                restoration=0.0 if self.model.restoring else "auto",
            )
            results.append(upscaled.pixels.astype("uint8"))
        return results


def _run(settings: Settings) -> Result:
    sets = [shown(test_set, settings).benchmark for test_set in settings.sets]
    count = QUICK_FRAMES if settings.quick else FRAMES
    rows, lines = [], []
    for method in _methods(settings):
        upscaler = Upscaler(method.model, device=settings.device)
        for benchmark in sets:
            settings.say(f"measuring {method.label} on {benchmark.name}")
            levels, psnr = _measure(method, upscaler, [read_rgb8(pair.hr) for pair in benchmark.pairs], count)
            titled = {_title(shift): level for shift, level in levels.items()}
            about = {_MODEL: method.name_and_fidelity, _NOISE: method.noise, SET: benchmark.name}
            rows.append(Row(cells={**about, PICTURES: len(benchmark.pairs), **titled, PSNR: psnr}))
            lines.append((benchmark.name, Series(label=method.label, x=SHIFTS, y=list(levels.values()))))
    panels = [
        Panel(title=one.name, x="motion (HR pixels per frame)", y="flicker (levels)",
              series=[line for name, line in lines if name == one.name])
        for one in sets
    ]  # fmt: skip
    return Result(
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        plots=(draw_panels(panels, title="Difference between aligned frames"),),
        scale=(
            f"This run: {machine(settings.device)}.",
            f"Clips of {count} frames: a window of at most {LARGEST_SIDE}x{LARGEST_SIDE} HR pixels moves over each "
            "picture, diagonally, by a fixed number of HR pixels per frame; each frame is downscaled by our bicubic.",
        ),
        notes=(
            "Columns still to 1: flicker at that motion in LR pixels per frame, along both axes: the root of the mean "
            "squared difference between the luma of a result and that of the next frame's, warped back by the known "
            f"motion, in 8-bit levels, without {BORDER} HR pixels at the edges. The HR frames have 0 everywhere.",
            f"{PSNR}: of the frames that move by 1/4 LR pixel. Smoother results flicker less: read both columns.",
            "Motion by a whole LR pixel only moves what a convolutional network computes; what is left comes from "
            "noise, from what lies beyond the window, and from attention windows, which do not move.",
            "Models that restore ran with --restoration 0.",
        ),
    )


def _measure(
    method: _Method, upscaler: Upscaler, pictures: Sequence[Frame], count: int
) -> tuple[dict[int, float], float]:
    """Flicker in levels by shift, and the mean PSNR-Y of the frames that move by one HR pixel."""
    levels: dict[int, float] = {}
    psnr: list[float] = []
    for shift in SHIFTS:
        squares = []
        for hr in pictures:
            large = moving_window(hr, shift=shift, frames=count)
            results = method.frames(upscaler, [shrunk(frame) for frame in large])
            squares.append(flicker(results, shift))
            if shift == 1:
                psnr += _psnr(results, large)
        levels[shift] = fmean(squares) ** 0.5
    return levels, fmean(psnr)


def _methods(settings: Settings) -> Iterator[_Method]:
    """The catalogue's models to compare, and the checkpoints; models that use noise have two rows each."""
    settings.refuse_checkpoints_named(catalogue.names())
    loaded = {name: catalogue.load(name) for name in _STANDARD}
    loaded |= {name: catalogue.load(path) for name, path in settings.checkpoints.items()}
    for name, model in loaded.items():
        if model.stochastic:
            yield from (_Method(name=name, model=model, noise=noise) for noise in (_SAME, _NEW))
        elif model.dial:
            yield from (_Method(name=name, model=model, fidelity=at) for at in (0.0, model.default_fidelity, 1.0))
        else:
            yield _Method(name=name, model=model)


def _psnr(results: Sequence[Frame], truth: Sequence[Frame]) -> list[float]:
    return [float(value) for value in psnr_y(_batch(results), _batch(truth), border=BORDER)]


def _batch(frames: Sequence[Frame]) -> Tensor:
    return torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in frames]).double() / 255


EXPERIMENT = Experiment(
    name="flicker",
    title="Flicker: aligned frames of moving pictures",
    source="No paper's: docs/experiments.md says how it is measured.",
    run=_run,
    measures=True,
    compares=True,
)
