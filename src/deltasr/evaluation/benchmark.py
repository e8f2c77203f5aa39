"""Scores for a whole set: of an upscaler's results, or of results in files.

Results are scored as 8-bit pixels, as in saved files, never as the floating-point output of the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.errors import ModelError, PictureError, SettingError
from deltasr.evaluation.metrics import lr_psnr, psnr_y, ssim_y
from deltasr.evaluation.no_reference import NoReference
from deltasr.evaluation.sets import BenchmarkSet, Pair, partners
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.imaging.colour import as_8_bits
from deltasr.resampling.tensors import downscale

PerceptualMetric = Callable[[Tensor, Tensor], Tensor]
"""Maps a result and its HR picture, (1, 3, H, W) in [0, 1], to a score (1,), as `evaluation.lpips.Lpips` and
`evaluation.no_reference.NoReference` do."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One result's scores.

    Attributes:
        model: name of the model, and of the row.
        dataset: the set's name.
        image: the picture's name within the set.
        height: rows of the result.
        width: columns of the result.
        scale: the factor from LR to HR.
        border: pixels left out on each side for PSNR-Y and SSIM-Y.
        psnr_y: in dB.
        ssim_y: at most 1.
        lr_psnr: in dB, between the downscaled result and the input.
        perceptual: further scores by name, of the whole image.
        libraries: for those of them that need no reference, the library that computed them, with its version.
        seconds: wall-clock time of the upscaling alone, without files; None for results in files.
        cut: whether the HR picture lost rows or columns to become a multiple of the scale.
        degraded: whether the input was made from the HR picture.
    """

    model: str
    dataset: str
    image: str
    height: int
    width: int
    scale: int
    border: int
    psnr_y: float
    ssim_y: float
    lr_psnr: float
    perceptual: Mapping[str, float] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    cut: bool = False
    degraded: bool = False


def measure_upscaling(
    upscale: Callable[[Picture], Picture],
    benchmark: BenchmarkSet,
    *,
    model: str,
    scale: int,
    border: int | None = None,
    perceptual: Mapping[str, PerceptualMetric] | None = None,
    save: Path | None = None,
    on_measured: Callable[[Measurement], None] | None = None,
) -> list[Measurement]:
    """Upscales every picture of a set and scores the results, rounded to 8 bits.

    Args:
        upscale: from an 8-bit LR picture (grey or RGB) to its result; for instance an `Upscaler`'s method.
        benchmark: the set.
        model: name of the row.
        scale: the factor of `upscale`.
        border: pixels to leave out on each side for PSNR-Y and SSIM-Y, 0 for whole images; by default the
            scale.
        perceptual: further metrics by name.
        save: a folder to write the results to, as 8-bit PNG; by default they are not kept.
        on_measured: called after each picture.

    Returns:
        One measurement per picture, in the set's order.

    Raises:
        PictureError: a picture cannot be read, does not fit its partner, or a result has the wrong size or cannot
            be saved.
    """
    score = partial(_score, model=model, dataset=benchmark.name, border=border, perceptual=perceptual or {})
    if save is not None:
        _make(save)
    measured = []
    for pair in benchmark.pairs:
        example = _load(pair, scale)
        started = time.perf_counter()
        result = upscale(example.lr)
        seconds = time.perf_counter() - started
        pixels = as_8_bits(result.pixels)
        if save is not None:
            write_picture(Picture(pixels=pixels), save / f"{pair.name}.png")
        measured.append(score(pixels, example, name=f"{model}'s result", seconds=seconds))
        if on_measured is not None:
            on_measured(measured[-1])
    return measured


def measure_results(
    folder: Path,
    benchmark: BenchmarkSet,
    *,
    model: str,
    scale: int | None = None,
    border: int | None = None,
    perceptual: Mapping[str, PerceptualMetric] | None = None,
    on_measured: Callable[[Measurement], None] | None = None,
) -> list[Measurement]:
    """Scores a folder of results from any program.

    Args:
        folder: holds one picture for each HR picture, matched by name; 16 bits are rounded to 8.
        benchmark: the set.
        model: name of the row.
        scale: the factor; by default found from the sizes of HR and LR.
        border: as for `measure_upscaling`.
        perceptual: as for `measure_upscaling`.
        on_measured: called after each picture.

    Returns:
        One measurement per picture, in the set's order.

    Raises:
        PictureError: a picture cannot be read, has no partner, or does not fit it.
        SettingError: the scale is below 1, or not given for a set without LR pictures.
    """
    results = partners([pair.hr for pair in benchmark.pairs], folder)
    scale = _scale_of(benchmark) if scale is None else scale
    if scale < 1:
        raise SettingError(f"A scale of {scale} is not possible; give 1 or more.")
    score = partial(_score, model=model, dataset=benchmark.name, border=border, perceptual=perceptual or {})
    measured = []
    for pair, path in zip(benchmark.pairs, results, strict=True):
        example = _load(pair, scale)
        measured.append(score(as_8_bits(read_picture(path).pixels), example, name=str(path)))
        if on_measured is not None:
            on_measured(measured[-1])
    return measured


@dataclass(frozen=True, kw_only=True)
class _Example:
    pair: Pair
    hr: Tensor
    lr: Picture
    scale: int
    cut: bool


def _load(pair: Pair, scale: int) -> _Example:
    whole = as_8_bits(read_picture(pair.hr).pixels)
    height, width = (side - side % scale for side in whole.shape[:2])
    if min(height, width) == 0:
        raise PictureError(f"{pair.hr} is smaller than {scale} pixels on one side; leave it out of the set.")
    pixels = whole[:height, :width]
    hr = _tensor(pixels)
    if pair.lr is None:
        levels = (downscale(hr, scale) * 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
        lr = Picture(pixels=np.ascontiguousarray(levels[..., : pixels.shape[2]]))
    else:
        read = read_picture(pair.lr)
        lr = Picture(pixels=as_8_bits(read.pixels), compression=read.compression)
        if (lr.height * scale, lr.width * scale) != (height, width):
            raise PictureError(
                f"{pair.lr} has {lr.width}x{lr.height} pixels, which is not {pair.hr}'s {width}x{height} "
                f"divided by {scale}; give the LR pictures of scale {scale}."
            )
    return _Example(pair=pair, hr=hr, lr=lr, scale=scale, cut=pixels.shape != whole.shape)


def _score(
    pixels: NDArray[np.uint8],
    example: _Example,
    *,
    name: str,
    model: str,
    dataset: str,
    border: int | None,
    perceptual: Mapping[str, PerceptualMetric],
    seconds: float | None = None,
) -> Measurement:
    sr, hr, scale = _tensor(pixels), example.hr, example.scale
    height, width = sr.shape[-2:]
    if sr.shape != hr.shape:
        raise PictureError(
            f"{name} has {width}x{height} pixels, but {example.pair.hr} at scale {scale} needs "
            f"{hr.shape[-1]}x{hr.shape[-2]}; give results of that size."
        )
    border = scale if border is None else border
    try:
        with torch.inference_mode():
            return Measurement(
                model=model,
                dataset=dataset,
                image=example.pair.name,
                height=height,
                width=width,
                scale=scale,
                border=border,
                psnr_y=psnr_y(sr, hr, border=border).item(),
                ssim_y=ssim_y(sr, hr, border=border).item(),
                lr_psnr=lr_psnr(sr, _tensor(as_8_bits(example.lr.pixels)), scale=scale).item(),
                perceptual={name: metric(sr, hr).item() for name, metric in perceptual.items()},
                libraries={name: m.library for name, m in perceptual.items() if isinstance(m, NoReference)},
                seconds=seconds,
                cut=example.cut,
                degraded=example.pair.lr is None,
            )
    except (SettingError, ModelError) as error:
        raise PictureError(f"{model}'s result for {example.pair.hr} cannot be scored: {error}") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"The folder {folder} cannot be made ({error.strerror}); choose another.") from error


def _scale_of(benchmark: BenchmarkSet) -> int:
    first = benchmark.pairs[0]
    if first.lr is None:
        raise SettingError(f"The scale of {benchmark.name} is not known without LR pictures; give it by --scale.")
    return max(1, read_picture(first.hr).height // read_picture(first.lr).height)


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W), float64 in [0, 1]; grey becomes three equal channels."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).expand(3, -1, -1)[None].double() / 255
