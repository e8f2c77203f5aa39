"""ResShift's Table 2: parameters, operations and seconds of the published configuration, beside our DeltaDiff."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor, nn

from deltasr.devices import find_device
from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import SettingError
from deltasr.experiments.costs import count_operations, parameters_of
from deltasr.experiments.experiment import SCALE, Experiment, Result, Settings
from deltasr.experiments.measuring import LPIPS, PICTURES, PSNR, SET
from deltasr.experiments.methods import about_latent_diffusion, given_models
from deltasr.experiments.papers import (
    CLIPIQA,
    METHOD,
    MILLIONS,
    RESSHIFT,
    RESSHIFT_COSTS,
    RUNTIME,
    ldm_eta,
    ldm_steps,
    published,
    remarks,
)
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table, Value
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.models.ldm import LatentDiffusion
from deltasr.models.resshift import ResShift

_SIDE = 64
_REPETITIONS = 3

_STEPS, _GFLOP, _ON = "steps", "GFLOP", "on"
_TABLE = "resshift-table-2"
_COLUMNS = (
    Column(title=METHOD),
    Column(title=_STEPS),
    Column(title=MILLIONS, digits=2),
    Column(title=_GFLOP, digits=1),
    Column(title=RUNTIME, digits=3),
    Column(title=_ON),
    *(Column(title=title) for title in (SET, PICTURES, PSNR, LPIPS)),
    Column(title=CLIPIQA),
)


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A number for each of the parts of a run of the published configuration."""

    encode: float
    step: float
    decode: float

    def total(self, steps: int) -> float:
        return self.encode + steps * self.step + self.decode


def _calls(model: ResShift, device: torch.device | str, *, quantise: bool) -> dict[str, Callable[[], Tensor]]:
    """The parts of a 64x64 to 256x256 run, each as a call without arguments."""
    assert model.autoencoder is not None, "the published configuration has an autoencoder"
    code = torch.zeros(1, 3, _SIDE, _SIDE, device=device)
    picture = torch.zeros(1, 3, _SIDE * model.scale, _SIDE * model.scale, device=device)
    t = torch.zeros(1, dtype=torch.long, device=device)
    autoencoder = model.autoencoder
    return {
        "encode": lambda: autoencoder.encode(picture),
        "step": lambda: model.denoiser(code, code, t),
        "decode": lambda: autoencoder.decode(code, quantise=quantise),
    }


def published_gflop() -> _Parts:
    """Billions of operations, a multiplication and an addition counted as two; the codebook's search left out."""
    with torch.device("meta"):
        model = ResShift()
    return _Parts(
        **{name: count_operations(call) / 1e9 for name, call in _calls(model, "meta", quantise=False).items()},
    )


@torch.inference_mode()
def _timed(call: Callable[[], object], device: torch.device, repetitions: int) -> float:
    """Median wall-clock seconds of a call, after one that does not count unless it is the only one."""
    taken = []
    for _ in range(repetitions + (repetitions > 1)):
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        taken.append(time.perf_counter() - started)
    return median(taken[-repetitions:])


