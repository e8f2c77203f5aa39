"""Many clients of `deltasr web` at once: is any result lost or wrong, and how much memory does the server take?

    python benchmarks/web_load.py --clients 50 --queue 8

Every client sends a picture of its own over HTTP, waits as long as Retry-After says whenever the queue is full, and
compares what comes back with what `deltasr upscale` writes for the same file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
import psutil

from deltasr.imaging import Picture, encode_picture
from deltasr.models import catalogue

ROOT = Path(__file__).parents[1]


@dataclass
class Outcome:
    """What became of all clients.

    Attributes:
        right: results that are the command line's, byte for byte.
        refused: times that the queue was full.
        seconds: from the first request to the last result.
        longest: seconds that one client waited.
        memory_before, memory_peak: of the server, in bytes.
        files_left: in the server's folder, at the end.
    """

    clients: int
    right: int
    refused: int
    seconds: float
    longest: float
    memory_before: int
    memory_peak: int
    files_left: int


@contextmanager
def server(*options: str, folder: Path):
    """`deltasr web` in a process of its own; gives the process and its address."""
    command = [sys.executable, "-m", "deltasr", "web", "--port", "0", "--no-browser", *options]

    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, line.split()[3]
    finally:
        process.terminate()
        process.wait(30)


def run(*, clients: int, queue: int, model: str, side: int) -> Outcome:
    """Let so many clients send pictures of so many pixels a side at once."""
    pictures = [_picture(number, side) for number in range(clients)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = _by_command(pictures, model, folder)
        with server("--queue", str(queue), "--model", model, folder=folder) as (process, address):
            _send(address, pictures[0])  # the model is loaded
            resident = psutil.Process(process.pid)
            before, peak, ended = resident.memory_info().rss, [0], threading.Event()

            def watch() -> None:
                while not ended.wait(0.02):
                    peak[0] = max(peak[0], resident.memory_info().rss)

            watcher = threading.Thread(target=watch)
            watcher.start()
            started = time.monotonic()
            with ThreadPoolExecutor(clients) as pool:
                results = list(pool.map(lambda content: _send(address, content), pictures))
            seconds = time.monotonic() - started
            ended.set()
            watcher.join()
            left = sum(1 for place in folder.glob("deltasr-web-*") for _ in place.iterdir())
    return Outcome(
        clients=clients,
        right=sum(result[0] == wanted for result, wanted in zip(results, expected, strict=True)),
        refused=sum(result[1] for result in results),
        seconds=seconds,
        longest=max(result[2] for result in results),
        memory_before=before,
        memory_peak=peak[0],
        files_left=left,
    )


def _picture(number: int, side: int) -> bytes:
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (side // 8 + 1, side // 8 + 1, 3), np.uint8)
    return encode_picture(Picture(pixels=np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:side, :side].copy()), "png")


def _by_command(pictures: list[bytes], model: str, folder: Path) -> list[bytes]:
    (folder / "in").mkdir()
    for number, content in enumerate(pictures):
        (folder / "in" / f"{number}.png").write_bytes(content)
    command = [
        sys.executable,
        "-m",
        "deltasr",
        "upscale",
        str(folder / "in"),
        "-o",
        str(folder / "out"),
        "--model",
        model,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    mark = f"-x{catalogue.facts(model).scale}"  # type: ignore[union-attr]
    written = {path.stem.removesuffix(mark): path for path in (folder / "out").rglob("*.png")}
    return [written[str(number)].read_bytes() for number in range(len(pictures))]


def _send(address: str, content: bytes) -> tuple[bytes, int, float]:
    """The result, how often the queue was full, and how long it took."""
    refused, started = 0, time.monotonic()
    with httpx2.Client(timeout=1000) as client:
        while True:
            answer = client.post(f"{address}v1/upscale", content=content)
            if answer.status_code != 429:
                answer.raise_for_status()
                return answer.content, refused, time.monotonic() - started
            refused += 1
            time.sleep(float(answer.headers["Retry-After"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--queue", type=int, default=8)
    parser.add_argument("--model", default="deltadiff-x4")
    parser.add_argument("--side", type=int, default=64)
    outcome = run(**vars(parser.parse_args()))
    print(f"{outcome.right} of {outcome.clients} results are the command line's, byte for byte")
    print(f"the queue was full {outcome.refused} times")
    print(f"{outcome.seconds:.1f} s in all, {outcome.longest:.1f} s the longest wait")
    grown = (outcome.memory_peak - outcome.memory_before) / 1e6
    print(f"the server took {outcome.memory_before / 1e6:.0f} MB before and {grown:.0f} MB more at its peak")
    print(f"{outcome.files_left} files were left on its disk")
    raise SystemExit(outcome.right != outcome.clients)


if __name__ == "__main__":
    main()
