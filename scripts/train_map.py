"""Train, calibrate and measure the map of how wrong each pixel of a model's results may be (docs/error-map.md).

    python scripts/train_map.py train PICTURES [--model deltadiff-x4] [--steps 280] [--output FILE] [--cache FOLDER]
    python scripts/train_map.py measure SET... [--fidelities F...] [--map FILE]
    python scripts/train_map.py figure LR HR OUTPUT [--fidelity 0.5] [--crop 256] [--map FILE]

`train` holds out 100 of the PICTURES, trains the map's head on crops of the others while the model's weights stay as
they are, calibrates it on the middle of the 100, and writes it beside the model's weights. It takes minutes on a CPU.
`measure` prints a table: for each folder of HR pictures and each fidelity, how many values lie in their intervals, how
large the intervals are, and how well they rank the errors. `figure` draws the map of one picture beside its errors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from deltasr.degradation.kinds import degrade
from deltasr.errors import DeltasrError, ModelError
from deltasr.evaluation.sets import find_set
from deltasr.files import write_whole
from deltasr.imaging import Picture, read_rgb8
from deltasr.inference import consistency
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, error_map
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.error_map import COVERAGE, FIDELITIES, RESTORATIONS, STEPS_PER_LEVEL, ErrorMap
from deltasr.training.data.cache import CachedPicture, build_cache, find_pictures
from deltasr.training.data.cache import degrade as downscaled
from deltasr.training.validation import split

_CALIBRATION = 100
_SIDE, _BORDER = 32, 4
"""Of training crops, in LR pixels, and what is left out at each border of a crop."""

_CALIBRATION_SIDE = 40
_BATCH = 8
_CLEAN = 5
"""Pictures of a batch that are not degraded, at restoration 0, where most pictures are."""

_LEARNING_RATE = 4e-3


def train(pictures: Path, *, model: str, steps: int, output: Path | None, cache: Path | None) -> Path:
    """Train and calibrate a map, and write it; returns its file."""
    loaded = catalogue.load(model)
    if not isinstance(loaded, DeltaDiff):
        raise ModelError(f"{model} is no DeltaDiff, which maps are for; name another model.")
    with tempfile.TemporaryDirectory() as folder:
        usable, _ = build_cache(
            find_pictures(pictures), cache or Path(folder), scale=loaded.scale, smallest=_SIDE * loaded.scale
        )
        training, held_out, _ = split(usable, _CALIBRATION)
        print(f"{len(training)} pictures for training, {len(held_out)} for calibration", flush=True)
        torch.manual_seed(0)
        maps = error_map.untrained(loaded)
        fit(maps, loaded, training, steps=steps)
        calibrate(maps, loaded, held_out)
    file = error_map.file_of(model) if output is None else output
    facts = {"steps": steps, "training_pictures": len(training), "calibration_pictures": len(held_out)}
    error_map.save(maps, file, model=loaded, facts=facts)
    return file


def fit(maps: ErrorMap, model: DeltaDiff, pictures: list[CachedPicture], *, steps: int) -> None:
    """Train the head by the pinball loss at the coverage, on log(1 + levels), so that small errors count as well."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(maps.head.parameters(), lr=_LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    begun, recent = time.monotonic(), []
    inside = _inside(model)
    for step in range(steps):
        lr, hr, restoration = _batch(pictures, rng, model.scale)
        fidelity = torch.from_numpy(rng.choice([0.0, 1.0, rng.random()], size=_BATCH)).float()
        fidelity[: _BATCH // 2] = torch.from_numpy(rng.random(_BATCH // 2)).float()
        run, result = _run(maps, model, lr, fidelity, restoration)
        target = _errors(result, hr).log1p()
        difference = (target - maps.predict(run, result))[..., inside, inside]
        loss = torch.maximum(COVERAGE * difference, (COVERAGE - 1) * difference).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recent.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}: loss {np.mean(recent[-50:]):.4f}, {time.monotonic() - begun:.0f} s", flush=True)