def _run(settings: Settings) -> Result:
    device = find_device(settings.device)
    on = machine(settings.device)
    repetitions = 1 if settings.quick else _REPETITIONS
    settings.refuse_checkpoints_named((catalogue.DEFAULT, "ResShift"))
    settings.say("building the published configuration with random weights")
    torch.manual_seed(0)
    model = ResShift(eta=PRESETS["resshift-s15"].eta, kappa=PRESETS["resshift-s15"].kappa).to(device).eval()
    lr = torch.zeros(1, 3, _SIDE, _SIDE, device=device)
    gflop = published_gflop()
    settings.say("timing its parts")
    calls = _calls(model, device, quantise=True)
    seconds = _Parts(**{name: _timed(call, device, repetitions) for name, call in calls.items()})
    rows = [
        _row("ResShift's first stage: encode and decode", 0, _first_stage(model), gflop.total(0), seconds.total(0), on),
        _row("ResShift's denoiser: one step", 1, model.denoiser, gflop.step, seconds.step, on),
    ]
    for preset in ("resshift-s15", "resshift-s4"):
        schedule = PRESETS[preset]
        model.schedule = schedule
        if settings.quick:
            whole = seconds.total(schedule.steps)
        else:
            settings.say(f"timing {schedule.steps} steps")
            whole = _timed(lambda: model(lr), device, repetitions)
        rows.append(_row("ResShift", schedule.steps, model, gflop.total(schedule.steps), whole, on))
    others = {f"{catalogue.DEFAULT} (ours)": catalogue.load(catalogue.DEFAULT)}
    others |= given_models(settings, eta=ldm_eta())
    for name, other in others.items():
        settings.say(f"timing {name}")
        rows += [_whole(name, model, lr, on) for model in _in_steps(other.to(device))]
    how = (
        "each part timed once and the seconds of whole runs added up"
        if settings.quick
        else f"whole runs, median of {_REPETITIONS}"
    )
    timed = [row for row in rows if row.cells[_STEPS]]
    return Result(
        table=Table(columns=_COLUMNS, rows=(*rows, *_published(), *RESSHIFT_COSTS)),
        plots=(_plot(timed, on),),
        scale=(
            f"This run: one {_SIDE}x{_SIDE} picture to {4 * _SIDE}x{4 * _SIDE}, float32, {on}; ResShift with random "
            f"weights, {how}; {', '.join(others)} in whole runs, median of {_REPETITIONS}.",
        ),
        notes=(
            "GFLOP: torch.utils.flop_counter, a multiplication and an addition counted as two, without the codebook's "
            "search.",
            "Seconds are of this machine: compare them within this run, not with those of an accelerator.",
            *remarks(_TABLE),
            about_latent_diffusion(ldm_eta(), steps=ldm_steps(_TABLE)),
            "The paper's PSNR, LPIPS and CLIPIQA are of its own test set; this run measures costs alone.",
            "Parameters: the paper counts the denoiser alone, this run and the two other sources the first stage too.",
        ),
    )


def _in_steps(model: Model) -> Iterator[Model]:
    """The model; latent diffusion again and again, with each number of steps that the paper has."""
    if not isinstance(model, LatentDiffusion):
        yield model
        return
    for steps in ldm_steps(_TABLE):
        model.use_steps(steps)
        yield model


def _whole(name: str, model: Model, lr: Tensor, on: str) -> Row:
    """A row of a model that is run as a whole.

    Raises:
        SettingError: it cannot take the picture.
    """
    needed = model.size_requirements
    if model.scale != SCALE or needed.minimum > _SIDE or _SIDE % needed.multiple_of:
        raise SettingError(
            f"{name} is for scale {model.scale} and multiples of {needed.multiple_of} pixels; the table is of "
            f"x{SCALE} from {_SIDE}x{_SIDE} pixels, so leave it out."
        )
    seconds = _timed(lambda: model(lr), lr.device, _REPETITIONS)
    return _row(name, model.steps, model, count_operations(lambda: model(lr)) / 1e9, seconds, on)


def _published() -> list[Row]:
    rows = published(_TABLE, dataset="ImageNet-Test")
    return [replace(row, cells={**row.cells, _ON: "NVIDIA Tesla V100"}) for row in rows]


def _first_stage(model: ResShift) -> nn.Module:
    assert model.autoencoder is not None, "the published configuration has an autoencoder"
    return model.autoencoder


def _row(method: str, steps: int, network: nn.Module, gflop: float, seconds: float, on: str) -> Row:
    cells: dict[str, Value] = {METHOD: method, _STEPS: steps, MILLIONS: parameters_of(network) / 1e6}
    return Row(cells={**cells, _GFLOP: gflop, RUNTIME: seconds, _ON: on})


def _plot(rows: list[Row], on: str) -> bytes:
    points = [
        Series(
            label=f"{row.cells[METHOD]}, {row.cells[_STEPS]} step{'s' if row.cells[_STEPS] != 1 else ''}",
            x=[float(row.cells[_GFLOP] or 0)],
            y=[float(row.cells[RUNTIME] or 0)],
            joined=False,
        )
        for row in rows
    ]
    panel = Panel(title=on, x="GFLOP", y="seconds", series=points, logarithmic=True)
    return draw_panels([panel], title=f"One picture, {_SIDE}x{_SIDE} to {4 * _SIDE}x{4 * _SIDE}")


EXPERIMENT = Experiment(
    name=_TABLE,
    title="Runtime and parameters",
    source=f"{RESSHIFT}, Table 2.",
    run=_run,
    compares=True,
)
