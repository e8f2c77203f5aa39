"""Trainings of equal processor time: how long a recipe's steps take beside another's, and what a training took."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median

import torch

from deltasr.evaluation.report import write_report
from deltasr.experiments.experiment import Settings
from deltasr.training.display import Silence
from deltasr.training.learner import Learner
from deltasr.training.losses.networks import find_loss_networks
from deltasr.training.recipes.types import AnyRecipe
from deltasr.training.systems import build_model, build_objective

_ROUNDS, _QUICK_ROUNDS = 7, 3
_WARM_UP = 1


def relative_cost(recipe: AnyRecipe, baseline: AnyRecipe, settings: Settings) -> float:
    """Processor time of an image in one recipe's training, in units of another's.

    Steps of both are taken in turns, and the median of the rounds' ratios is the result, so that other work on the
    machine, which slows both down, does not change it much. Crops are of noise; reading pictures is not timed.
    """
    learners = [_learner(recipe, settings), _learner(baseline, settings)]
    ratios = []
    for _ in range(_WARM_UP + (_QUICK_ROUNDS if settings.quick else _ROUNDS)):
        seconds, its_seconds = (_timed_step(learner) / learner.recipe.batch for learner in learners)
        ratios.append(seconds / its_seconds)
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
    """A training's `Display` that keeps how much processor time its steps took, in a file of its own.

    The reading of pictures before and the validation behind the last step do not count. The parts of a training that
    was interrupted add up. One that was ended by force goes on from its last saved state: the steps after that are
    taken again, and their time counts twice.

    Args:
        file: where the seconds are kept, as a JSON number.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before = self.seconds
        self._started = time.process_time()

    @property
    def seconds(self) -> float:
        """Seconds that are kept; 0 before any."""
        return float(json.loads(self._file.read_text(encoding="utf-8"))) if self._file.exists() else 0.0

    def caching(self, done: int, total: int) -> None:
        self._started = time.process_time()

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        write_report(json.dumps(round(self._before + time.process_time() - self._started, 3)) + "\n", self._file)
