"""Short trainings of experiments: run once, resumed after an interruption, shared between experiments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch

from deltasr.devices import find_device
from deltasr.errors import SettingError, TrainingError
from deltasr.experiments.costs import parameters_of
from deltasr.experiments.experiment import Settings
from deltasr.files import sha256_of
from deltasr.models import catalogue, checkpoint
from deltasr.models.base import Model
from deltasr.training.data.cache import build_cache, find_pictures
from deltasr.training.display import Display, Silence
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.presets import recipe_named
from deltasr.training.recipes.types import AnyRecipe
from deltasr.training.run_folder import RunFolder
from deltasr.training.trainer import Options, train

AnyOfThem = TypeVar("AnyOfThem", bound=Recipe)

_QUICK_IMAGES, _QUICK_CROP = 640, 16
"""Length of a quick run in crops, and their side in LR pixels."""

_AVERAGED_SHARE = 0.1
"""The weights of a short run are averaged over about this share of its steps, at the most."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished training.

    Attributes:
        label: its name in the experiment.
        recipe: of the training.
        weights: the checkpoint.
        seconds: wall-clock time of the training loop.
        entries: the lines of its metrics.
    """

    label: str
    recipe: AnyRecipe
    weights: Path
    seconds: float
    entries: tuple[dict[str, Any], ...]

    def model(self) -> Model:
        """The trained model, in evaluation mode."""
        return catalogue.load(self.weights)

    def curve(self, key: str) -> tuple[list[int], list[float]]:
        """Images seen, and the values of a metric there, such as `loss`; empty where it was not logged."""
        found = [(entry["images"], entry[key]) for entry in self.entries if key in entry]
        return [images for images, _ in found], [value for _, value in found]

    def psnr_y_per_step(self) -> list[float]:
        """PSNR-Y in dB of each step's prediction at the end, first step first, on pictures held out of training."""
        steps: list[float] = [e["psnr_y_per_step"] for e in self.entries if "psnr_y_per_step" in e][-1]
        return steps


def budgeted(name: str, settings: Settings, *, full: int, **changes: Any) -> AnyRecipe:
    """A named recipe at the length of an experiment's settings, without validation unless `changes` has it.

    Args:
        name: of the recipe.
        settings: of the experiment; a quick run sees few and small crops.
        full: length of the run in images, unless it is quick or the settings name another.
        changes: further values by their names in the recipe.

    Raises:
        SettingError: there is no such recipe, or the length is less than a batch.
    """
    images = settings.images or (_QUICK_IMAGES if settings.quick else full)
    if settings.quick:
        changes = {**changes, "crop": _QUICK_CROP}
    return shortened(recipe_named(name), images, **{"validation_pictures": 0, **changes})


