"""Seconds, memory and share of the machine's limit of models by engines, as a Markdown table.

    python benchmarks/speed.py [--sides 64 256 1024] [--threads 1 2] [--rounds 7] [--beside] [--int8 FILE]
        [--others FOLDER] [--published] [--commands] [--set FOLDER --plot FILE.png]

Each row has a process of its own; they take turns, so that other work on the machine meets all of them. It measures
networks alone, from an array to an array: no tiles, no projection, no files. ONNX Runtime and OpenVINO run in processes
without torch. `--beside` is for machines that have other work: it counts seconds of processor time, of all threads.
`--int8` is a file of `deltasr export --int8`, `--others` a folder of other people's ONNX files. `--published` adds the
networks of ResShift and DeltaDiff as published, with random weights, which take minutes. `--commands` measures whole
processes: `deltasr upscale` of one picture of 256x256 by each engine that is installed. `--set` is a benchmark set, as
`deltasr evaluate` takes it; its mean PSNR-Y is drawn over seconds and over GFLOP. Quote ratios, not seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from deltasr import environment

OURS = "deltadiff-x4"
PUBLISHED = {"ResShift as published, torch": "resshift-s15", "DeltaDiff as published, torch": "deltadiff"}
"""Row to the schedule of a Swin U-Net in VQ-f4 codes."""

LIMIT = "a product and a convolution"
_PRODUCT, _CHANNELS, _CONVOLVED = 1024, 192, 96


def limit_runs() -> list[tuple[float, Any]]:
    """GFLOP and function of a large matrix product and a large convolution in float32."""
    import torch

    left, right = torch.rand(2, _PRODUCT, _PRODUCT)
    convolution = torch.nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1).to(memory_format=torch.channels_last)
    features = torch.rand(1, _CHANNELS, _CONVOLVED, _CONVOLVED).contiguous(memory_format=torch.channels_last)
    return [
        (2e-9 * _PRODUCT**3, lambda: left @ right),
        (2e-9 * 9 * _CHANNELS**2 * _CONVOLVED**2, lambda: convolution(features)),
    ]


def torch_run(name: str) -> Any:
    """A function from the inputs of a model's graph to its result, by torch."""
    import torch

    from deltasr.engines.export import by_torch
    from deltasr.models import catalogue

    if name in PUBLISHED.values():
        run = published_run(name)
        return lambda arrays: run(torch.from_numpy(arrays["lr"]))
    model = catalogue.load(name).to(memory_format=torch.channels_last)
    return lambda arrays: by_torch(model, arrays)


def published_run(schedule: str) -> Any:
    """A function from (1, 3, h, w) to the result of a published network with random weights."""
    import torch

    from deltasr.diffusion.noise import NoiseField
    from deltasr.diffusion.schedule import PRESETS
    from deltasr.models.resshift import ResShift

    preset = PRESETS[schedule]
    model = ResShift(eta=preset.eta, kappa=preset.kappa).eval().to(memory_format=torch.channels_last)
    settings = {"noise": NoiseField()} if model.stochastic else {}

    @torch.inference_mode()
    def run(lr: torch.Tensor) -> torch.Tensor:
        return model(lr, **settings)

    return run


def runtime_run(engine: str, file: Path, threads: int) -> Any:
    """The same by another runtime, of an ONNX file or OpenVINO's."""
    from deltasr.models.sessions import OnnxRuntimeSession, OpenvinoSession

    content = file.read_bytes()
    if engine == "onnxruntime":
        return OnnxRuntimeSession(content, source=str(file), threads=threads).run
    weights = file.with_suffix(".bin").read_bytes() if file.suffix == ".xml" else b""
    dtype = "bfloat16" if engine.endswith("bf16") else "float32"
    return OpenvinoSession(content, weights=weights, source=str(file), threads=threads, dtype=dtype).run


