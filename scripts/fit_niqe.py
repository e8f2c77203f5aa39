"""Fit the parameters of `deltasr.evaluation.niqe` to undistorted pictures.

    python scripts/fit_niqe.py PICTURES...

Each of PICTURES is a folder of photographs, searched with its subfolders, without those of the evaluation sets. The
mean and the covariance of the features of their sharp blocks are written to src/deltasr/evaluation/niqe.safetensors,
with the number of the pictures. The same pictures give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from deltasr.evaluation.niqe import BLOCK, PARAMETERS, fit
from deltasr.files import write_whole
from deltasr.imaging import READABLE_SUFFIXES, read_rgb8


def main(arguments: list[str] | None = None) -> None:
    """Fit, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="PICTURES", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=PARAMETERS, help="the file to write")
    parser.add_argument("--source", default="photographs", help="what the pictures are, for the file's metadata")
    options = parser.parse_args(arguments)
    files = sorted(
        file for folder in options.folders for file in folder.rglob("*") if file.suffix.lower() in READABLE_SUFFIXES
    )
    scenes = fit(_pictures(files))
    content = save(
        {"mean": scenes.mean.astype(np.float32), "covariance": scenes.covariance.astype(np.float32)},
        metadata={"source": options.source, "pictures": str(len(files))},
    )
    write_whole(options.output, content)
    print(f"{options.output}: {len(files)} pictures")


def _pictures(files: list[Path]) -> Iterator[torch.Tensor]:
    """Each as (3, H, W) in [0, 1], without those that have no whole block."""
    for file in files:
        pixels = read_rgb8(file)
        if min(pixels.shape[:2]) >= BLOCK:
            yield torch.from_numpy(pixels).permute(2, 0, 1) / 255


if __name__ == "__main__":
    main()
