"""Upscaling and training steps with threads that spin, threads that sleep, and one thread, as a Markdown table.

    python benchmarks/threads.py [--beside 1 | --quiet] [--rounds 5]

Each way of waiting has a process of its own; they take turns, so that other work on the machine meets all of them.
`--beside` adds so many processes that do nothing but take a processor; `--quiet` waits before each measurement until
nothing else runs. Quote ratios, not seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from statistics import median

import psutil

WAYS = {
    "spin 300,000 times": {"GOMP_SPINCOUNT": "300000"},  # what libgomp does of itself
    "spin 10,000 times": {"GOMP_SPINCOUNT": "10000"},
    "spin 1,000 times": {"GOMP_SPINCOUNT": "1000"},
    "sleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
TASKS = ("upscale", "train")


def work() -> None:
    """Do a task for each line of standard input that names it, and print the seconds."""
    import torch
    from accelerate import Accelerator

    from deltasr import Upscaler, load
    from deltasr.training.learner import Learner
    from deltasr.training.losses.networks import find_loss_networks
    from deltasr.training.recipes.presets import recipe_named
    from deltasr.training.systems import build_model, build_objective

    upscaler, picture = Upscaler(load("deltadiff-x4"), device="cpu"), torch.rand(3, 96, 96)
    recipe = recipe_named("deltadiff-tiny-x4")
    objective = build_objective(build_model(recipe), recipe, find_loss_networks(recipe, None))
    learner = Learner(recipe, objective, Accelerator(cpu=True, mixed_precision="no"))
    sides = (recipe.crop, recipe.crop * recipe.scale)
    lr, hr = (torch.randint(256, (recipe.batch, 3, side, side), dtype=torch.uint8) for side in sides)
    tasks = {"upscale": lambda: upscaler.upscale(picture), "train": lambda: learner.step(lr, hr)}
    for task in tasks.values():
        task()
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        tasks[line.strip()]()
        print(time.perf_counter() - started, flush=True)


def started(way: dict[str, str]) -> subprocess.Popen[str]:
    """A process that works, waiting in one way."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, __file__, "--work"]
    pipe = subprocess.PIPE
    worker = subprocess.Popen(command, env=environment | way, stdin=pipe, stdout=pipe, text=True)
    assert worker.stdout is not None
    worker.stdout.readline()
    return worker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work()
        return
    workers = {name: started(way) for name, way in WAYS.items()}
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(chosen.beside)]
    seconds: dict[tuple[str, str], list[float]] = {(task, name): [] for task in TASKS for name in WAYS}
    try:
        for _ in range(chosen.rounds):
            for task, name in seconds:
                worker = workers[name]
                while chosen.quiet and psutil.cpu_percent(interval=0.15) > 10:
                    pass
                print(task, file=worker.stdin, flush=True)
                seconds[task, name].append(float(worker.stdout.readline()))
    finally:
        for process in (*busy, *workers.values()):
            process.kill()
            process.wait()
    print("| task | waiting | s | of sleep's | from | to |\n|---|---|---|---|---|---|")
    for (task, name), taken in seconds.items():
        ratios = [one / other for one, other in zip(taken, seconds[task, "sleep"], strict=True)]
        numbers = (median(taken), median(ratios), min(ratios), max(ratios))
        print("|", task, "|", name, "|", " | ".join(f"{number:.2f}" for number in numbers), "|")


if __name__ == "__main__":
    main()
