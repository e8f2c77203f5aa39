"""The metrics of a run: means over steps, as JSON lines and for TensorBoard."""

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
    """The values of one step by name, and the names of those that are terms of the loss."""

    terms: list[str]
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Means:
    """Means over the steps of a window; of each value over the steps that have it.

    Attributes:
        terms: of each weighted loss term, by name; their sum is the loss.
        watched: of other values such as the gradient's norm, by name.
        rate: images per second, over all processes.
    """

    terms: dict[str, float]
    watched: dict[str, float]
    rate: float

    @property
    def loss(self) -> float:
        """The mean loss."""
        return sum(self.terms.values())


class Window:
    """The steps since the last entry of the log. Their values stay on the device until they are read, so that training
    does not wait for them.

    Args:
        images: crops that the run has been trained on so far.
    """

    def __init__(self, images: int) -> None:
        self._begin(images)

    def _begin(self, images: int) -> None:
        self._first, self._before = images, 0.0
        self._steps: list[Step] = []
        self._read: list[_Numbers] = []
        self.start()

    def start(self) -> None:
        """Start or restart the clock; time that was counted before is kept."""
        self._started = time.monotonic()

    def add(self, step: Step) -> None:
        """Add a step."""
        self._steps.append(step)

    def read(self, images: int, reduce: Any) -> None:
        """Read the values of the steps from the device; they are then part of `state`, and the window goes on.

        Args:
            images: crops that the run has been trained on so far.
            reduce: `Accelerator.reduce`, which averages over processes.

        Raises:
            TrainingError: a value of a step is not finite; the message names such values of the first such step.
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
        """The means of the window; the next one begins. Arguments and errors are those of `read`."""
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
        """Leave out the time since the window began, in which the run was validated or saved."""
        self._before = 0.0
        self.start()

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def state(self) -> dict[str, Any]:
        """The values that have been read, for `restore`."""
        return {"first": self._first, "seconds": self._seconds(), "steps": self._read}

    def restore(self, state: dict[str, Any], images: int) -> None:
        """Restore a window from `state`.

        Args:
            state: from `state`.
            images: crops that the run had been trained on.

        Raises:
            TrainingError: it is damaged.
        """
        try:
            steps = [_numbers(step) for step in state["steps"]]
            first = count(state["first"], "the beginning of a window", most=images)
            if bool(steps) != (first < images):
                raise ValueError("a window's steps are not those since its beginning")
            before = amount(state["seconds"], "the time of a window")
        except Exception as error:  # damaged values raise errors of many classes
            raise TrainingError(f"The saved numbers of the last steps are damaged: {reason(error)}.") from error
        self._first, self._before, self._steps, self._read = first, before, [], steps


def _numbers(step: Any) -> _Numbers:
    """The values of a step from a saved state.

    Raises:
        ValueError: they are damaged.
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
        images: crops that the run has been trained on so far; TensorBoard hides later entries of a killed process.
    """

    def __init__(self, folder: RunFolder, images: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        path: Path = folder.path / "tensorboard"
        self._board = SummaryWriter(str(path), purge_step=images + 1)

    def train(self, images: int, seconds: float, means: Means, learning_rate: float) -> None:
        """Log the means of a window.

        Args:
            images: crops so far.
            seconds: wall-clock time so far.
            means: from `Window.look`.
            learning_rate: of the next step.

        Raises:
            TrainingError: the metrics cannot be written.
        """
        rest = {"learning_rate": learning_rate, **means.watched, "images_per_second": means.rate}
        entry = {"loss": means.loss, "terms": means.terms, **rest}
        self._folder.log({"kind": "train", "images": images, "seconds": round(seconds, 2), **entry})
        losses = {"loss/total": means.loss, **{f"loss/{name}": value for name, value in means.terms.items()}}
        self._scalars(losses | rest, images)

    def validation(self, images: int, seconds: float, result: Validation) -> None:
        """Log a validation, after so many crops and seconds.

        Raises:
            TrainingError: the metrics cannot be written.
        """
        entry = {"bicubic_psnr_y": result.bicubic, "psnr_y_per_step": list(result.steps)}
        measured = {
            "psnr_y_at_fidelity_0": result.natural,
            "psnr_y_degraded": result.degraded,
            "silent_channels": result.silent_channels,
        }
        others = {name: value for name, value in measured.items() if value is not None}
        self._folder.log({"kind": "validation", "images": images, "seconds": round(seconds, 2), **entry, **others})
        scalars = {f"validation/psnr_y_step_{n}": value for n, value in enumerate(result.steps, start=1)}
        self._scalars(scalars | {f"validation/{name}": value for name, value in others.items()}, images)

    def _scalars(self, values: dict[str, float], images: int) -> None:
        for name, value in values.items():
            self._board.add_scalar(name, value, images)

    def close(self) -> None:
        """Write the entries that TensorBoard has buffered."""
        self._board.close()
