"""Fit the regression of `deltasr.degradation.estimate` to pictures that were degraded by the kind `web`.

    python scripts/calibrate_estimator.py PICTURES [--samples 4200] [--processes 2]

PICTURES is a folder of training pictures, without those of the evaluation sets. Every sample is a crop of one of them,
or a generated drawing or texture, that is left clean, saved as JPEG, or degraded further. A fifth of the pictures are
held out to measure the result; it is fitted to the others and written to src/deltasr/degradation/estimator.json.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from deltasr.degradation.estimate import COEFFICIENTS, FARTHEST, Observation, estimate_from, observe
from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.jpeg_traces import quality_of_table
from deltasr.degradation.kinds import degrade
from deltasr.degradation.random_noise import Noise
from deltasr.degradation.strength import JPEG_ALONE, quality_of, strength_of
from deltasr.degradation.web import milder
from deltasr.evaluation.report import write_report
from deltasr.imaging import READABLE_SUFFIXES, read_picture, read_rgb8

_SIDES = (32, 48, 64, 96)
_SHARES = {"clean": 0.25, "jpeg": 0.2, "further": 0.35, "full size": 0.05, "drawing": 0.1, "drawing jpeg": 0.05}
_EVERY_TENTH = {0: "noisy", 5: "texture"}
"""By the last digit of its number, the kind of a sample that is not drawn by `_SHARES`: a clean picture with noise, or
a texture; half of them as JPEGs."""

_GREY = 0.1
_HELD_OUT = 5
_UNITS, _STEPS = 12, 800


@dataclass(frozen=True)
class Sample:
    """The observation of a picture, its kind, its true strength, and whether it is held out."""

    kind: str
    strength: float
    held_out: bool
    observation: Observation


def sample(number: int, *, pictures: list[Path]) -> Sample:
    """The sample of a number, the same in every process."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(number)
    kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    kind = _EVERY_TENTH.get(number % 10, kind)
    side = int(rng.choice(_SIDES))
    picture = pictures[int(rng.integers(len(pictures)))]
    strength = {"jpeg": 0.0, "drawing jpeg": 0.0, "further": JPEG_ALONE}.get(kind)
    strength = 0.0 if strength is None else strength + JPEG_ALONE * (1 - float(rng.random()))
    if kind.startswith("drawing") or kind == "texture":
        if kind == "texture":
            pixels, strength = texture(rng, side), JPEG_ALONE * max(0.0, float(rng.uniform(-1, 1)))
        else:
            pixels = drawing(rng, side)
        if strength:
            offset = (int(rng.integers(16)), int(rng.integers(16)))
            subsampling = "4:2:0" if rng.random() < 0.5 else "4:4:4"
            saved = jpeg(_tensor(pixels), quality=quality_of(strength), subsampling=subsampling, offset=offset)
            pixels = _pixels(saved)
    elif kind == "full size":
        pixels = _crop(read_rgb8(picture), 2 * side, rng)
        compression = read_picture(picture).compression
        strength = 0.0 if compression is None else strength_of(quality_of_table(compression.luma_table))
    else:
        hr = _tensor(_crop(read_rgb8(picture), 4 * side, rng))
        lr = degrade(hr, kind="web", strength=strength, seed=int(rng.integers(2**40)))
        if kind == "noisy":
            lr, strength = noisy(lr, rng)
        pixels = _pixels(lr)
    if rng.random() < _GREY:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    held_out = zlib.crc32(picture.name.encode()) % _HELD_OUT == 0
    return Sample(kind, strength, held_out, observe(pixels))


def noisy(lr: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, float]:
    """Pictures with the most noise of `milder` at a strength, half of them as good JPEGs; and the strength."""
    strength = JPEG_ALONE + JPEG_ALONE * float(rng.uniform(0.01, 1))
    worst = milder(strength).second.noise
    noise = Noise(kind="gaussian", strength=worst.gaussian_sigma[1], grey=rng.random() < worst.grey_probability)
    lr = noise.added_to(lr, torch.Generator().manual_seed(int(rng.integers(2**40))))
    return (jpeg(lr, quality=int(rng.integers(80, 101))) if rng.random() < 0.5 else lr), strength