def calibrate(maps: ErrorMap, model: DeltaDiff, pictures: list[CachedPicture]) -> None:
    """Set the factors, one for each fidelity and restoration."""
    for row, restoration in enumerate(RESTORATIONS):
        ratios: list[list[Tensor]] = [[] for _ in FIDELITIES]
        for place, picture in enumerate(pictures):
            lr, hr = _middle(picture, model.scale)
            if restoration:
                lr = _rounded(degrade(hr, kind="web", scale=model.scale, strength=restoration, seed=place))
            many = len(FIDELITIES)
            run, result = _run(
                maps, model, lr.expand(many, -1, -1, -1), torch.tensor(FIDELITIES), torch.full((many,), restoration)
            )
            with torch.no_grad():
                found = _errors(result, hr) / error_map.half_widths(maps.predict(run, result))
            for kept, ratio in zip(ratios, found, strict=True):
                kept.append(ratio[..., _inside(model), _inside(model)])
        for column, values in enumerate(ratios):
            maps.factors[row, column] = error_map.calibrated_factor(values)
        print(f"restoration {restoration:g}: factors {[round(float(f), 3) for f in maps.factors[row]]}", flush=True)


def measure(folders: list[Path], *, model: str, file: Path | None, fidelities: list[float]) -> None:
    """Print coverage, intervals and rank correlations of the map on sets of HR pictures."""
    upscaler = Upscaler(catalogue.load(model), map_file=file)
    print(
        "| set | fidelity | covered, % | mean half-width | mean error | rank correlation |\n|---|---|---|---|---|---|"
    )
    for folder in folders:
        benchmark = find_set(folder)
        for fidelity in fidelities:
            rows = []
            for pair in benchmark.pairs:
                lr, hr = _pair(pair.hr, pair.lr, upscaler.model.scale)
                errors, widths, _ = _mapped(upscaler, lr, hr, fidelity)
                rank = spearmanr(widths.ravel(), errors.mean(axis=2).ravel()).statistic
                rows.append((100 * (errors <= widths[..., None]).mean(), widths.mean(), errors.mean(), rank))
            covered, width, error, rank = np.mean(rows, axis=0)
            name = f"{benchmark.name} | {fidelity:g}"
            print(f"| {name} | {covered:.1f} | {width:.2f} | {error:.2f} | {rank:.2f} |", flush=True)