def shortened(recipe: AnyOfThem, images: int, **changes: Any) -> AnyOfThem:
    """A recipe for a short run, with shorter warm-up and averaging, and one validation at its end.

    Args:
        recipe: a longer one.
        images: length of the run.
        changes: further values by their names in the recipe.

    Raises:
        SettingError: the length is less than a batch.
    """
    batch = changes.get("batch", recipe.batch)
    if images < batch:
        raise SettingError(f"A training of {images} images is less than one batch of {batch}; give more --images.")
    steps = images // batch
    images = steps * batch
    changes = {"warmup": min(recipe.warmup, images // 10), "patience": 0, **changes}
    return msgspec.structs.replace(
        recipe,
        images=images,
        ema=max(0.0, min(recipe.ema, 1 - 1 / (_AVERAGED_SHARE * steps))) if steps > 1 / _AVERAGED_SHARE else 0.0,
        validate_every=images,
        save_every=max(recipe.batch, min(recipe.save_every, images // 4)),
        **changes,
    )


def trained(
    label: str,
    recipe: AnyRecipe,
    settings: Settings,
    *,
    initial: Run | None = None,
    first_stage: Path | None = None,
    teachers: Sequence[Path] = (),
    display: Display | None = None,
) -> Run:
    """Train a recipe, unless `output/runs/LABEL-HASH` has it already.

    The hash is of the recipe, the initial run, the first stage's file and those of the teachers.

    Args:
        label: letters, digits, dots and hyphens.
        recipe: of the training.
        settings: of the experiment, with `data`.
        initial: a run of the same network whose weights to start from; None for random ones.
        first_stage: the autoencoder's checkpoint, for a recipe that needs one.
        teachers: files of the models whose results are a share of the target, for a recipe with that share.
        display: shows the progress; None for no display.

    Raises:
        TrainingError: training cannot start or be resumed, was interrupted, or was finished on other pictures.
        SettingError: the recipe has a wrong value.
    """
    assert settings.data is not None, "the catalogue checks what an experiment needs"
    start = "" if initial is None else initial.weights.parent.name
    for file in (*([] if first_stage is None else [first_stage]), *teachers):
        start += sha256_of(file)
    digest = hashlib.sha256(msgspec.json.encode(recipe) + start.encode()).hexdigest()[:8]
    folder = RunFolder(settings.output / "runs" / f"{label}-{digest}")
    if _is_over(folder, recipe):
        _require_same_pictures(folder, recipe, settings.data, settings)
    else:
        settings.say(f"training {label}: {recipe.images:,} images")
        options = Options(
            data=settings.data,
            cache=settings.cache_folder,
            run=folder.path,
            resume=folder.recipe_file.exists(),
            initial=None if initial is None else initial.weights,
            first_stage=first_stage,
            teachers=tuple(str(file) for file in teachers),
            device=settings.device,
            networks=settings.lpips,
        )
        train(recipe, options, display or Silence())
    if not _is_over(folder, recipe):
        raise TrainingError(f"The training {label} was interrupted; the same command resumes it.")
    facts = checkpoint.read_header(folder.weights_file).training
    lines = folder.metrics_file.read_text(encoding="utf-8").splitlines()
    return Run(
        label=label,
        recipe=recipe,
        weights=folder.weights_file,
        seconds=float(facts["seconds"]),
        entries=tuple(json.loads(line) for line in lines),
    )


def _is_over(folder: RunFolder, recipe: AnyRecipe) -> bool:
    if not folder.weights_file.exists():
        return False
    images = checkpoint.read_header(folder.weights_file).training.get("images", 0)
    return bool(images + recipe.batch > recipe.images)


def _require_same_pictures(folder: RunFolder, recipe: AnyRecipe, data: Path, settings: Settings) -> None:
    smallest = recipe.crop * recipe.scale
    pictures, _ = build_cache(
        find_pictures(data), settings.cache_folder, scale=recipe.scale, smallest=smallest, shrink=recipe.shrink
    )
    try:
        folder.keep_pictures([(p.source.relative_to(data).as_posix(), p.height, p.width) for p in pictures])
    except TrainingError as error:
        raise TrainingError(
            f"The trainings in {settings.output} were made from other pictures than those in {data}; "
            "give another --output."
        ) from error


def scale_of(runs: Sequence[Run], device: str) -> str:
    """One sentence with the length, crops, time, machine and parameters of an experiment's runs."""
    images = _range([run.recipe.images for run in runs], "{:,}")
    crops = _range([run.recipe.crop for run in runs], "{0}x{0}")
    seconds = _range([run.seconds for run in runs], "{:.0f}")
    parameters = _range([parameters_of(run.model()) / 1e6 for run in runs], "{:.2f} M")
    return (
        f"This run: {len(runs)} training{'s' if len(runs) != 1 else ''} of {images} images ({crops} LR crops, "
        f"{seconds} s{' each' if len(runs) != 1 else ''}, {machine(device)}), {parameters} parameters."
    )


def machine(device: str) -> str:
    """The name of this machine's device, for a device of `Settings`.

    Raises:
        SettingError: this machine has no such device.
    """
    used = find_device(device)
    if used.type != "cpu":
        name = torch.cuda.get_device_name(used) if used.type == "cuda" else "Apple GPU (MPS)"
        return f"{name}, torch {torch.__version__}"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads != 1 else ''}, torch {torch.__version__}"


def _range(values: Sequence[float], form: str) -> str:
    texts = [form.format(value) for value in (min(values), max(values))]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)
