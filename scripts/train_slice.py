"""Train for a few minutes on a machine that has little: unpack what was packed, train or go on, hand out the result.

python scripts/train_slice.py WORK OUT [--parts PARTS] [--from BROUGHT] [--minutes 9] [--state] [-- ARGUMENTS]
python scripts/train_slice.py WORK --unpack --parts PARTS [--from BROUGHT]

WORK is a folder on the machine's own disk; while it is there, each call goes on where the last one stopped. PARTS
holds what `pack.py` wrote, or some of it: parts may come in several calls, and are unpacked once. OUT receives the log,
the averaged weights as 16-bit numbers and, by --state, all that is needed to go on elsewhere, in parts of at most 15
MiB with a manifest; `join.py` puts them together, and --from takes such a folder to go on from. --minutes counts from
the call to the last byte in OUT. ARGUMENTS are those of `deltasr train`, its folders and --minutes apart; the same ones
may be given each time, and those that say how a run begins (--recipe, --config, --set, --init, --first-stage) are left
out where one goes on.

Needs Python and pip alone until the tools are unpacked; torch, accelerate, tensorboard, NumPy, Pillow and rich have to
be there or among the tools. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from machine import SOURCE, bring, install
from parts import MANIFEST, MIB, Member, PartsError, restore, write_cut, write_manifest, write_whole

_LIMIT = 15 * MIB
_WEIGHTS = "model.safetensors"
_FACTS = ("recipe.json", "held-out.json", "pictures.json", "metrics.jsonl")
"""What a run's folder says of its weights."""
_STATE = (*_FACTS, _WEIGHTS, "state.pt")
_SHARE_FOR_OUTPUT = 0.4
"""Of the reserve: a training that has not ended by then, which it does of itself, is ended."""
_TRAIN = """
import sys, time
import deltasr.training.trainer
from deltasr.cli import main
minutes = max(0.01, (float(sys.argv[1]) - time.time()) / 60)
main([*sys.argv[2:], "--minutes", f"{minutes:.3f}"])
"""
"""`python -m deltasr`, whose own --minutes would not count the seconds that imports take."""


class Log:
    """Says things, and keeps what was said for the folder that comes back."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)


def lasting(arguments: list[str]) -> list[str]:
    """The arguments of `deltasr train` without those that only a new run takes."""
    beginnings = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--recipe", "--config", "--set", "--init", "--first-stage"):
        beginnings.add_argument(option, action="append")
    return beginnings.parse_known_args(arguments)[1]


def train(work: Path, site: Path, run: Path, arguments: list[str], *, stop: float, end: float, log: Log) -> bool:
    """Begin or resume the run, and say whether training ended by itself and well.

    Args:
        work: the folder with pictures and networks.
        site: the folder with installed packages.
        run: the run's folder.
        arguments: further ones for `deltasr train`.
        stop: when it has to stop by itself, in seconds since the epoch.
        end: when it is ended; the state last saved is then what there is.
        log: where its output goes.
    """
    goes_on = (run / "recipe.json").exists()
    chosen = ["--resume", *lasting(arguments)] if goes_on else arguments
    networks = ["--networks", str(work / "networks")] if (work / "networks").is_dir() else []
    paths = [str(work / "pictures"), "--output", str(run), "--cache", str(work / "cache"), *networks]
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    search = os.pathsep.join([str(SOURCE), str(site), *inherited])
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAIN, str(stop), "train", *paths, *chosen],
        env={**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    timer = threading.Timer(max(0.0, end - time.time()), partial(_end_group, process.pid))
    timer.start()
    try:
        for line in process.stdout:
            log(line.rstrip("\n"))
        status = process.wait()
    finally:
        timer.cancel()
        _end_group(process.pid)
    if status < 0:
        log("training did not stop in time and was ended; what follows is its last saved state")
    return status == 0


def _end_group(group: int) -> None:
    """End a process and all that it started: workers that outlive it would hold its output open."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def hand_out(run: Path, out: Path, *, state: bool, log: Log) -> None:
    """Write the weights as 16-bit numbers and, if asked for, the state into `out`, in parts; the manifest comes last.

    What an earlier slice left there goes once the weights to replace it are ready.

    Raises:
        PartsError: the folder cannot be written.
        CheckpointError: the run's weights cannot be read.
    """
    import torch

    from deltasr.models import checkpoint

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    log(f"machine: {device}, {os.cpu_count()} cores, torch {torch.__version__}, Python {sys.version.split()[0]}")
    header = checkpoint.read_header(run / _WEIGHTS)
    model = checkpoint.load(run / _WEIGHTS)
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder, _WEIGHTS)
        weights = {
            name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()
        }
        checkpoint.save(model, half, state=weights, training=header.training)
        released = [*_members(run, _FACTS), Member(path=_WEIGHTS, source=half)]
        for earlier in (out / MANIFEST, *out.glob("*.part")):
            earlier.unlink(missing_ok=True)
        archives = {"weights": write_cut(out, "weights", released, _LIMIT)}
    if state:
        archives["state"] = write_cut(out, "state", _members(run, _STATE), _LIMIT)
    write_manifest(out, archives)
    for name, parts in archives.items():
        log(f"{name}: {len(parts)} parts, {sum(part.bytes for part in parts) / MIB:.1f} MiB in {out}")
    log(f"{header.training['images']:,} images, {header.training['seconds']:,} s of training so far")


