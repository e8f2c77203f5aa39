"""Draw the plots and pictures of docs/method.md, from the package's own schedules, formulas and default model.

    python scripts/method_plots.py [FOLDER]

To be run again when the bundled model changes. Pictures are (1, 3, H, W). The same versions of the libraries give the
same bytes.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import deltasr
from deltasr.diffusion.process import forward_marginal, forward_transition, posterior
from deltasr.diffusion.schedule import PRESETS, Schedule, geometric_schedule
from deltasr.errors import DeltasrError
from deltasr.evaluation.metrics import lr_psnr, psnr_y, to_8_bit_levels
from deltasr.experiments.plots import Panel, Series, Strip, draw_panels, draw_strips, stacked
from deltasr.files import write_whole
from deltasr.imaging import read_rgb8
from deltasr.inference.consistency import determined, project
from deltasr.models.chain import ChainModel
from deltasr.nets import first_stage
from deltasr.resampling.tensors import downscale

_ROOT = Path(__file__).resolve().parents[1]
_EXAMPLE = _ROOT / "examples" / "koala.png"
_SIDE = 96
"""Of the part of the example that is shown, in pixels; it is the HR picture here."""
_MODEL = "deltadiff-x4"
_EXPONENTS = (0.3, 0.5, 1.0, 2.0)
_FIDELITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
_AMPLIFIED = 8
_INCHES = 1.25
_QUALITY = 90


def _example() -> Tensor:
    """The middle of the example, in [0, 1]."""
    pixels = read_rgb8(_EXAMPLE)
    top, left = ((whole - _SIDE) // 2 for whole in pixels.shape[:2])
    return torch.from_numpy(pixels[top : top + _SIDE, left : left + _SIDE].copy()).permute(2, 0, 1)[None].float() / 255


def _upsampled(lr: Tensor, scale: int) -> Tensor:
    """The picture of y_0."""
    return first_stage.decode(first_stage.BicubicCode(scale=scale)(lr), scale)


def _shown(picture: Tensor) -> NDArray[np.uint8]:
    return (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _shown_change(change: Tensor) -> NDArray[np.uint8]:
    """Grey where nothing changes."""
    return _shown(0.5 + _AMPLIFIED * change)


def _as_jpeg(png: bytes) -> bytes:
    """A drawing of photographs in a third of the bytes."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _two_by_two(panels: list[Panel], title: str) -> bytes:
    return stacked([draw_panels(panels[:2], title=title), draw_panels(panels[2:], title="")])


def _by_step(schedule: Schedule, value: Callable[[int], float], label: str, first: int = 1) -> Series:
    """A line over t / T with a point for each step."""
    steps = range(first, schedule.steps + 1)
    return Series(label=label, x=[t / schedule.steps for t in steps], y=[value(t) for t in steps])


def shifting_sequences() -> bytes:
    """eta_t, sqrt(eta_t) and alpha_t of the published schedules, and what the exponent p does."""
    published = PRESETS.items()
    of_exponents = {p: geometric_schedule(steps=15, p=p, kappa=0.0, eta_1=0.01, eta_T=0.99) for p in _EXPONENTS}.items()
    panels = [
        Panel(
            title="the shifting sequence",
            x="t / T",
            y="eta_t",
            series=[_by_step(one, one.eta.__getitem__, name, 0) for name, one in published],
        ),
        Panel(
            title="its square root",
            x="t / T",
            y="sqrt(eta_t)",
            series=[_by_step(one, lambda t, one=one: math.sqrt(one.eta[t]), name, 0) for name, one in published],
        ),
        Panel(
            title="its increments",
            x="t / T",
            y="alpha_t = eta_t - eta_(t-1)",
            series=[_by_step(one, one.alpha, name) for name, one in published],
        ),
        Panel(
            title="the exponent p (T = 15, eta_1 = 0.01, eta_T = 0.99)",
            x="t / T",
            y="eta_t",
            series=[_by_step(one, one.eta.__getitem__, f"p = {p:g}", 0) for p, one in of_exponents],
        ),
    ]
    return _two_by_two(panels, "Shifting sequences")


