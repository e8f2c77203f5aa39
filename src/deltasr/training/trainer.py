"""Training a model: a run from its beginning, or from where it was stopped, to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deltasr.errors import TrainingError, reason
from deltasr.inference.memory import is_out_of_memory
from deltasr.training.display import Display
from deltasr.training.processes import accelerator_on
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.editing import checked, resumed
from deltasr.training.run import Run
from deltasr.training.run_folder import RunFolder
from deltasr.training.stopping import Stopping

_PACKAGES = ("accelerate", "tensorboard")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run needs besides its recipe.

    Attributes:
        data: folder of training pictures.
        cache: folder for decoded pictures.
        run: the run's folder.
        resume: go on with the run in that folder.
        changes: values of its recipe to change then, by the keys in `recipes.editing.CHANGEABLE`.
        initial: weights to start from: a bundled model's name, a run's folder or a checkpoint; None for random ones.
        first_stage: a checkpoint with the autoencoder, for recipes that need one.
        teachers: upscalers whose mean makes up the recipe's share `teacher` of the target: names in the catalogue or
            files.
        networks: weights of the networks in LPIPS and perceptual losses: a file, or a folder of them.
        minutes: stop after so long, decoding included, with a saved state; None for no limit.
        device: `auto`, or `cpu` even where there is an accelerator.
    """

    data: Path
    cache: Path
    run: Path
    resume: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    initial: str | Path | None = None
    first_stage: Path | None = None
    teachers: tuple[str, ...] = ()
    networks: Path | None = None
    minutes: float | None = None
    device: str = "auto"


def train(recipe: Recipe, options: Options, display: Display) -> Path:
    """Train a model, or go on training it, until its recipe's number of images or until it has to stop.

    It stops, with a saved state, after `options.minutes` and at the first SIGINT or SIGTERM (when called from the main
    thread). A resumed run has the recipe that it began with, except for `options.changes`; `recipe` is then ignored.

    Returns:
        The file of the averaged weights.

    Raises:
        TrainingError: packages are missing; data, run folder or state cannot be used, or another training uses the
            run folder; a loss term is not finite; memory runs out or a data worker dies.
        SettingError: the recipe has a wrong value or cannot be used on this machine.
        CheckpointError: `options.initial` cannot be read, or a file of the run cannot be written.
    """
    stopping = Stopping(options.minutes)
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise TrainingError(f"Training needs {' and '.join(missing)}: pip install -e '.[train]' installs it.")
    folder = RunFolder(options.run)
    if options.resume:
        folder.recipe()
    else:
        recipe = checked(recipe)
        folder.require_empty()
    accelerator = accelerator_on(options.device)
    with folder.locked() if accelerator.is_main_process else nullcontext(), _failures_explained(folder):
        if options.resume:
            recipe = resumed(folder.recipe(), options.changes)
        Run(recipe, options, folder, display, accelerator).loop(stopping)
    return folder.weights_file


@contextmanager
def _failures_explained(folder: RunFolder) -> Iterator[None]:
    """Raise an error with advice when memory runs out or a process that prepares crops dies."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise TrainingError("Memory ran out; begin a run with a smaller batch or crop.") from error
        if "DataLoader worker" in str(error):
            raise TrainingError(
                f"A process that prepares crops died ({reason(error)}); --resume goes on from the last saved state in "
                f"{folder.path}, with fewer workers (--set workers=...) if memory is short."
            ) from error
        raise
