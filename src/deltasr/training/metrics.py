"""A run's numbers: steps between two looks, JSON lines and TensorBoard."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

import torch

from deltasr.errors import TrainingError, reason
from deltasr.training.learner import Step
from deltasr.training.run_folder import RunFolder
from deltasr.training.saved_state import amount, count
from deltasr.training.validation import Validation


class _Numbers(TypedDict):
    """Of a step: which of its values are terms of the loss, and all of them, by name."""

    terms: list[str]
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What the steps since the last look amount to: means over those that have the value in question.

    Attributes:
        terms: of each weighted loss term, by name; they sum to the loss.
        watched: of what else was watched, by name.
        rate: images a second, over all processes.
    """

    terms: dict[str, float]
    watched: dict[str, float]
    rate: float

    @property
    def loss(self) -> float:
        """The mean loss."""
        return sum(self.terms.values())


class Window:
    """The steps since the last look. Their numbers stay on the device until then, so that no step waits for another.

    Args:
        images: where the run stands.
    """

    def __init__(self, images: int) -> None:
        self._begin(images)

    def _begin(self, images: int) -> None:
        self._first, self._before = images, 0.0
        self._steps: list[Step] = []
        self._read: list[_Numbers] = []
        self.start()

    def start(self) -> None:
        """Count the time from now on, after whatever was counted before."""
        self._started = time.monotonic()

    def add(self, step: Step) -> None:
        """Count a step."""
        self._steps.append(step)

    def read(self, images: int, reduce: Any) -> None:
        """Fetch the numbers of the steps up to here, which then are part of `state`; the window goes on.

        Args:
            images: where the run stands.
            reduce: `Accelerator.reduce`, which averages over processes.

        Raises:
            TrainingError: a value was not finite in some step since the last look; it names those of the first such
                step, which spoil all after it.
        """
        if not self._steps:
            return
        steps = [step.terms | step.watched for step in self._steps]
        rows = reduce(torch.cat([torch.stack(list(step.values())) for step in steps]), "mean").cpu().tolist()
        numbers = iter(rows)
        batch = (images - self._first) // (len(self._read) + len(steps))
        for step, names in zip(self._steps, steps, strict=True):
            values = {name: next(numbers) for name in names}
            bad = [name for name, value in values.items() if not math.isfinite(value)]
            if bad:
                raise TrainingError(_not_finite(bad, self._first + len(self._read) * batch))
            self._read.append({"terms": list(step.terms), "values": values})
        self._steps = []

    def look(self, images: int, reduce: Any) -> Means:
        """The means up to here; the next window begins. Arguments and errors are those of `read`."""
        self.read(images, reduce)
        seconds = self._seconds()
        found: dict[str, list[float]] = {}
        for step in self._read:
            for name, value in step["values"].items():
                found.setdefault(name, []).append(value)
        terms = {name for step in self._read for name in step["terms"]}
        means = {name: fmean(values) for name, values in found.items()}
        rate = (images - self._first) / max(seconds, 1e-9)
        self._begin(images)
        return Means(
            terms={name: mean for name, mean in means.items() if name in terms},
            watched={name: mean for name, mean in means.items() if name not in terms},
            rate=rate,
        )

    def skip_time(self) -> None:
        """Do not count the seconds since the last look: a validation or a saved state took them."""
        self._before = 0.0
        self.start()

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def state(self) -> dict[str, Any]:
        """All that was read of it, for `restore`."""
        return {"first": self._first, "seconds": self._seconds(), "steps": self._read}

    def restore(self, state: dict[str, Any], images: int) -> None:
        """Become what `state` was taken from when the run stood at `images`.

        Raises:
            TrainingError: it is damaged.
        """
        try:
            steps = [_numbers(step) for step in state["steps"]]
            first = count(state["first"], "the beginning of a window", most=images)
            if bool(steps) != (first < images):
                raise ValueError("a window's steps are not those since its beginning")
            before = amount(state["seconds"], "the time of a window")
        except Exception as error:  # damage has no common base for what it raises
            raise TrainingError(f"The saved numbers of the last steps are damaged: {reason(error)}.") from error
        self._first, self._before, self._steps, self._read = first, before, [], steps


def _numbers(step: Any) -> _Numbers:
    """A step as it was saved.

    Raises:
        ValueError: it is anything else.
    """
    values = {str(name): float(value) for name, value in step["values"].items()}
    terms = [name for name in step["terms"] if name in values]
    if len(terms) != len(step["terms"]) or not all(map(math.isfinite, values.values())):
        raise ValueError("a step's numbers are incomplete")
    return {"terms": terms, "values": values}


def _not_finite(names: list[str], images: int) -> str:
    losses = [name for name in names if not name.endswith("gradient_norm")]
    subject = f"The loss {', '.join(losses)}" if losses else "The gradient"
    return (
        f"{subject} is not finite in the step after {images:,} crops; the last saved state is kept: begin a new "
        "run from its weights (--init) with a lower learning_rate or clip."
    )


class Metrics:
    """Writes a run's `metrics.jsonl` and its `tensorboard` folder.

    Args:
        folder: the run's.
        images: where the run stands; TensorBoard hides what an earlier, killed process wrote beyond it.
    """

    def __init__(self, folder: RunFolder, images: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        path: Path = folder.path / "tensorboard"
        self._board = SummaryWriter(str(path), purge_step=images + 1)

    def train(self, images: int, seconds: float, means: Means, learning_rate: float) -> None:
        """Log the steps since the last look."""
        rest = {"learning_rate": learning_rate, **means.watched, "images_per_second": means.rate}
        entry = {"loss": means.loss, "terms": means.terms, **rest}
        self._folder.log({"kind": "train", "images": images, "seconds": round(seconds, 2), **entry})
        losses = {"loss/total": means.loss, **{f"loss/{name}": value for name, value in means.terms.items()}}
        self._scalars(losses | rest, images)

    def validation(self, images: int, seconds: float, result: Validation) -> None:
        """Log a validation."""
        entry = {"bicubic_psnr_y": result.bicubic, "psnr_y_per_step": list(result.steps)}
        measured = {"psnr_y_at_fidelity_0": result.natural, "psnr_y_degraded": result.degraded}
        others = {name: value for name, value in measured.items() if value is not None}
        self._folder.log({"kind": "validation", "images": images, "seconds": round(seconds, 2), **entry, **others})
        scalars = {f"validation/psnr_y_step_{n}": value for n, value in enumerate(result.steps, start=1)}
        self._scalars(scalars | {f"validation/{name}": value for name, value in others.items()}, images)

    def _scalars(self, values: dict[str, float], images: int) -> None:
        for name, value in values.items():
            self._board.add_scalar(name, value, images)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        self._board.close()
