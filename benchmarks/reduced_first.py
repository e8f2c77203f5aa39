"""x2 by an x4 model: its result made smaller, or the picture made smaller first. Quality and time, as a Markdown table.

    python benchmarks/reduced_first.py HR_FOLDER ... [--model deltadiff-x4 rrdb-x4] [--kind bicubic] [--lpips FILE]

HR pictures are degraded by 2, in 8 bits, the n-th with seed n; bicubic is anti-aliased. Each picture is then brought
back to its size in two ways: by `Upscaler.upscale(scale=2)`, and by `upscale(scale=4)` of the picture downscaled by 2
again. PSNR-Y (dB, 2 pixels of border left out) and LPIPS (whole images) of 8-bit results are means over pictures. The
time is the processor's, for all pictures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from deltasr.degradation import degrade, downscale
from deltasr.evaluation.lpips import Lpips
from deltasr.evaluation.metrics import psnr_y, to_8_bit_levels
from deltasr.imaging import READABLE_SUFFIXES, read_rgb8
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.resampling.tensors import imresize

SCALE = 2
OWN_SCALE = 4


def pictures(folder: Path) -> list[Tensor]:
    """(1, 3, H, W) in [0, 1], cut to multiples of 4."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in READABLE_SUFFIXES)
    tensors = [torch.from_numpy(read_rgb8(file)).permute(2, 0, 1)[None].float() / 255 for file in files]
    return [t[..., : t.shape[-2] // OWN_SCALE * OWN_SCALE, : t.shape[-1] // OWN_SCALE * OWN_SCALE] for t in tensors]


def ways(name: str) -> dict[str, Callable[[Tensor], Tensor]]:
    """The two ways of one model, from LR pictures (1, 3, h, w) in [0, 1] to twice their size."""
    upscaler = Upscaler(catalogue.load(name), device="cpu", tile=256)

    def upscaled(lr: Tensor, scale: int) -> Tensor:
        pixels = np.ascontiguousarray((lr[0].permute(1, 2, 0) * 255).round().byte().numpy())
        return upscaler.upscale(pixels, scale=scale).to_tensor()

    return {
        f"{name}, result made smaller": lambda lr: upscaled(lr, SCALE),
        f"{name}, picture made smaller first": lambda lr: upscaled(to_8_bit_levels(downscale(lr, SCALE)), OWN_SCALE),
    }


def main() -> None:
    """Print a table for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", nargs="+", default=["deltadiff-x4", "rrdb-x4"])
    parser.add_argument("--kind", default="bicubic")
    parser.add_argument("--lpips", type=Path)
    arguments = parser.parse_args()
    lpips = None if arguments.lpips is None else Lpips.from_file(arguments.lpips)
    methods = {"bicubic x2": lambda lr: to_8_bit_levels(imresize(lr, scale=SCALE).clamp(0, 1))}
    for name in arguments.model:
        methods |= ways(name)
    for folder in arguments.folders:
        truths = pictures(folder)
        inputs = [
            to_8_bit_levels(degrade(hr, kind=arguments.kind, scale=SCALE, seed=seed)) for seed, hr in enumerate(truths)
        ]
        print(f"\n| {folder.resolve().parent.name} | PSNR-Y | LPIPS | processor, s |\n|---|---|---|---|")
        for name, method in methods.items():
            method(inputs[0])
            started = time.process_time()
            results = [method(lr) for lr in inputs]
            seconds = time.process_time() - started
            with torch.inference_mode():
                pairs = list(zip(results, truths, strict=True))
                decibels = fmean(float(psnr_y(sr.double(), hr.double(), border=SCALE)) for sr, hr in pairs)
                distance = "" if lpips is None else f"{fmean(float(lpips(sr, hr)) for sr, hr in pairs):.4f}"
            print(f"| {name} | {decibels:.2f} | {distance} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