def drawing(rng: np.random.Generator, side: int) -> np.ndarray:
    """Text, lines, shapes, strokes like grass and gradients, (side, side, 3) uint8, with and without anti-aliasing."""
    zoom = int(rng.choice((1, 4)))
    size = side * zoom
    ground = _colour(rng)
    image = Image.new("RGB", (size, size), ground)
    if rng.random() < 0.2:
        ramp = np.linspace(0, 1, size)[:, None, None] * (np.array(_colour(rng)) - ground) + ground
        image = Image.fromarray(np.broadcast_to(ramp, (size, size, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    ways: list[Callable[[], None]] = [
        partial(_write, pen, rng, size, zoom),
        partial(_draw_lines, pen, rng, size, zoom, count=12),
        partial(_draw_lines, pen, rng, size, zoom, count=20 * side),
        partial(_draw_shapes, pen, rng, size),
    ]
    for way in rng.permutation(len(ways))[: int(rng.integers(0, 3))]:
        ways[way]()
    return np.asarray(
        image.resize((side, side), Image.Resampling.LANCZOS if rng.random() < 0.5 else Image.Resampling.BOX)
    )


def texture(rng: np.random.Generator, side: int) -> np.ndarray:
    """Noise whose amplitudes fall with the frequency as in photographs, or faster, (side, side, 3) uint8."""
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    falling = np.maximum(frequencies, 1 / side) ** -rng.uniform(1, 2)
    planes = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, side, side))) * falling, s=(side, side))
    planes /= planes.std()
    grey = rng.uniform(0.5, 1)
    mixed = grey * planes[:1] + (1 - grey) * planes
    return (
        np.clip(rng.uniform(80, 170) + rng.uniform(5, 40) * mixed, 0, 255).round().astype(np.uint8).transpose(1, 2, 0)
    )


def _write(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: int, zoom: int) -> None:
    font = ImageFont.load_default(int(rng.integers(8, 24)) * zoom)
    for _ in range(8):
        text = "".join(chr(rng.integers(33, 127)) for _ in range(12))
        place = (int(rng.integers(-size // 4, size)), int(rng.integers(0, size)))
        pen.text(place, text, fill=_colour(rng), font=font)


def _draw_lines(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: int, zoom: int, *, count: int) -> None:
    tint, reach = np.array(_colour(rng)), size if count < 100 else 6 * zoom
    for _ in range(count):
        start = rng.integers(0, size, 2)
        shade = tuple(int(value) for value in np.clip(tint + rng.integers(-60, 60), 0, 255))
        pen.line([*map(int, start), *map(int, start + rng.integers(-reach, reach + 1, 2))], fill=shade, width=zoom)


def _draw_shapes(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    for _ in range(6):
        left, right = sorted(int(value) for value in rng.integers(0, size, 2))
        top, bottom = sorted(int(value) for value in rng.integers(0, size, 2))
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((left, top, right, bottom), fill=_colour(rng))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Black or white in a third of the cases, else any."""
    if rng.random() < 1 / 3:
        return (0, 0, 0) if rng.random() < 0.5 else (255, 255, 255)
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _crop(pixels: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    side = min(side, *pixels.shape[:2])
    top, left = (int(rng.integers(length - side + 1)) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(images: torch.Tensor) -> np.ndarray:
    return (images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def fit(samples: list[Sample]) -> dict[str, list]:
    """The regression's arrays by name, as `estimate` reads them, from the samples that are not held out."""
    torch.manual_seed(0)
    samples = [one for one in samples if not one.held_out and one.observation.features is not None]
    features = torch.tensor(np.array([one.observation.features for one in samples]))
    mean, scale = features.mean(0), features.std(0) + 1e-6
    scaled = ((features - mean) / scale).clamp(-FARTHEST, FARTHEST)
    strength = torch.tensor([one.strength for one in samples], dtype=torch.float64)
    further = (strength > JPEG_ALONE).double()
    severity = ((strength - JPEG_ALONE) / (1 - JPEG_ALONE)).clamp(min=0)
    hidden = torch.nn.Linear(features.shape[1], _UNITS, dtype=torch.float64)
    output = torch.nn.Linear(_UNITS, 2, dtype=torch.float64)
    parameters = [*hidden.parameters(), *output.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=_STEPS)
    for _ in range(_STEPS):
        logit, place = output(torch.tanh(hidden(scaled))).unbind(1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, further)
        loss = loss + (further * (torch.sigmoid(place) - severity) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    arrays = {"mean": mean, "scale": scale, "hidden": hidden.weight, "hidden_bias": hidden.bias}
    arrays |= {"output": output.weight, "output_bias": output.bias}
    return {name: np.round(array.detach().numpy(), 6).tolist() for name, array in arrays.items()}


def summary(samples: list[Sample]) -> str:
    """Errors of the estimates of held-out samples, by kind: the mean, the mean absolute value, and the largest."""
    lines = []
    for kind in (*_SHARES, *_EVERY_TENTH.values()):
        own = [one for one in samples if one.held_out and one.kind == kind]
        errors = np.array([estimate_from(one.observation).strength - one.strength for one in own])
        if len(errors):
            numbers = f"{errors.mean():+.3f}, absolute {np.abs(errors).mean():.3f}, worst {np.abs(errors).max():.2f}"
            lines.append(f"{kind}: {len(errors)} pictures, mean error {numbers}")
    return "\n".join(lines)


def main(folder: Path, *, count: int, processes: int) -> None:
    """Make the samples, fit, write the regression, and print its errors on what was held out."""
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        samples = list(pool.map(partial(sample, pictures=pictures), range(count), chunksize=16))
    write_report(json.dumps(fit(samples)) + "\n", COEFFICIENTS)
    print(summary(samples))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--samples", type=int, default=4200)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    main(arguments.pictures, count=arguments.samples, processes=arguments.processes)
