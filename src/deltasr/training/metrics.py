"""A run's numbers: steps between two looks, JSON lines and TensorBoard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deltasr.errors import TrainingError
from deltasr.training.run_folder import RunFolder
from deltasr.training.validation import Validation


@dataclass(frozen=True, kw_only=True)
class Means:
    """What the steps since the last look amount to.

    Attributes:
        terms: mean of each weighted loss term, by name; they sum to the loss.
        gradient_norm: mean norm of the gradient before clipping.
        rate: images a second, over all processes.
    """

    terms: dict[str, float]
    gradient_norm: float
    rate: float

    @property
    def loss(self) -> float:
        """The mean loss."""
        return sum(self.terms.values())


class Window:
    """The steps since the last look. Their numbers stay on the device until then, so that no step waits for another.

    Args:
        names: of the loss terms.
        images: where the run stands.
    """

    def __init__(self, names: list[str], images: int) -> None:
        self._names = names
        self._begin(images)

    def _begin(self, images: int) -> None:
        self._first, self._started = images, time.monotonic()
        self._rows: list[Tensor] = []

    def add(self, terms: Tensor, gradient_norm: Tensor) -> None:
        """Count a step: its loss terms (terms,) and the norm of its gradient, a scalar."""
        self._rows.append(torch.cat([terms, gradient_norm[None]]))

    def look(self, images: int, reduce: Any) -> Means:
        """The means up to here; the next window begins.

        Args:
            images: where the run stands.
            reduce: `Accelerator.reduce`, which averages over processes.

        Raises:
            TrainingError: a loss term or the gradient was not finite in some step since the last look; it names them.
        """
        rows = reduce(torch.stack(self._rows), "mean").cpu()
        seconds = time.monotonic() - self._started
        finite = rows.isfinite()
        if not finite.all():
            step = int(finite.all(dim=1).int().argmin())  # the first one: it spoils all after it
            batch = (images - self._first) // len(rows)
            raise TrainingError(self._not_finite(finite[step].tolist(), self._first + step * batch))
        *terms, norm = rows.mean(dim=0).tolist()
        rate = (images - self._first) / max(seconds, 1e-9)
        self._begin(images)
        return Means(terms=dict(zip(self._names, terms, strict=True)), gradient_norm=norm, rate=rate)

    def skip_time(self) -> None:
        """Do not count the seconds since the last look: a validation or a saved state took them."""
        self._started = time.monotonic()

    def _not_finite(self, finite: list[bool], images: int) -> str:
        bad = [name for name, is_finite in zip(self._names, finite, strict=False) if not is_finite]
        subject = f"The loss term {', '.join(bad)}" if bad else "The gradient"
        return (
            f"{subject} is not finite in the step after {images:,} images; the last saved state is kept: begin a new "
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
        rest = {
            "learning_rate": learning_rate,
            "gradient_norm": means.gradient_norm,
            "images_per_second": means.rate,
        }
        entry = {"loss": means.loss, "terms": means.terms, **rest}
        self._folder.log({"kind": "train", "images": images, "seconds": round(seconds, 2), **entry})
        losses = {"loss/total": means.loss, **{f"loss/{name}": value for name, value in means.terms.items()}}
        self._scalars(losses | rest, images)

    def validation(self, images: int, seconds: float, result: Validation) -> None:
        """Log a validation."""
        entry = {"bicubic_psnr_y": result.bicubic, "psnr_y_per_step": list(result.steps)}
        self._folder.log({"kind": "validation", "images": images, "seconds": round(seconds, 2), **entry})
        self._scalars({f"validation/psnr_y_step_{n}": value for n, value in enumerate(result.steps, start=1)}, images)

    def _scalars(self, values: dict[str, float], images: int) -> None:
        for name, value in values.items():
            self._board.add_scalar(name, value, images)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        self._board.close()