def reverse_weights() -> bytes:
    """What a reverse step keeps of its state, the noise of states and steps, and the weights in the bound."""

    def added_noise(schedule: Schedule, t: int) -> float:
        nothing = torch.zeros(1, 1, 1, 1)
        return math.sqrt(posterior(nothing, nothing, t, schedule)[1])

    noisy = {name: one for name, one in PRESETS.items() if one.kappa > 0}
    panels = [
        Panel(
            title="share of x_t in the mean of x_(t-1); the rest is the prediction",
            x="t / T",
            y="eta_(t-1) / eta_t",
            series=[
                _by_step(one, lambda t, one=one: one.eta[t - 1] / one.eta[t], name) for name, one in PRESETS.items()
            ],
        ),
        Panel(
            title="noise in the state x_t",
            x="t / T",
            y="kappa sqrt(eta_t)",
            series=[_by_step(one, one.relative_noise, name) for name, one in PRESETS.items()],
        ),
        Panel(
            title="noise that the step from x_t to x_(t-1) adds",
            x="t / T",
            y="kappa sqrt(eta_(t-1) alpha_t / eta_t)",
            series=[_by_step(one, lambda t, one=one: added_noise(one, t), name) for name, one in PRESETS.items()],
        ),
        Panel(
            title="weight of step t in the bound",
            x="t / T",
            y="w_t",
            series=[_by_step(one, one.weight, name) for name, one in noisy.items()],
            logarithmic=True,
        ),
    ]
    return _two_by_two(panels, "Reverse steps")


def forward_process() -> bytes:
    """x_0 to x_T without noise and with ResShift's, the latter by the marginal and step by step."""
    scale = 4
    hr = _example()
    # The formulas are written for any range; ResShift's noise is meant for pictures in [-1, 1].
    x_0, y_0 = (2 * picture - 1 for picture in (hr, _upsampled(downscale(hr, scale), scale)))
    silent = PRESETS["deltadiff"]
    noisy = replace(silent, kappa=2.0)
    generator = torch.Generator().manual_seed(0)
    steps = range(1, silent.steps + 1)
    noises = [torch.randn(x_0.shape, generator=generator) for _ in steps]
    walk = [x_0]
    for t, noise in zip(steps, noises, strict=True):
        walk.append(forward_transition(walk[-1], x_0, y_0, t, noisy, noise))
    rows = {
        "kappa = 0": [x_0, *(forward_marginal(x_0, y_0, t, silent) for t in steps)],
        "kappa = 2, eq. 2": [x_0, *(forward_marginal(x_0, y_0, t, noisy, noises[0]) for t in steps)],
        "kappa = 2, eq. 1": walk,
    }
    strips = [
        Strip(
            label=label,
            pictures=[
                (f"t = {t}, eta = {eta:.2g}", _shown((state + 1) / 2))
                for t, (eta, state) in enumerate(zip(silent.eta, states, strict=True))
            ],
        )
        for label, states in rows.items()
    ]
    title = "The forward process: from the HR picture to the LR one"
    return _as_jpeg(draw_strips(strips, title=title, side=_INCHES))


