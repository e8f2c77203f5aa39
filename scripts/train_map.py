"""Train, calibrate and measure the map of how wrong each pixel of a model's results may be (docs/error-map.md).

    python scripts/train_map.py train PICTURES [--model deltadiff-x4] [--crops 1600] [--epochs 6] [--output FILE]
                                               [--cache FOLDER]
    python scripts/train_map.py measure SET... [--fidelities F...] [--map FILE]
    python scripts/train_map.py figure LR HR OUTPUT [--fidelity 0.5] [--crop 256] [--map FILE]

`train` holds out 100 of the PICTURES, trains the map's head on crops of the others while the model's weights stay as
they are, calibrates it on the middle of the 100, and writes it beside the model's weights. Crops of both are often made
softer and grainier first, as older photographs are. It takes minutes on a CPU. scripts/export_bundled.py then makes the
map's ONNX file.
`measure` prints a table: for each folder of HR pictures and each fidelity, how many values lie in their intervals, how
large the intervals are, and how well they rank the errors. `figure` draws the map of one picture beside its errors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
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
from deltasr.models.error_map import FIDELITIES, RESTORATIONS, ErrorMap
from deltasr.models.error_map_interface import COVERAGE, STEPS_PER_LEVEL
from deltasr.resampling.tensors import downscale
from deltasr.training.data.cache import CachedPicture, build_cache, find_pictures
from deltasr.training.data.cache import degrade as downscaled
from deltasr.training.validation import split

_CALIBRATION = 100
_SIDE, _BORDER = 32, 4
"""Of training crops, in LR pixels, and what is left out at each border of a crop."""

_CALIBRATION_SIDE = 40
_SOFT, _SOFTNESS = 0.6, (0.3, 1.2)
"""The share of crops that are made softer, and the standard deviation of the blur in HR pixels."""

_GRAINY, _GRAIN, _GRAIN_SIZE = 0.5, (1.0, 10.0), 0.7
"""The share of crops with grain, its standard deviation in levels, and that of the blur which makes it coarser."""

_BATCH = 8
_CLEAN = 5
"""Pictures of a batch that are not degraded, at restoration 0, where most pictures are."""

_LEARNING_RATE = 4e-3


def train(pictures: Path, *, model: str, crops: int, epochs: int, output: Path | None, cache: Path | None) -> Path:
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
        fit(maps, loaded, training, crops=crops, epochs=epochs)
        calibrate(maps, loaded, held_out)
    file = error_map.file_of(model) if output is None else output
    counts = {"training_pictures": len(training), "calibration_pictures": len(held_out)}
    error_map.save(maps, file, model=loaded, facts={"crops": crops, "epochs": epochs, **counts})
    return file


def fit(maps: ErrorMap, model: DeltaDiff, pictures: list[CachedPicture], *, crops: int, epochs: int) -> None:
    """Train the head by the pinball loss at the coverage, on log(1 + levels), so that small errors count as well.

    The model runs over each crop once; the head is trained on what it gave.
    """
    rng = np.random.default_rng(0)
    begun = time.monotonic()
    batches = [_seen_batch(maps, model, pictures, rng) for _ in range(-(-crops // _BATCH))]
    print(f"{len(batches) * _BATCH} crops, {time.monotonic() - begun:.0f} s", flush=True)
    optimizer = torch.optim.AdamW(maps.head.parameters(), lr=_LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    inside = _inside(model)
    for epoch in range(epochs):
        losses = []
        for place in rng.permutation(len(batches)):
            seen = batches[place]
            difference = seen.errors.float().log1p() - maps.predict(seen.run(), seen.result.float())
            difference = difference[..., inside, inside]
            loss = torch.maximum(COVERAGE * difference, (COVERAGE - 1) * difference).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - begun:.0f} s", flush=True)


def calibrate(maps: ErrorMap, model: DeltaDiff, pictures: list[CachedPicture]) -> None:
    """Set the factors, one for each fidelity and restoration."""
    for row, restoration in enumerate(RESTORATIONS):
        ratios: list[list[Tensor]] = [[] for _ in FIDELITIES]
        rng = np.random.default_rng(1)
        for place, picture in enumerate(pictures):
            hr = _tensor(_aged(_middle(picture, model.scale), rng))
            if restoration:
                lr = _rounded(degrade(hr, kind="web", scale=model.scale, strength=restoration, seed=place))
            else:
                lr = _rounded(downscale(hr, model.scale))
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


@dataclass(frozen=True)
class _Seen:
    """What the head sees of a batch of crops, in half precision, and the errors that it is to foresee, (N, 3, H, W)."""

    features: Tensor
    dial_values: Tensor
    result: Tensor
    errors: Tensor

    def run(self) -> error_map.Run:
        return error_map.Run(self.result.float(), self.features.float(), self.dial_values)


def _seen_batch(maps: ErrorMap, model: DeltaDiff, pictures: list[CachedPicture], rng: np.random.Generator) -> _Seen:
    """The model's run over crops of pictures that are chosen at random, at random dials."""
    low, high, strengths = [], [], []
    side = _SIDE * model.scale
    for place in range(_BATCH):
        picture, _ = pictures[int(rng.integers(len(pictures)))].arrays()
        top, left = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
        hr = _tensor(_aged(picture[top : top + side, left : left + side], rng))
        strength = 0.0 if place < _CLEAN else float(rng.random())
        if strength:
            seed = int(rng.integers(2**40))
            low.append(_rounded(degrade(hr, kind="web", scale=model.scale, strength=strength, seed=seed)))
        else:
            low.append(_rounded(downscale(hr, model.scale)))
        high.append(hr)
        strengths.append(strength)
    fidelity = torch.from_numpy(rng.choice([0.0, 1.0, *rng.random(2)], size=_BATCH)).float()
    run, result = _run(maps, model, torch.cat(low), fidelity, torch.tensor(strengths))
    errors = _errors(result, torch.cat(high)).to(torch.uint8)
    return _Seen(run.features.half(), run.dial_values, result.half(), errors)


