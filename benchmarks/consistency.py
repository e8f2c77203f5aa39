"""How fast a result comes back to its input: LR-PSNR by iterations of the projection, as a Markdown table.

    python benchmarks/consistency.py HR_FOLDER [--iterations 0 1 2 3 4 5 6 8]

Each picture is made small by a quarter and enlarged by bicubic interpolation. From there, the classic back-projection
(the residual, enlarged by bicubic interpolation, is added) is set against `inference.consistency.project`. LR-PSNR
(RGB, dB) is between the 8-bit result, downscaled and rounded again, and the input; an exact picture counts as 200 dB in
the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from deltasr.evaluation.metrics import lr_psnr, to_8_bit_levels
from deltasr.imaging import READABLE_SUFFIXES, read_rgb8
from deltasr.inference.consistency import project
from deltasr.resampling.tensors import downscale, imresize

SCALE = 4
EXACT = 200.0


def back_project(sr: Tensor, lr: Tensor, *, iterations: int) -> Tensor:
    """The classic iteration, `x <- clamp(x + U(y - D(x)))` with bicubic U."""
    for _ in range(iterations):
        sr = (sr + imresize(lr - downscale(sr, SCALE), scale=SCALE)).clamp(0, 1)
    return sr


METHODS: dict[str, Callable[..., Tensor]] = {"back-projection": back_project, "deltasr": project}


def pictures(folder: Path) -> list[Tensor]:
    """(1, 3, H, W) in [0, 1], cut to multiples of the scale."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in READABLE_SUFFIXES)
    tensors = [torch.from_numpy(read_rgb8(file)).permute(2, 0, 1)[None].float() / 255 for file in files]
    return [t[..., : t.shape[-2] // SCALE * SCALE, : t.shape[-1] // SCALE * SCALE] for t in tensors]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--iterations", nargs="+", type=int, default=[0, 1, 2, 3, 4, 5, 6, 8])
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is not a folder; name one with HR pictures.")
    hr_pictures = pictures(arguments.folder)
    if not hr_pictures:
        parser.error(f"{arguments.folder} holds no pictures.")
    inputs = [to_8_bit_levels(downscale(hr, SCALE)) for hr in hr_pictures]
    starts = [imresize(lr, scale=SCALE).clamp(0, 1) for lr in inputs]
    print("| iterations |", " | ".join(map(str, arguments.iterations)), "|")
    print("|---" * (len(arguments.iterations) + 1) + "|")
    for name, method in METHODS.items():
        means, worst = [], []
        for count in arguments.iterations:
            results = [to_8_bit_levels(method(s, lr, iterations=count)) for s, lr in zip(starts, inputs, strict=True)]
            found = [min(EXACT, float(lr_psnr(r, lr, scale=SCALE))) for r, lr in zip(results, inputs, strict=True)]
            means.append(sum(found) / len(found))
            worst.append(min(found))
        print(f"| {name}, mean |", " | ".join(f"{value:.1f}" for value in means), "|")
        print(f"| {name}, worst |", " | ".join(f"{value:.1f}" for value in worst), "|")


if __name__ == "__main__":
    main()