def _members(run: Path, names: tuple[str, ...]) -> list[Member]:
    return [Member(path=name, source=run / name) for name in names if (run / name).exists()]


def main(own: argparse.Namespace, arguments: list[str], *, started: float) -> bool:
    """Unpack, train and hand out; whether all of it went well.

    Raises:
        PartsError: parts, packages or time are missing, what was brought is damaged, or OUT is a folder to take from.
        DeltasrError: there are no weights to hand out.
    """
    log = Log()
    _require_own_folder(own)
    missing = bring(own.parts, own.work, log)
    run = own.run or own.work / "run"
    if own.brought is not None:
        if (run / "recipe.json").exists():
            log(f"{run} is here already, so the state in {own.brought} is left aside")
        else:
            restore(own.brought, "state", run)
    if own.unpack:
        log(f"still to come: {', '.join(missing)}" if missing else "all parts are unpacked")
        return True
    if missing:
        raise PartsError(f"{', '.join(missing)} still to come; bring what is missing by --parts.")
    site = install(own.work, log)
    deadline = started + 60 * own.minutes
    stop, end = deadline - own.reserve, deadline - _SHARE_FOR_OUTPUT * own.reserve
    if time.time() >= stop:
        raise PartsError(f"No time is left to train in, of {own.minutes:g} minutes; call again, all is unpacked now.")
    well = train(own.work, site, run, arguments, stop=stop, end=end, log=log)
    if (run / "recipe.json").exists():
        hand_out(run, own.out, state=own.state, log=log)
    log(f"{time.time() - started:.0f} s in all")
    write_whole(own.out / "log.txt", "".join(f"{line}\n" for line in log.lines).encode())
    return well


def _require_own_folder(own: argparse.Namespace) -> None:
    """What is handed out replaces what is there, so it goes to none of the folders that hold what a slice needs."""
    needed = {path.resolve() for path in (own.work, own.parts, own.brought) if path is not None}
    if own.out is not None and own.out.resolve() in needed:
        raise PartsError(f"{own.out} is a folder to take from; name another one for what is to be taken home.")


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line says before `--`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder on this machine's disk")
    parser.add_argument("out", type=Path, nargs="?", help="folder for what is to be taken home")
    parser.add_argument("--parts", type=Path, help="folder with parts of pictures and tools")
    parser.add_argument("--from", type=Path, dest="brought", help="folder handed out with --state, to go on from")
    parser.add_argument("--run", type=Path, help="the run's folder (default WORK/run)")
    parser.add_argument("--minutes", type=float, default=9, help="of the whole call (default 9)")
    parser.add_argument("--reserve", type=float, default=30, help="seconds of them kept for saving (default 30)")
    parser.add_argument("--state", action="store_true", help="hand out the resumable state too")
    parser.add_argument("--unpack", action="store_true", help="unpack what is here and stop")
    found = parser.parse_args(arguments)
    if found.out is None and not found.unpack:
        parser.error("OUT is missing: the folder for what is to be taken home")
    return found


if __name__ == "__main__":
    started = time.time()
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own = parsed(sys.argv[1:split])
    try:
        well = main(own, sys.argv[split + 1 :], started=started)
    except Exception as error:
        if isinstance(error, PartsError) or type(error).__module__ == "deltasr.errors":
            sys.exit(f"train_slice: {error}")
        raise
    sys.exit(0 if well else 1)
