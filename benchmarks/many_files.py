"""How many pictures a machine upscales, by how many workers, and what a million of them costs.

    python benchmarks/many_files.py FOLDER --jobs 1 --jobs 2 --price 0.10 -- --model rrdb-x4

runs `deltasr upscale FOLDER --jobs N` for each N, with what follows --, and prints a row of a table: the seconds that a
picture takes one worker, the pictures that all workers finish in an hour, the memory of the largest worker, and the
price of a million pictures at so much for an hour of the machine. Loading the model is not counted. The whole command,
with it, takes longer than the pictures; the difference does not grow with their number.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures like those that shall be upscaled, some for each worker")
    parser.add_argument("--jobs", type=int, action="append", required=True, help="how many workers; repeatable")
    parser.add_argument("--price", type=float, default=1.0, help="of an hour of this machine")
    parser.add_argument("options", nargs="*", help="of deltasr upscale, after --")
    arguments = parser.parse_args()
    print("| workers | pictures | s per picture and worker | pictures per hour | MiB per worker | per million |")
    print("|---|---|---|---|---|---|")
    for jobs in arguments.jobs:
        seconds, peak = measured(arguments.folder, jobs, arguments.options)
        mean = sum(seconds) / len(seconds)
        rate = jobs * 3600 / mean
        price = 1e6 / rate * arguments.price
        print(
            f"| {jobs} | {len(seconds)} | {mean:.2f} | {rate:,.0f} | {peak / 2**20:,.0f} | {price:,.2f} |", flush=True
        )


def measured(folder: Path, jobs: int, options: list[str]) -> tuple[list[float], int]:
    """The seconds of each picture, and the most bytes that a worker held."""
    with tempfile.TemporaryDirectory() as place:
        ledger = Path(place, "run.jsonl")
        command = ["upscale", str(folder), "-o", f"{place}/out", "--jobs", str(jobs), "--ledger", str(ledger), *options]
        child = subprocess.Popen([sys.executable, "-m", "deltasr", *command], stdout=subprocess.DEVNULL)
        peaks: list[int] = [0]
        watch = threading.Thread(target=_watch, args=(child, peaks))
        watch.start()
        status = child.wait()
        watch.join()
        if status:
            raise SystemExit(f"deltasr {' '.join(command)} ended with {status}.")
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    return [line["seconds"] for line in lines], peaks[0]


def _watch(child: subprocess.Popen[bytes], peaks: list[int]) -> None:
    while child.poll() is None:
        try:
            held = [process.memory_info().rss for process in psutil.Process(child.pid).children()]
        except psutil.Error:
            return
        peaks[0] = max([peaks[0], *held])
        time.sleep(0.1)


if __name__ == "__main__":
    main()
