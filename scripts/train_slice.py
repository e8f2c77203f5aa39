"""Train for a given number of minutes, on a machine with a time limit: start a run or resume it, and stop in time.

python scripts/train_slice.py PICTURES RUN [--minutes 9] [--reserve 30] [-- ARGUMENTS]

ARGUMENTS are those of `deltasr train`, except PICTURES, --output, --resume and --minutes. The same ones may be given
each time: those of a new run (--recipe, --config, --set, --init, --first-stage, --teacher) are left out where a run
is resumed. --minutes counts from the call, imports included. Training stops --reserve seconds before the end to save
its state. If it does not, it is killed with all processes that it started, and the last saved state remains.

Exits with 0 if training went well, 1 if not. docs/renting-a-gpu.md describes how to move pictures and weights.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
"""Where the deltasr package is, beside the scripts."""
_TRAIN = """
import sys, time
import deltasr.training.trainer
from deltasr.cli import main
minutes = max(0.01, (float(sys.argv[1]) - time.time()) / 60)
main([*sys.argv[2:], "--minutes", f"{minutes:.3f}"])
"""
"""`python -m deltasr`, whose own --minutes would not count the seconds that imports take."""


def lasting(arguments: list[str]) -> list[str]:
    """The arguments of `deltasr train` without those that only a new run takes."""
    beginnings = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--recipe", "--config", "--set", "--init", "--first-stage", "--teacher"):
        beginnings.add_argument(option, action="append")
    return beginnings.parse_known_args(arguments)[1]


def train(pictures: Path, run: Path, arguments: list[str], *, stop: float, end: float) -> bool:
    """Start or resume the run; whether training ended by itself and without an error.

    Args:
        pictures: the training pictures.
        run: the run's folder.
        arguments: further ones for `deltasr train`.
        stop: when it should stop by itself, in seconds since the epoch.
        end: when it is killed.
    """
    goes_on = (run / "recipe.json").exists()
    chosen = ["--resume", *lasting(arguments)] if goes_on else arguments
    search = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAIN, str(stop), "train", str(pictures), "--output", str(run), *chosen],
        env={**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"},
        start_new_session=True,
    )
    timer = threading.Timer(max(0.0, end - time.time()), partial(_end_group, process.pid))
    timer.start()
    try:
        status = process.wait()
    finally:
        timer.cancel()
        _end_group(process.pid)
    if status < 0:
        print("training did not stop in time and was ended; its last saved state is kept", flush=True)
    return status == 0


def _end_group(group: int) -> None:
    """Kill a process and all that it started, also workers that outlive it."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The arguments before `--`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of training pictures")
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--minutes", type=float, default=9, help="of the whole call (default 9)")
    parser.add_argument("--reserve", type=float, default=30, help="seconds of them kept for saving (default 30)")
    found = parser.parse_args(arguments)
    if not 0 <= found.reserve < 60 * found.minutes < math.inf:
        parser.error(
            f"--minutes {found.minutes:g} and --reserve {found.reserve:g} leave no time to train in, or have no end; "
            "give minutes that are longer than the reserve of seconds"
        )
    return found


if __name__ == "__main__":
    started = time.time()
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own = parsed(sys.argv[1:split])
    end = started + 60 * own.minutes
    sys.exit(0 if train(own.pictures, own.run, sys.argv[split + 1 :], stop=end - own.reserve, end=end) else 1)
