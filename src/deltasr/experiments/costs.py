"""What networks cost: parameters, operations, and the processor time of their training."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from deltasr.evaluation.report import write_report
from deltasr.experiments.experiment import Settings
from deltasr.training.display import Silence
from deltasr.training.learner import Learner
from deltasr.training.losses.networks import find_loss_networks
from deltasr.training.recipes.types import AnyRecipe
from deltasr.training.systems import build_model, build_objective

_ROUNDS, _QUICK_ROUNDS = 7, 3
_WARM_UP = 1


def parameters_of(model: torch.nn.Module) -> int:
    """The number of a network's parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_operations(call: Callable[[], object]) -> int:
    """Operations of a call's convolutions and matrix products; a multiplication and an addition are two."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def relative_cost(recipe: AnyRecipe, baseline: AnyRecipe, settings: Settings) -> float:
    """Processor time per image in one recipe's training, divided by that in another's.

    Steps of both alternate, and the result is the median of the ratios, so that other work on the machine, which slows
    both down, changes it little. Crops are of noise; reading pictures is not timed.
    """
    learners = [_learner(recipe, settings), _learner(baseline, settings)]
    ratios = []
    for _ in range(_WARM_UP + (_QUICK_ROUNDS if settings.quick else _ROUNDS)):
        seconds, seconds_of_baseline = (_timed_step(learner) / learner.recipe.batch for learner in learners)
        ratios.append(seconds / seconds_of_baseline)
    return median(ratios[_WARM_UP:])


def _learner(recipe: AnyRecipe, settings: Settings) -> Learner:
    from accelerate import Accelerator

    objective = build_objective(build_model(recipe), recipe, find_loss_networks(recipe, settings.lpips))
    return Learner(recipe, objective, Accelerator(cpu=True, mixed_precision="no"))


def _timed_step(learner: Learner) -> float:
    recipe, generator = learner.recipe, torch.Generator().manual_seed(0)
    lr, hr = (
        torch.randint(256, (recipe.batch, 3, side, side), dtype=torch.uint8, generator=generator)
        for side in (recipe.crop, recipe.crop * recipe.scale)
    )
    started = time.process_time()
    learner.step(lr, hr)
    return time.process_time() - started


class ProcessorClock(Silence):
    """A training's `Display` that writes the processor time of its steps to a file.

    Reading pictures before the first step and the validation after the last one do not count. The parts of an
    interrupted training are added. A killed training continues from its last saved state: the steps after that are run
    again, and their time counts twice.

    Args:
        file: where the seconds are written, as a JSON number.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before = self.seconds
        self._started = time.process_time()

    @property
    def seconds(self) -> float:
        """The seconds so far; 0 before the first step."""
        return float(json.loads(self._file.read_text(encoding="utf-8"))) if self._file.exists() else 0.0

    def caching(self, done: int, total: int) -> None:
        self._started = time.process_time()

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        write_report(json.dumps(round(self._before + time.process_time() - self._started, 3)) + "\n", self._file)