def _aged(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop as an older camera or a film might show it: often softer, often with grain; (H, W, 3) uint8.

    Training pictures are mostly large photographs made smaller, which have neither.
    """
    values = pixels.astype(np.float32)
    if rng.random() < _SOFT:
        sigma = rng.uniform(*_SOFTNESS)
        values = gaussian_filter(values, (sigma, sigma, 0), mode="mirror")
    if rng.random() < _GRAINY:
        levels, alike, size = np.exp(rng.uniform(*np.log(_GRAIN))), rng.random(), rng.uniform(0, _GRAIN_SIZE)
        colour, grey = rng.standard_normal(values.shape), rng.standard_normal((*values.shape[:2], 1))
        grain = gaussian_filter(np.sqrt(1 - alike) * colour + np.sqrt(alike) * grey, (size, size, 0))
        values = values + levels * grain / grain.std()
    return values.round().clip(0, 255).astype(np.uint8)


def _inside(model: DeltaDiff) -> slice:
    """What is looked at of a crop's result, in each direction."""
    return slice(_BORDER * model.scale, -_BORDER * model.scale)


def _middle(picture: CachedPicture, scale: int) -> np.ndarray:
    hr, _ = picture.arrays()
    height, width = (min(side // scale, _CALIBRATION_SIDE) * scale for side in hr.shape[:2])
    top, left = (hr.shape[0] - height) // 2, (hr.shape[1] - width) // 2
    return hr[top : top + height, left : left + width]


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
    training.add_argument("--crops", type=int, default=1600, help="that the head is trained on")
    training.add_argument("--epochs", type=int, default=6, help="how often it sees each of them")
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
            train(
                given.pictures,
                model=given.model,
                crops=given.crops,
                epochs=given.epochs,
                output=given.output,
                cache=given.cache,
            )
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
