"""What networks cost: parameters, operations, and the processor time of their training."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from deltasr.evaluation.report import write_report
from deltasr.experiments.experiment import Settings
from deltasr.training.display import Silence
from deltasr.training.learner import Learner
from deltasr.training.losses.networks import find_loss_networks
from deltasr.training.processes import accelerator_on
from deltasr.training.recipes.base import Recipe
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


def training_operations(recipe: AnyRecipe, settings: Settings, *, first_stage: Path | None = None) -> float:
    """Operations of a training per image, backward pass and optimizer included, counted as by `count_operations`."""
    learner = _learner(recipe, settings, first_stage)
    lr, hr = (crop.to(_device(learner)) for crop in _noise(recipe))
    with FlopCounterMode(display=False) as counter:
        learner.step(lr, hr)
    return float(counter.get_total_flops()) / recipe.batch


def relative_cost(
    recipe: AnyRecipe, baseline: AnyRecipe, settings: Settings, *, first_stage: Path | None = None
) -> float:
    """Time per image in one recipe's training, divided by that in another's.

    Steps of both alternate, and the result is the median of the ratios, so that other work on the machine, which slows
    both down, changes it little. Crops are of noise; reading pictures is not timed. The time is that of the processor,
    and wall-clock time on an accelerator.

    Args:
        recipe, baseline: the two; the baseline needs no first stage.
        settings: of the experiment.
        first_stage: the autoencoder's checkpoint, for a recipe that needs one.
    """
    learners = [_learner(recipe, settings, first_stage), _learner(baseline, settings)]
    ratios = []
    for _ in range(_WARM_UP + (_QUICK_ROUNDS if settings.quick else _ROUNDS)):
        seconds, seconds_of_baseline = (_timed_step(learner) / learner.recipe.batch for learner in learners)
        ratios.append(seconds / seconds_of_baseline)
    return median(ratios[_WARM_UP:])


def seconds_per_image(recipe: AnyRecipe, settings: Settings) -> float:
    """Time per image in a recipe's training, as `relative_cost` takes it: the median of a few steps."""
    learner = _learner(recipe, settings)
    rounds = _WARM_UP + (_QUICK_ROUNDS if settings.quick else _ROUNDS)
    return median([_timed_step(learner) for _ in range(rounds)][_WARM_UP:]) / recipe.batch


def _learner(recipe: AnyRecipe, settings: Settings, first_stage: Path | None = None) -> Learner:
    model = build_model(recipe, first_stage=first_stage)
    accelerator = accelerator_on(settings.device)
    objective = build_objective(model, recipe, find_loss_networks(recipe, settings.lpips)).to(accelerator.device)
    return Learner(recipe, objective, accelerator)


def _device(learner: Learner) -> torch.device:
    return next(learner.model.parameters()).device


def _noise(recipe: Recipe) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lr, hr = (
        torch.randint(256, (recipe.batch, 3, side, side), dtype=torch.uint8, generator=generator)
        for side in (recipe.crop, recipe.crop * recipe.scale)
    )
    return lr, hr


def _timed_step(learner: Learner) -> float:
    device = _device(learner)
    lr, hr = (crop.to(device) for crop in _noise(learner.recipe))
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    learner.step(lr, hr)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return clock() - started


class ProcessorClock(Silence):
    """A training's `Display` that writes the processor time of its steps to a file.

    Reading, teaching and drawing pictures before the first step and the validation after the last one do not count. The
    parts of an interrupted training are added. A killed training continues from its last saved state: the steps after
    that are run again, and their time counts twice.

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

    def teaching(self, share: float) -> None:
        self._started = time.process_time()

    def drawing(self, share: float) -> None:
        self._started = time.process_time()

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        write_report(json.dumps(round(self._before + time.process_time() - self._started, 3)) + "\n", self._file)
