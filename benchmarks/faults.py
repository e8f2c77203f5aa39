"""What `deltasr` does when things go wrong: trials with drawn faults, as a Markdown table.

    python benchmarks/faults.py [--trials 10] [--seed 0] [--only malformed kill]

Every trial runs the command line on small pictures in a temporary folder and breaks something: a file, the process, the
disk, the memory. Expected is that results are whole or not there at all, that each failure is one sentence, and that
everything else is done. A failed trial is printed with its seed; `--only NAME --seed SEED --trials 1` repeats it, up to
the moment at which a signal arrives. The exit status is 1 if any trial failed. Written for Linux.

{kinds}
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import psutil
from PIL import Image

DELTASR = [sys.executable, "-m", "deltasr"]
BICUBIC = ("--model", "bicubic", "--device", "cpu")
NETWORK = ("--device", "cpu")
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tiff": "TIFF", "gif": "GIF", "bmp": "BMP"}
GIB, MIB = 1 << 30, 1 << 20
ADDRESSES = 4 * GIB
LONGEST = 600
"""Seconds after which a command counts as one that never ends."""
SECONDS_TO_STOP = 2.0
"""Processor time that a command may take after Ctrl-C."""

LIMITED = """
import resource, sys
import torch
import deltasr.imaging, deltasr.inference.batch, deltasr.inference.upscaler
from deltasr.cli import main
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv.pop(1)),) * 2)
main()
"""

TRAINING = {"crop": 8, "batch": 2, "images": 120, "warmup": 20, "validation_pictures": 1, "validate_every": 40}


class TrialError(Exception):
    """What was not as it should be."""


class SkippedError(Exception):
    """Why trials of this kind cannot be made here."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit status, negative for a signal, and what it printed on either stream."""

    status: int
    output: str
    errors: str


def expect(condition: object, otherwise: str) -> None:
    """Fail the trial unless something holds."""
    if not condition:
        raise TrialError(otherwise)


# Commands


