"""How much time a folder takes when reading and writing overlap with computing, as a share of without.

    python benchmarks/overlap.py [--files 50] [--side 128] [--engine torch] [--device auto] [--rounds 5]

One process upscales a folder of crops of the example pictures by turns: one file after the other, and overlapped
(`inference.pipeline`). Other work on the machine meets both. Quote the ratio. The results' bytes are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from deltasr import environment
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.inference.batch import Request, stages_of
from deltasr.inference.pipeline import run_overlapped
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.planning import plan_jobs, run_jobs

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def write_folder(folder: Path, *, files: int, side: int) -> None:
    """Fill a folder with PNGs of side x side pixels."""
    sources = [read_picture(file).pixels for file in sorted(EXAMPLES.glob("*.png"))]
    places = np.random.default_rng(0)
    for number in range(files):
        pixels = np.tile(sources[number % len(sources)], (4, 4, 1))
        top, left = (places.integers(length - side + 1) for length in pixels.shape[:2])
        write_picture(Picture(pixels=pixels[top : top + side, left : left + side]), folder / f"{number:03}.png")


def main() -> None:
    environment.let_threads_sleep()  # as the commands do
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    runtime = chosen.engine if chosen.engine in ("onnxruntime", "openvino") else None
    upscaler = Upscaler(catalogue.load(runtime=runtime), engine=chosen.engine, device=chosen.device)
    stages = stages_of(upscaler, Request(), progress=lambda job, share: None, replace_maps=True)
    seconds: dict[str, list[float]] = {"in turn": [], "overlapped": []}
    with tempfile.TemporaryDirectory() as place:
        folder, results = Path(place) / "pictures", Path(place) / "results"
        folder.mkdir()
        write_folder(folder, files=chosen.files, side=chosen.side)
        jobs = plan_jobs([folder], results).jobs
        digests = set()
        for number in range(chosen.rounds + 1):
            for mode, taken in seconds.items():
                started = time.perf_counter()
                if mode == "in turn":
                    outcomes = list(run_jobs(jobs, stages.all, existing="overwrite"))
                else:
                    outcomes = list(run_overlapped(jobs, stages, existing="overwrite"))
                if number:  # the first prepares
                    taken.append(time.perf_counter() - started)
                assert all(outcome.status == "done" for outcome in outcomes)
                digests.add(hashlib.sha256(b"".join(job.target.read_bytes() for job in jobs)).hexdigest())
    ratios = [after / before for before, after in zip(*seconds.values(), strict=True)]
    print(f"{chosen.files} pictures of {chosen.side}x{chosen.side}, {chosen.engine} on {upscaler.device}")
    print(f"overlapped / in turn: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print("the same bytes" if len(digests) == 1 else "DIFFERENT BYTES")


if __name__ == "__main__":
    main()