def figure(lr: Path, hr: Path, output: Path, *, model: str, file: Path | None, fidelity: float, crop: int) -> None:
    """Draw the LR picture, the result, the map and the true error side by side."""
    import io

    from matplotlib.figure import Figure

    upscaler = Upscaler(catalogue.load(model), map_file=file)
    small, truth = _pair(hr, None if lr == hr else lr, upscaler.model.scale)
    errors, widths, result = _mapped(upscaler, small, truth, fidelity)
    top, left = ((side - crop) // 2 for side in widths.shape)
    shown = np.s_[max(top, 0) :, max(left, 0) :]
    enlarged = small.repeat(upscaler.model.scale, 0).repeat(upscaler.model.scale, 1)
    worst = errors.max(axis=2)
    panels: list[tuple[str, np.ndarray, bool]] = [
        ("The input", enlarged, False),
        ("The result", result, False),
        ("The map: may be wrong by", widths, True),
        ("The truth: is wrong by", worst, True),
    ]
    canvas = Figure(figsize=(13, 3.9), layout="constrained")
    for axes, (title, values, in_levels) in zip(canvas.subplots(1, 4), panels, strict=True):
        part = values[shown][:crop, :crop]
        drawn = axes.imshow(part, **({"cmap": "inferno", "vmin": 0, "vmax": 64} if in_levels else {}))
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    canvas.colorbar(drawn, ax=axes, label="levels of 255", shrink=0.85)
    content = io.BytesIO()
    canvas.savefig(content, format="png", dpi=66)
    write_whole(output, content.getvalue(), what="The figure")


def _batch(pictures: list[CachedPicture], rng: np.random.Generator, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """LR crops (N, 3, h, w), their HR crops, and their restorations (N,)."""
    low, high, strengths = [], [], []
    for place in range(_BATCH):
        hr, lr = pictures[int(rng.integers(len(pictures)))].arrays()
        top, left = (int(rng.integers(side - _SIDE + 1)) for side in lr.shape[:2])
        high.append(_tensor(hr[top * scale : (top + _SIDE) * scale, left * scale : (left + _SIDE) * scale]))
        strengths.append(0.0 if place < _CLEAN else float(rng.random()))
        if strengths[-1]:
            seed = int(rng.integers(2**40))
            low.append(_rounded(degrade(high[-1], kind="web", scale=scale, strength=strengths[-1], seed=seed)))
        else:
            low.append(_tensor(lr[top : top + _SIDE, left : left + _SIDE]))
    return torch.cat(low), torch.cat(high), torch.tensor(strengths)


def _inside(model: DeltaDiff) -> slice:
    """What is looked at of a crop's result, in each direction."""
    return slice(_BORDER * model.scale, -_BORDER * model.scale)


def _middle(picture: CachedPicture, scale: int) -> tuple[Tensor, Tensor]:
    hr, lr = picture.arrays()
    height, width = (min(side, _CALIBRATION_SIDE) for side in lr.shape[:2])
    top, left = (lr.shape[0] - height) // 2, (lr.shape[1] - width) // 2
    large = hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return _tensor(lr[top : top + height, left : left + width]), _tensor(large)


@torch.no_grad()
def _run(
    maps: ErrorMap, model: DeltaDiff, lr: Tensor, fidelity: Tensor, restoration: Tensor
) -> tuple[error_map.Run, Tensor]:
    """The model's run, and its result as an `Upscaler` makes it: projected as far as that is right."""
    run = maps.run(lr, fidelity, restoration)
    if not model.consistent:
        return run, run.result
    return run, consistency.project(run.result, lr, share=consistency.share_at(restoration))


def _errors(result: Tensor, hr: Tensor) -> Tensor:
    """|result - truth| in levels, (N, 3, H, W), of the result in 8 bits."""
    return ((result * 255).round() - (hr * 255).round()).abs()


def _mapped(upscaler: Upscaler, lr: np.ndarray, hr: np.ndarray, fidelity: float) -> tuple[np.ndarray, ...]:
    """Errors in levels (H, W, 3), half-widths (H, W), and the result."""
    result = upscaler.upscale(Picture(pixels=lr), fidelity=fidelity, error_map=True)
    assert result.error_map is not None
    errors = np.abs(result.pixels.astype(np.int32) - hr)
    return errors, result.error_map / STEPS_PER_LEVEL, result.pixels


def _pair(hr: Path, lr: Path | None, scale: int) -> tuple[np.ndarray, np.ndarray]:
    large = read_rgb8(hr)
    large = np.ascontiguousarray(large[: large.shape[0] // scale * scale, : large.shape[1] // scale * scale])
    return (downscaled(large, scale) if lr is None else read_rgb8(lr)), large


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255


def _rounded(picture: Tensor) -> Tensor:
    return (picture * 255).round() / 255


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=catalogue.DEFAULT, help="name in the catalogue")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train and calibrate a map")
    training.add_argument("pictures", type=Path)
    training.add_argument("--steps", type=int, default=280)
    training.add_argument("--output", type=Path, help="the map's file; by default beside the model's weights")
    training.add_argument("--cache", type=Path, help="folder for decoded pictures, to keep")
    measuring = commands.add_parser("measure", help="coverage, size of intervals and rank correlation on sets")
    measuring.add_argument("sets", type=Path, nargs="+")
    measuring.add_argument("--fidelities", type=float, nargs="+", default=FIDELITIES)
    drawing = commands.add_parser("figure", help="the map of one picture beside its errors")
    for name in ("lr", "hr", "output"):
        drawing.add_argument(name, type=Path)
    drawing.add_argument("--fidelity", type=float, default=0.5)
    drawing.add_argument("--crop", type=int, default=256, help="side of the part that is shown, in HR pixels")
    for command in (measuring, drawing):
        command.add_argument("--map", type=Path, help="the map's file; by default beside the model's weights")
    given = parser.parse_args()
    work: dict[str, Callable[[], object]] = {
        "train": lambda: print(
            train(given.pictures, model=given.model, steps=given.steps, output=given.output, cache=given.cache)
        ),
        "measure": lambda: measure(given.sets, model=given.model, file=given.map, fidelities=given.fidelities),
        "figure": lambda: figure(
            given.lr,
            given.hr,
            given.output,
            model=given.model,
            file=given.map,
            fidelity=given.fidelity,
            crop=given.crop,
        ),
    }
    try:
        work[given.command]()
    except DeltasrError as error:
        print(f"train_map: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