def reverse_process() -> bytes:
    """The states and predictions of the default model, and what each step changes in the prediction."""
    model = cast("ChainModel", deltasr.load(_MODEL))
    hr = _example()
    lr = downscale(hr, model.scale)
    states: list[Tensor] = []
    predictions: list[Tensor] = []

    def keep(t: int, x_t: Tensor, prediction: Tensor) -> None:
        states.append(model.decode(x_t))
        predictions.append(model.decode(prediction))

    with torch.inference_mode():
        model(lr, callback=keep, fidelity=1.0)
    before = [states[0], *predictions]

    def psnr(picture: Tensor) -> str:
        return f"{psnr_y(picture.clamp(0, 1), hr, border=model.scale).item():.2f} dB"

    steps = range(model.steps, 0, -1)
    strips = [
        Strip(
            label="state x_t",
            pictures=[
                *((f"x_{t}: {psnr(state)}", _shown(state)) for t, state in zip(steps, states, strict=True)),
                ("HR", _shown(hr)),
            ],
        ),
        Strip(
            label="prediction of x_0",
            pictures=[(f"at t = {t}: {psnr(one)}", _shown(one)) for t, one in zip(steps, predictions, strict=True)],
        ),
        Strip(
            label=f"change, x{_AMPLIFIED}",
            pictures=[
                (f"against {'y_0' if t == model.steps else f't = {t + 1}'}", _shown_change(after - earlier))
                for t, earlier, after in zip(steps, before, predictions, strict=False)
            ],
        ),
    ]
    title = f"The reverse steps of {_MODEL} at fidelity 1"
    return _as_jpeg(draw_strips(strips, title=title, side=_INCHES))


def dial() -> bytes:
    """The same picture at several fidelities, and what each of them has that the most faithful one has not."""
    model = cast("ChainModel", deltasr.load(_MODEL))
    lr = _example()
    with torch.inference_mode():
        results = {fidelity: model(lr, fidelity=fidelity) for fidelity in _FIDELITIES}
    middle = slice(model.scale * _SIDE // 4, model.scale * _SIDE * 3 // 4)
    parts = {fidelity: result[..., middle, middle] for fidelity, result in results.items()}
    strips = [
        Strip(label="result", pictures=[(f"fidelity {fidelity:g}", _shown(part)) for fidelity, part in parts.items()]),
        Strip(
            label=f"minus that of 1, x{_AMPLIFIED}",
            pictures=[("", _shown_change(part - parts[1.0])) for part in parts.values()],
        ),
    ]
    return _as_jpeg(draw_strips(strips, title=f"The dial of {_MODEL}", side=1.3 * _INCHES))


def projection() -> bytes:
    """What the projection changes, and the parts of a result: one that the input determines, and one that it does not.

    A row begins with y_0, and one with the network's result.
    """
    model = cast("ChainModel", deltasr.load(_MODEL))
    scale = model.scale
    lr = to_8_bit_levels(downscale(_example(), scale))
    with torch.inference_mode():
        starts = {"from y_0": _upsampled(lr, scale).clamp(0, 1), f"from {_MODEL}": model(lr, fidelity=1.0)}
    known = determined(lr, scale)

    def caption(picture: Tensor) -> str:
        decibels = lr_psnr(to_8_bit_levels(picture), to_8_bit_levels(lr.double()), scale=scale).item()
        return "exact" if math.isinf(decibels) else f"{decibels:.1f} dB LR-PSNR"

    strips = []
    for label, before in starts.items():
        after = project(before, lr)
        pictures = {
            f"before: {caption(before)}": _shown(before),
            f"after: {caption(after)}": _shown(after),
            f"change, x{_AMPLIFIED}": _shown_change(after - before),
            "determined by the input": _shown(known),
            "the rest, x2": _shown(0.5 + 2 * (after - known)),
        }
        strips.append(Strip(label=label, pictures=list(pictures.items())))
    return _as_jpeg(draw_strips(strips, title="The projection", side=1.3 * _INCHES))


IMAGES: dict[str, Callable[[], bytes]] = {
    "method-schedule.png": shifting_sequences,
    "method-forward.jpg": forward_process,
    "method-weights.png": reverse_weights,
    "method-reverse.jpg": reverse_process,
    "method-dial.jpg": dial,
    "method-projection.jpg": projection,
}
"""Every image, by the name of its file in docs/images."""


def main(folder: Path) -> None:
    """Draw every image into a folder, and print their paths."""
    for name, draw in IMAGES.items():
        write_whole(folder / name, draw(), what="The image")
        print(folder / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the plots and pictures of docs/method.md.")
    parser.add_argument("folder", type=Path, nargs="?", default=_ROOT / "docs" / "images")
    try:
        main(parser.parse_args().folder)
    except DeltasrError as error:
        sys.exit(f"method_plots: {error}")
