"""Trainings of equal time: lengths that follow from what steps take, timed once and kept beside the trainings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import torch

from deltasr.evaluation.report import write_report
from deltasr.experiments.costs import relative_cost, seconds_per_image
from deltasr.experiments.experiment import Settings
from deltasr.training.recipes.types import AnyRecipe


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch, so that processor time is comparable and two trainings share two cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def kept_file(label: str, recipe: AnyRecipe, baseline: AnyRecipe, settings: Settings, what: str) -> Path:
    """Where a number about a training stands, beside the trainings; both recipes at the baseline's length."""
    digest = hashlib.sha256(msgspec.json.encode([baseline, recipe])).hexdigest()[:8]
    return settings.output / "runs" / f"{label}-{digest}.{what}.json"


def equal_time_images(
    label: str, recipe: AnyRecipe, baseline: AnyRecipe, settings: Settings, *, first_stage: Path | None = None
) -> int:
    """The images that a recipe sees in the time that its baseline takes for its own.

    Args:
        label: of the training.
        recipe: at the baseline's length.
        baseline: whose `images` decide the time.
        settings: of the experiment.
        first_stage: the autoencoder's checkpoint, for a recipe that needs one.
    """
    kept = kept_file(label, recipe, baseline, settings, "images")
    if not kept.exists():
        settings.say(f"timing {label}")
        cost = relative_cost(recipe, baseline, settings, first_stage=first_stage)
        write_report(f"{round(baseline.images / cost)}\n", kept)
    return int(json.loads(kept.read_text(encoding="utf-8")))


def images_in(minutes: float, label: str, recipe: AnyRecipe, settings: Settings) -> int:
    """The images that a recipe sees in so many minutes on this machine, a batch at least."""
    kept = kept_file(f"{label}-{minutes:g}-minutes", recipe, recipe, settings, "images")
    if not kept.exists():
        settings.say(f"timing {label}")
        images = max(recipe.batch, round(60 * minutes / seconds_per_image(recipe, settings)))
        write_report(f"{images}\n", kept)
    return int(json.loads(kept.read_text(encoding="utf-8")))