def start(
    *arguments: object,
    command: Sequence[str] | None = None,
    addresses: int | None = None,
    output: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a command, with at most so many bytes of address space."""

    def limit() -> None:
        if addresses is not None:
            resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))

    return subprocess.Popen(
        [*(DELTASR if command is None else command), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=limit,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command; it may not end by a traceback."""
    try:
        output, errors = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise TrialError(f"did not end within {LONGEST} s") from None
    expect("Traceback" not in errors, f"traceback: {errors[-300:]!r}")
    return Ended(process.returncode, output or "", errors)


def run(*arguments: object, addresses: int | None = None) -> Ended:
    return end(start(*arguments, addresses=addresses))


@contextmanager
def alive(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive a trial."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something, or for the end of the process."""
    started = time.monotonic()
    while process.poll() is None and not condition():
        expect(time.monotonic() - started < LONGEST, f"nothing happened within {LONGEST} s")
        time.sleep(0.005)


def processor_time(process: subprocess.Popen[str]) -> float:
    """Seconds, of a process that has not been waited for."""
    return sum(psutil.Process(process.pid).cpu_times()[:2])


def loads_torch(process: subprocess.Popen[str]) -> bool:
    """Whether a command has begun its work; before that, the interpreter handles Ctrl-C."""
    try:
        return "libtorch" in Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return False


# Pictures and results


def noise(seed: int, height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def folder_of_noise(folder: Path, count: int, side: int) -> list[Path]:
    """A new folder of square PNG pictures."""
    folder.mkdir()
    paths = [folder / f"picture-{number:02}.png" for number in range(count)]
    for number, path in enumerate(paths):
        noise(number, side, side).save(path)
    return paths


def require_whole(path: Path) -> None:
    """Decode a result to its end."""
    try:
        with Image.open(path) as image:
            image.load()
    except Exception as error:
        raise TrialError(f"the result {path.name} is broken: {error}") from error


def results_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not is_leftover(path)]


def is_leftover(path: Path) -> bool:
    return path.name.startswith(".") or path.suffix == ".part"


def require_no_leftovers(folder: Path) -> None:
    left = sorted(path.name for path in folder.rglob("*") if is_leftover(path))
    expect(not left, f"left behind: {', '.join(left)}")


def require_sentence(ended: Ended) -> None:
    """The command failed, and said why in one line."""
    expect(ended.status == 1, f"ended with {ended.status}, not 1: {ended.errors[-300:]!r}")
    one = ended.errors.startswith("deltasr: ") and ended.errors.count("\n") == 1
    expect(one, f"not one sentence: {ended.errors[-300:]!r}")


def require_each_done_or_named(ended: Ended, sources: Sequence[Path], output: Path, *, sound: Sequence[Path]) -> None:
    """Every source has a whole result or one line that names it, those that are sound a result; nothing else is there.

    Results and lines are told by the stem of a source.
    """
    lines = ended.errors.splitlines()
    strange = [line for line in lines if not line.startswith("deltasr: ")]
    expect(not strange, f"printed on standard error: {strange[:1]}")
    failed = 0
    for source in sources:
        results = [path for path in results_in(output) if path.stem == source.stem]
        named = sum(source.stem in line for line in lines)
        for result in results:
            require_whole(result)
        expect(len(results) + named == 1, f"{source.name}: {len(results)} results, named in {named} lines")
        expect(results or source not in sound, f"{source.name} is sound, and was not done: {lines}")
        failed += named
    expect(ended.status == bool(failed), f"ended with {ended.status} where {failed} failed: {ended.errors[-300:]!r}")
    require_no_leftovers(output)


# Mutations


def encoded(image: Image.Image, suffix: str) -> bytes:
    with io.BytesIO() as buffer:
        image.save(buffer, FORMATS[suffix])
        return buffer.getvalue()


def truncated(content: bytes, draws: Random) -> bytes:
    """Without a tenth at its end or more, and so without pixels."""
    return content[: draws.randrange(len(content) * 9 // 10)]


def flipped(content: bytes, draws: Random) -> bytes:
    """With up to 8 bits the other way round, every second time within the first 100 bytes."""
    changed, end_ = bytearray(content), len(content) if draws.random() < 0.5 else min(100, len(content))
    for _ in range(draws.randint(1, 8)):
        changed[draws.randrange(end_)] ^= 1 << draws.randrange(8)
    return bytes(changed)


def spliced(content: bytes, draws: Random) -> bytes:
    """With a piece of itself copied over another place."""
    length = draws.randint(1, len(content) // 2)
    from_, to = (draws.randrange(len(content) - length + 1) for _ in range(2))
    return content[:to] + content[from_ : from_ + length] + content[to + length :]


def resized(content: bytes, draws: Random) -> bytes:
    """With other sizes in the header of the picture."""
    changed = bytearray(content)
    sides = [draws.choice([0, 1, 500, 65_500]) for _ in range(2)]
    if content.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", *sides)
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    elif content.startswith(b"\xff\xd8"):
        frame = content.index(b"\xff\xc0")
        changed[frame + 5 : frame + 9] = struct.pack(">HH", *sides)
    elif content.startswith(b"RIFF"):
        changed[26:30] = struct.pack("<HH", *(side & 0x3FFF for side in sides))
    elif content.startswith(b"II*\0"):
        entries = struct.unpack("<I", content[4:8])[0] + 2
        for entry, side in enumerate(sides):  # the first two are width and height
            at = entries + 12 * entry
            changed[at + 2 : at + 12] = struct.pack("<HII", 4, 1, side)
    elif content.startswith(b"GIF8"):
        changed[6:10] = struct.pack("<HH", *sides)
        descriptor = content.index(b",\0\0\0\0")
        changed[descriptor + 5 : descriptor + 9] = struct.pack("<HH", *sides)
    else:
        changed[18:26] = struct.pack("<ii", *sides)
    return bytes(changed)


MUTATIONS: list[Callable[[bytes, Random], bytes]] = [truncated, flipped, spliced, resized]


# Trials


def malformed(folder: Path, draws: Random) -> None:
    """a mutated picture of each of six formats, among sound ones, within 4 GiB of addresses"""
    source = folder / "in"
    sound, mutated = folder_of_noise(source, 2, 32), []
    for suffix in FORMATS:
        content = encoded(noise(draws.randrange(1000), draws.randint(8, 48), draws.randint(8, 48)), suffix)
        mutation = draws.choice(MUTATIONS)
        mutated.append(source / f"{mutation.__name__}-{suffix}.{suffix}")
        mutated[-1].write_bytes(mutation(content, draws))
    ended = run("upscale", source, "-o", folder / "out", *BICUBIC, addresses=ADDRESSES)
    require_each_done_or_named(ended, [*sound, *mutated], folder / "out", sound=sound)
    taken = [path.name for path in results_in(folder / "out") if path.stem.startswith(truncated.__name__)]
    expect(not taken, f"truncated, and taken for whole: {', '.join(taken)}")


def kill(folder: Path, draws: Random) -> None:
    """SIGKILL at some time in a folder; a second run does what is missing"""
    sources, output = folder_of_noise(folder / "in", 5, 64), folder / "out"
    arguments = ("upscale", folder / "in", "-o", output, *NETWORK)
    with alive(start(*arguments)) as process:
        done = draws.randrange(len(sources))
        wait_until(lambda: loads_torch(process) and len(results_in(output)) >= done, process)
        time.sleep(draws.random())
        process.kill()
        process.communicate()
    for result in results_in(output):
        require_whole(result)
    ended = run(*arguments, "--skip-existing")
    expect(len(results_in(output)) == len(sources), f"{len(results_in(output))} results of {len(sources)}")
    require_each_done_or_named(ended, sources, output, sound=sources)


def interrupt(folder: Path, draws: Random) -> None:
    """Ctrl-C at some time in a folder: status 130, soon, and nothing half done"""
    sources, output = folder_of_noise(folder / "in", 5, 64), folder / "out"
    with alive(start("upscale", folder / "in", "-o", output, *NETWORK)) as process:
        done = draws.randrange(len(sources) - 1)
        wait_until(lambda: loads_torch(process) and len(results_in(output)) >= done, process)
        time.sleep(draws.random() / 2)
        if process.poll() is not None or len(results_in(output)) == len(sources):
            return
        before = processor_time(process)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: processor_time(process) - before > SECONDS_TO_STOP, process)
        expect(process.poll() is not None, f"computed for another {SECONDS_TO_STOP} s and more")
        ended = end(process)
    if ended.status == 0 and len(results_in(output)) == len(sources):
        return
    expect(ended.status == 130, f"ended with {ended.status}, not 130: {ended.errors[-300:]!r}")
    expect(ended.errors == "deltasr: interrupted\n", f"printed on standard error: {ended.errors[-300:]!r}")
    for result in results_in(output):
        require_whole(result)
    require_no_leftovers(output)


def disk_full(folder: Path, draws: Random) -> None:
    """results onto a file system that is too small for some, in PNG, JPEG, WebP or TIFF"""
    source, output = folder / "in", folder / "out"
    sources = folder_of_noise(source, 2, 8)
    for number in range(3):
        sources.append(source / f"large-{number}.png")
        noise(number, side := draws.randint(32, 160), side).save(sources[-1])
    with small_file_system(output, draws.choice([64, 128, 256, 512]) << 10):
        format_ = draws.choice(["png", "jpeg", "webp", "tiff"])
        ended = run("upscale", source, "-o", output, *BICUBIC, "--output-format", format_)
        require_each_done_or_named(ended, sources, output, sound=())
        expect(len(results_in(output)) >= 1, f"nothing was done: {ended.errors!r}")


@contextmanager
def small_file_system(folder: Path, size: int) -> Iterator[None]:
    """A file system of so many bytes; only the superuser can have one.

    Raises:
        SkippedError: it cannot be mounted.
    """
    if os.geteuid() != 0:
        raise SkippedError("only the superuser can mount a small file system")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        raise SkippedError(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def output_full(folder: Path, draws: Random) -> None:
    """standard output is /dev/full, for messages or for the picture itself"""
    sources, output = folder_of_noise(folder / "in", 3, 16), folder / "out"
    to_pipe = draws.random() < 0.5
    arguments = (sources[0], "-o", "-") if to_pipe else (folder / "in", "-o", output)
    with Path("/dev/full").open("w") as full:
        ended = end(start("upscale", *arguments, *BICUBIC, output=full.fileno()))
    require_sentence(ended)
    if not to_pipe:
        expect(len(results_in(output)) == len(sources), f"{len(results_in(output))} results of {len(sources)}")
        for result in results_in(output):
            require_whole(result)
        require_no_leftovers(output)


def memory(folder: Path, draws: Random) -> None:
    """a folder with large pictures, within 8 MiB to 1 GiB of addresses beside the libraries'"""
    source = folder / "in"
    sources = folder_of_noise(source, 1, 8)
    for side in (draws.randint(100, 2000) for _ in range(2)):
        sources.append(source / f"side-{len(sources)}-{side}.png")
        noise(side, side, side).save(sources[-1])
    free = draws.choice([8, 32, 64, 128, 256, 512, 1024]) * MIB
    command = [sys.executable, "-c", LIMITED, str(free)]
    ended = end(start("upscale", source, "-o", folder / "out", *BICUBIC, command=command))
    if not (ended.errors.count("\n") == 1 and not any(path.name in ended.errors for path in sources)):
        require_each_done_or_named(ended, sources, folder / "out", sound=())
        return
    require_sentence(ended)  # of the whole command
    require_no_leftovers(folder / "out")


def two_at_once(folder: Path, draws: Random) -> None:
    """two processes upscale one folder into one folder"""
    sources, output = folder_of_noise(folder / "in", 5, 64), folder / "out"
    existing = draws.choice(["--skip-existing", "--overwrite"])
    processes = []
    for _ in range(2):
        processes.append(start("upscale", folder / "in", "-o", output, *BICUBIC, existing))
        time.sleep(draws.random() / 2)
    with alive(processes[0]), alive(processes[1]):
        ended = [end(process) for process in processes]
    for one in ended:
        require_each_done_or_named(one, sources, output, sound=sources)


def training(folder: Path, name: str, *more: object) -> tuple[object, ...]:
    """The command that trains in a run's folder."""
    if importlib.util.find_spec("accelerate") is None:
        raise SkippedError("training needs accelerate")
    return ("train", folder / "in", "-o", folder / name, "--cache", folder / "cache", "--device", "cpu", *more)


def settings(**changes: object) -> list[str]:
    return [part for key, value in (TRAINING | changes).items() for part in ("--set", f"{key}={value}")]


def lines_of_log(run_folder: Path) -> list[dict[str, object]]:
    """A run's numbers, without its times."""
    file = run_folder / "metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{key: line[key] for key in line.keys() - {"seconds", "images_per_second"}} for line in lines]


def count_of_log(run_folder: Path) -> int:
    file = run_folder / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def two_trainings(folder: Path, draws: Random) -> None:
    """a second training into a run's folder is refused, and the first goes on"""
    folder_of_noise(folder / "in", 3, 48)
    run_folder = folder / "run"
    with alive(start(*training(folder, "run", *settings(images=100_000)))) as first:
        wait_until(lambda: count_of_log(run_folder) > 0, first)
        require_sentence(run(*training(folder, "run", *draws.choice([settings(), ["--resume"]]))))
        expect(first.poll() is None, "the first training ended")
        first.terminate()
        ended = end(first)
    expect(ended.status == 0, f"the first training ended with {ended.status}: {ended.errors[-300:]!r}")
    require_no_leftovers(run_folder)


def resume(folder: Path, draws: Random) -> None:
    """a training that is killed and resumed gives the weights and the log of one that was not"""
    from safetensors.torch import load_file

    folder_of_noise(folder / "in", 3, 48)
    chosen = settings(save_every=draws.choice([2, 10, 30]), seed=draws.randrange(1000))
    ended = run(*training(folder, "whole", *chosen))
    expect(ended.status == 0, f"the training ended with {ended.status}: {ended.errors[-300:]!r}")
    parts, more = folder / "parts", chosen
    for _ in range(draws.randint(1, 2)):
        enough = count_of_log(parts) + draws.randint(1, 3)
        with alive(start(*training(folder, "parts", *more))) as process:
            wait_until(lambda enough=enough: count_of_log(parts) >= enough, process)
            time.sleep(draws.random() / 4)
            process.send_signal(draws.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            end(process)
        more = ["--resume"]
    ended = run(*training(folder, "parts", *more))
    expect(ended.status == 0, f"--resume ended with {ended.status}: {ended.errors[-300:]!r}")
    whole, resumed = (load_file(folder / name / "model.safetensors") for name in ("whole", "parts"))
    expect(whole.keys() == resumed.keys(), "the weights have other names")
    other = [name for name in whole if not whole[name].equal(resumed[name])]
    expect(not other, f"{len(other)} of {len(whole)} weights differ, {other[:1]}")
    expect(lines_of_log(folder / "whole") == lines_of_log(folder / "parts"), "the logs differ")
    require_no_leftovers(folder / "parts")


def checkpoint(folder: Path, draws: Random) -> None:
    """a bundled checkpoint with a mutated header, for info and upscale, within 4 GiB of addresses"""
    from deltasr.models.catalogue import BUNDLED, bundled_file

    content = bundled_file(draws.choice(list(BUNDLED)), ".safetensors").read_bytes()
    path, sources = folder / "mutated.safetensors", folder_of_noise(folder / "in", 1, 16)
    path.write_bytes(draws.choice([hostile_arguments, hostile_tensors, hostile_bytes])(content, draws))
    ended = run("info", path, addresses=ADDRESSES)
    if ended.status != 0:
        require_sentence(ended)
    expect("\x1b" not in ended.output + ended.errors, "printed an escape of the file")
    ended = run("upscale", sources[0], "-o", folder / "out.png", "--model", path, *NETWORK, addresses=ADDRESSES)
    if ended.status != 0:
        require_sentence(ended)
        expect(not (folder / "out.png").exists(), "failed, and left a result")
    else:
        require_whole(folder / "out.png")


def split(content: bytes) -> tuple[dict[str, dict[str, object]], bytes]:
    """The header and the weights of a safetensors file."""
    end_ = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:end_]), content[end_:]


def joined(header: object, weights: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights


def hostile_value(draws: Random) -> object:
    values = [-1, 0, 10**6, 10**9, 10**30, 10**400, 1.5, 1e308, True, None, "4", "\x1b[2J", [4], [[]] * 999, {"a": 4}]
    return draws.choice(values)


def hostile_arguments(content: bytes, draws: Random) -> bytes:
    """With an absurd value in the header from which the model is built."""
    header, weights = split(content)
    inner = json.loads(str(header["__metadata__"]["deltasr"]))
    chosen = draws.choice([inner, inner["arguments"]])
    chosen[draws.choice([*chosen, "unknown"])] = hostile_value(draws)
    header["__metadata__"]["deltasr"] = json.dumps(inner)
    return joined(header, weights)


def hostile_tensors(content: bytes, draws: Random) -> bytes:
    """With an absurd value in the list of the weights."""
    header, weights = split(content)
    tensor = header[draws.choice([name for name in header if name != "__metadata__"])]
    tensor[draws.choice(["dtype", "shape", "data_offsets"])] = draws.choice([hostile_value(draws), [0, 10**12]])
    return joined(header, weights)


def hostile_bytes(content: bytes, draws: Random) -> bytes:
    """Mutated without regard to what it means, in the header or as a whole."""
    if draws.random() < 0.2:
        return truncated(content, draws)
    end_ = 8 + struct.unpack("<Q", content[:8])[0]
    return draws.choice([flipped, spliced])(content[:end_], draws) + content[end_:]


TRIALS: dict[str, Callable[[Path, Random], None]] = {
    "malformed": malformed,
    "kill": kill,
    "interrupt": interrupt,
    "disk-full": disk_full,
    "output-full": output_full,
    "memory": memory,
    "two-at-once": two_at_once,
    "two-trainings": two_trainings,
    "resume": resume,
    "checkpoint": checkpoint,
}


def try_once(kind: str, seed: int) -> str | None:
    """Make one trial; what was wrong in one line, or None.

    Raises:
        SkippedError: it cannot be made here.
    """
    with tempfile.TemporaryDirectory(prefix="deltasr-faults-") as folder:
        try:
            TRIALS[kind](Path(folder), Random(f"{kind} {seed}"))
        except TrialError as failure:
            return " ".join(str(failure).split())
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the trials, and print the table and a line for each failure."""
    kinds = "\n".join(f"    {name:14} {trial.__doc__}" for name, trial in TRIALS.items())
    description = str(__doc__).format(kinds=kinds)
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10, help="of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; the others follow")
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=list(TRIALS), metavar="NAME")
    options = parser.parse_args(arguments)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    rows, failures = [], []
    for kind in options.only:
        made, failed, note = 0, 0, ""
        for seed in range(options.seed, options.seed + options.trials):
            try:
                failure = try_once(kind, seed)
            except SkippedError as reason:
                note = f"skipped: {reason}"
                break
            made, failed = made + 1, failed + (failure is not None)
            if failure is not None:
                failures.append(f"{kind}, seed {seed}: {failure}")
            print(f"{kind}, seed {seed}: {failure or 'as expected'}", file=sys.stderr, flush=True)
        rows.append(f"| {kind} | {made} | {failed} | {note} |")
    print("| trial | made | failures | note |\n|---|---|---|---|", *rows, sep="\n")
    print(*failures, sep="\n", end="\n" if failures else "")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