def work(engine: str, source: str, clock_name: str, dials: list[str]) -> None:
    """For each line with a side: run a picture of that side, and print the seconds and the peak memory in MB."""
    environment.let_threads_sleep()  # as the commands do
    threads, clock = int(os.environ["OMP_NUM_THREADS"]), getattr(time, clock_name)
    if engine == LIMIT:
        import torch

        torch.set_grad_enabled(False)
        runs = limit_runs()
    elif engine == "torch":
        run = torch_run(source)
    else:
        run = runtime_run(engine, Path(source), threads)
    for line in sys.stdin:
        side = int(line)
        if engine == LIMIT:
            speeds = []
            for gflop, function in runs:
                started = clock()
                function()
                speeds.append(gflop / (clock() - started))
            result = max(speeds)
        else:
            lr = np.random.default_rng(0).random((1, 3, side, side), np.float32)
            arrays = {"lr": lr} | {name: np.ones(1, np.float32) for name in dials}
            started = clock()
            run(arrays)
            result = clock() - started
        print(json.dumps([result, peak_megabytes()]), flush=True)


def peak_megabytes() -> float:
    """The most memory that this process has held; ru_maxrss would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class Worker:
    """A row's process; `start_up` is how long it took to its first result, of a small picture."""

    def __init__(self, engine: str, source: str, clock: str, dials: list[str], threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, "--work", engine, source, clock, *dials]
        pipe = subprocess.PIPE
        started = time.perf_counter()
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        self.run(64)  # what the published networks need
        self.start_up = time.perf_counter() - started

    def run(self, side: int) -> tuple[float, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(side, file=self.process.stdin, flush=True)
        result, megabytes = json.loads(self.process.stdout.readline())
        return result, megabytes

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def counted_gflop(file: Path, side: int) -> float:
    """What the convolutions and products of an ONNX file take for one picture; one of 32x32 shows their sizes."""
    import onnx
    import onnxruntime

    model = onnx.load(file)
    weights = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in weights:  # stored as float16
            weights[node.output[0]] = weights[node.input[0]]
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul") and node.input[1] in weights]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in nodes)
    network = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes = {value.name: (1, 3, 32, 32) if len(value.shape) == 4 else (1,) for value in network.get_inputs()}
    results = network.run(None, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    total = 0.0
    for node, result in zip(nodes, results, strict=True):
        channels = 1 if node.op_type == "Conv" else -1
        total += 2e-9 * float(np.prod(weights[node.input[1]])) * result.size / result.shape[channels]
    return total * (side / 32) ** 2


def published_gflop(schedule: str, side: int) -> float:
    """What a published network takes for one picture; one of 64x64 is counted."""
    import torch

    from deltasr.experiments.costs import count_operations

    run = published_run(schedule)
    return 1e-9 * count_operations(lambda: run(torch.rand(1, 3, 64, 64))) * (side / 64) ** 2


def rows_of(
    chosen: argparse.Namespace, file: Path, dials: list[str]
) -> dict[str, tuple[str, str, list[str], Path | None]]:
    """Row to engine, source, dials, and the ONNX file that its operations are counted in."""
    rows: dict[str, tuple[str, str, list[str], Path | None]] = {
        f"{OURS}, torch": ("torch", OURS, dials, file),
        f"{OURS}, onnxruntime": ("onnxruntime", str(file), dials, file),
        f"{OURS}, openvino": ("openvino", str(file), dials, file),
        f"{OURS}, openvino bfloat16": ("openvino bf16", str(file), dials, file),
    }
    if chosen.int8:
        rows[f"{OURS}, openvino int8"] = ("openvino", str(chosen.int8), dials, file)
    for other in sorted(chosen.others.glob("*.onnx")) if chosen.others else []:
        rows |= {f"{other.stem}, {engine}": (engine, str(other), [], other) for engine in ("onnxruntime", "openvino")}
    if chosen.published:
        rows |= {row: ("torch", schedule, [], None) for row, schedule in PUBLISHED.items()}
    return rows | {"bicubic, torch": ("torch", "bicubic", [], None), LIMIT: (LIMIT, "", [], None)}


def psnr_y(engine: str, source: str, folder: Path) -> float:
    """The mean PSNR-Y of a row's network over a set, without its projection."""
    from deltasr.evaluation.benchmark import measure_upscaling
    from deltasr.evaluation.sets import find_set
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models import catalogue
    from deltasr.models.exported import ExportedModel

    model = catalogue.load(source)
    dtype = "bfloat16" if engine.endswith("bf16") else "float32"
    if isinstance(model, ExportedModel):
        model = model.run_by(engine.split()[0])
    upscaler = Upscaler(model, dtype=dtype, consistency=False)
    settings = {"fidelity": 1.0} if model.dial else {}
    found = measure_upscaling(
        lambda picture: upscaler.upscale(picture, **settings), find_set(folder), model=source, scale=model.scale
    )
    return float(np.mean([measurement.psnr_y for measurement in found]))


def draw(points: dict[str, tuple[float, float | None, float]], path: Path, what: str) -> None:
    """A plot of rows: PSNR-Y over the share of torch's seconds, and over GFLOP."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    named = {row: tuple(row.split(", ")) for row in points}
    colours = {model: f"C{number}" for number, model in enumerate(dict.fromkeys(model for model, _ in named.values()))}
    marks = dict(zip(dict.fromkeys(engine for _, engine in named.values()), "osD^vPX*", strict=False))
    for row, (seconds, gflop, score) in points.items():
        model, engine = named[row]
        left.plot(seconds, score, marks[engine], color=colours[model], alpha=0.8)
        if gflop is not None:
            right.plot(gflop, score, "o", color=colours[model], alpha=0.8)
    for axes, label in ((left, f"seconds over those of {OURS} by torch"), (right, "GFLOP")):
        axes.set(xscale="log", xlabel=label)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.grid(alpha=0.3)
    left.set_ylabel(f"PSNR-Y, dB, {what}")
    handles = [Line2D([], [], marker="s", linestyle="", color=colour, label=model) for model, colour in colours.items()]
    handles += [Line2D([], [], marker=mark, linestyle="", color="grey", label=engine) for engine, mark in marks.items()]
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def processor_seconds() -> float:
    """Seconds of processor time of all child processes that have ended."""
    ended = os.times()
    return ended.children_user + ended.children_system


def measure_commands(rounds: int) -> None:
    """Print the table of whole processes, each row in turn."""
    from deltasr.engines import choice
    from deltasr.imaging import Picture, write_picture

    engines = list(filter(choice.installed, ("torch", *choice.RUNTIMES)))
    seconds: dict[str, list[float]] = {engine: [] for engine in engines}
    processor: dict[str, list[float]] = {engine: [] for engine in engines}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "picture.png"
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_picture(Picture(pixels=np.repeat(np.repeat(pixels, 4, 0), 4, 1)), source)
        for number in range(rounds + 1):
            for engine, taken in seconds.items():
                command = [sys.executable, "-m", "deltasr", "upscale", source, "-o", source.with_name("result.png")]
                started, used = time.perf_counter(), processor_seconds()
                subprocess.run([*command, "--overwrite", "--engine", engine], check=True, stdout=subprocess.DEVNULL)
                if number:  # the first tries the engine
                    taken.append(time.perf_counter() - started)
                    processor[engine].append(processor_seconds() - used)
    print(f"\ndeltasr upscale of one picture of 256x256, whole process, {os.cpu_count()} processors\n")
    print(f"| engine | s, median | from | to | of {engines[0]}'s | processor time, s | of {engines[0]}'s |")
    print("|---|---|---|---|---|---|---|")
    for engine, taken in seconds.items():
        both = []
        for times in (seconds, processor):
            ratio = median(one / other for one, other in zip(times[engine], times[engines[0]], strict=True))
            both += [f"{median(times[engine]):.2f}", f"{ratio:.2f}"]
        clock, share, used_time, used_share = both
        spread = f"{min(taken):.2f} | {max(taken):.2f}"
        print(f"| {engine} | {clock} | {spread} | {share} | {used_time} | {used_share} |", flush=True)


def measure(
    rows: dict[str, tuple[str, str, list[str], Path | None]], chosen: argparse.Namespace, threads: int
) -> dict[str, tuple[float, float | None]]:
    """Print the table of a number of threads.

    Returns:
        For each row the share of torch's seconds and GFLOP, of the last side.
    """
    clock = "process_time" if chosen.beside else "perf_counter"
    workers: dict[str, Worker] = {}
    times: dict[tuple[str, int], list[float]] = {(row, side): [] for side in chosen.sides for row in rows}
    peak: dict[tuple[str, int], float] = {}
    try:
        for row, (engine, source, dials, _) in rows.items():
            workers[row] = Worker(engine, source, clock, dials, threads)
        for side in chosen.sides:
            for number in range(chosen.rounds + 1):
                for row, worker in workers.items():
                    result, peak[row, side] = worker.run(side)
                    if number:  # the first of a size prepares for it
                        times[row, side].append(result)
    finally:
        for worker in workers.values():
            worker.end()
    found: dict[str, tuple[float, float | None]] = {}
    for side in chosen.sides:
        limit = max(times[LIMIT, side])
        print(f"\n{side}x{side}, {threads} threads; {LIMIT}: {limit:.0f} GFLOP/s at best\n")
        print("| | s, median | of torch's | from | to | GFLOP | of the limit | start-up, s | MB at most |")
        print("|---|---|---|---|---|---|---|---|---|")
        reference = times[f"{OURS}, torch", side]
        for row, (_, source, _, file) in rows.items():
            if row == LIMIT:
                continue
            taken = times[row, side]
            ratios = [one / other for one, other in zip(taken, reference, strict=True)]
            gflop = None if file is None else counted_gflop(file, side)
            gflop = published_gflop(source, side) if source in PUBLISHED.values() else gflop
            found[row] = median(ratios), gflop
            share = "" if gflop is None else f"{100 * gflop / min(taken) / limit:.0f} %"
            numbers = (f"{number:.3g}" for number in (median(taken), median(ratios), min(ratios), max(ratios)))
            counted = "" if gflop is None else f"{gflop:.1f}"
            end = (counted, share, f"{workers[row].start_up:.1f}", f"{peak[row, side]:.0f}")
            print("|", " | ".join((row, *numbers, *end)), "|", flush=True)
    return found


def main() -> None:
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--int8", type=Path)
    parser.add_argument("--others", type=Path)
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--commands", action="store_true")
    parser.add_argument("--set", type=Path)
    parser.add_argument("--plot", type=Path)
    chosen = parser.parse_args()
    if chosen.commands:
        measure_commands(chosen.rounds)
        return
    from deltasr.engines import choice
    from deltasr.engines.inputs import dials_of
    from deltasr.models import catalogue

    model = catalogue.load(OURS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{OURS}.onnx"
        file.write_bytes(choice.exported(model).content)
        rows = rows_of(chosen, file, dials_of(model))
        found = {}
        for threads in dict.fromkeys(chosen.threads):
            found = measure(rows, chosen, threads)
        if chosen.set is not None and chosen.plot is not None:
            named = {row: (engine, source) for row, (engine, source, *_) in rows.items() if row in found}
            scores = {
                row: psnr_y(engine, source, chosen.set)
                for row, (engine, source) in named.items()
                if source not in PUBLISHED.values()
            }
            draw({row: (*found[row], score) for row, score in scores.items()}, chosen.plot, chosen.set.name)


if __name__ == "__main__":
    main()
