"""Peak memory of an upscale for pictures of 1, 4 and 16 megapixels, as a Markdown table.

    python benchmarks/memory.py [--models bicubic deltadiff-tiny] [--megapixels 1 4 16] [--tile 256]

Each row is a process of its own, whose peak resident memory the system keeps. `deltadiff-tiny` is the network of the
bundled model with fresh weights: memory and time do not depend on their values.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

SIDES = {1: 1024, 4: 2048, 16: 4096}
MIB = 1 << 20


def peak() -> int:
    """Bytes of this process's largest resident memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(name: str, side: int, tile: int | None) -> dict[str, float]:
    """Upscale one picture in this process."""
    import numpy as np
    import torch

    from deltasr.imaging import Picture
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.base import Model
    from deltasr.models.deltadiff import DeltaDiff
    from deltasr.models.interpolation import Interpolation

    torch.manual_seed(0)
    model: Model = DeltaDiff(size="tiny") if name == "deltadiff-tiny" else Interpolation(method=name)
    upscaler = Upscaler(model, device="cpu", tile=tile)
    numbers = np.random.default_rng(0)
    warm_up = Picture(pixels=numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    upscaler.upscale(warm_up)
    before = peak()
    picture = Picture(pixels=numbers.integers(0, 256, (side, side, 3), dtype=np.uint8))
    started = time.perf_counter()
    result = upscaler.upscale(picture)
    return {
        "seconds": time.perf_counter() - started,
        "before": before,
        "peak": peak(),
        "pictures": picture.pixels.nbytes + result.pixels.nbytes,
    }


def main() -> None:
    """Print the table, or, as a process of it, one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["bicubic", "deltadiff-tiny"])
    parser.add_argument("--megapixels", nargs="+", type=int, choices=SIDES, default=list(SIDES))
    parser.add_argument("--tile", type=int)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.models[0], SIDES[options.megapixels[0]], options.tile)))
        return
    print("| model | input | result | pictures, MiB | peak, MiB | beyond pictures and start, MiB | seconds |")
    print("|---|---|---|---|---|---|---|")
    for model in options.models:
        for megapixels in options.megapixels:
            tile = [] if options.tile is None else ["--tile", str(options.tile)]
            command = [sys.executable, __file__, "--one", "--models", model, "--megapixels", str(megapixels), *tile]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            side = SIDES[megapixels]
            beyond = row["peak"] - row["before"] - row["pictures"]
            print(
                f"| {model} | {side}x{side} | {4 * side}x{4 * side} | {row['pictures'] / MIB:.0f} | "
                f"{row['peak'] / MIB:.0f} | {beyond / MIB:.0f} | {row['seconds']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
