"""The pictures of a run: decoded, divided into training, validation and test, taught and drawn, all in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltasr.errors import SettingError
from deltasr.training.data.cache import CachedPicture, build_cache, find_pictures
from deltasr.training.data.graphics.cached import drawn_pictures
from deltasr.training.data.teacher import Teachers, teach
from deltasr.training.display import Display
from deltasr.training.recipes.base import Recipe
from deltasr.training.validation import split


@dataclass(frozen=True, kw_only=True)
class RunPictures:
    """The pictures of a run.

    Attributes:
        usable: all photographs that can be used, in order.
        training: those of them that crops are cut from, with the teachers' pictures where there are teachers.
        validation, test: those that are kept from training.
        drawn: drawn pictures to cut crops from; empty unless the recipe has `graphics`.
    """

    usable: list[CachedPicture]
    training: list[CachedPicture]
    validation: list[CachedPicture]
    test: list[CachedPicture]
    drawn: list[CachedPicture]


def find_teachers(recipe: Recipe, names: tuple[str, ...], *, load: bool) -> Teachers | None:
    """The teachers of a run; None if its recipe has no share for them.

    Args:
        recipe: of the run.
        names: names in the catalogue or files.
        load: load the models now, so that a wrong name is found before the pictures are decoded.

    Raises:
        SettingError: there are names and no share, or a share and no names.
        ModelError, CheckpointError: a teacher cannot be loaded.
    """
    if not recipe.teacher:
        if names:
            raise SettingError("The recipe's share of the teachers is 0; set teacher above 0, or leave them out.")
        return None
    if not names:
        raise SettingError(f"The recipe's target is {recipe.teacher:g} a teacher's; name it by --teacher MODEL.")
    teachers = Teachers(names, scale=recipe.scale)
    if load:
        teachers.load()
    return teachers


def prepare_pictures(
    recipe: Recipe, data: Path, cache: Path, *, teachers: Teachers | None, accelerator: Any, display: Display
) -> RunPictures:
    """Prepare all pictures of a run; what the cache already holds is not made again.

    The main process makes them; the others wait for it and then read the cache.

    Args:
        recipe: of the run.
        data: folder of photographs.
        cache: folder for decoded, taught and drawn pictures.
        teachers: from `find_teachers`.
        accelerator: Accelerate's `Accelerator`.
        display: shows progress, and which pictures are left out.

    Raises:
        TrainingError: there are no usable pictures, a teacher fails, or the cache cannot be written.
    """
    found = find_pictures(data)
    with accelerator.main_process_first():
        usable, complaints = build_cache(
            found,
            cache,
            scale=recipe.scale,
            smallest=recipe.crop * recipe.scale,
            shrink=recipe.shrink,
            progress=lambda done: display.caching(done, len(found)),
        )
    for complaint in complaints:
        display.note(f"left out: {complaint}")
    training, validation, test = split(usable, recipe.validation_pictures, recipe.test_pictures)
    if teachers is not None:
        with accelerator.main_process_first():
            training = teach(training, teachers, progress=display.teaching)
    drawn: list[CachedPicture] = []
    if recipe.graphics:
        with accelerator.main_process_first():
            drawn = drawn_pictures(
                cache, seed=recipe.seed, scale=recipe.scale, photographs=training, progress=display.drawing
            )
    if len(validation) < recipe.validation_pictures:
        display.note(
            f"note: validation_pictures is {recipe.validation_pictures}, but of {len(usable)} pictures only "
            f"{len(validation)} are held out"
        )
    return RunPictures(usable=usable, training=training, validation=validation, test=test, drawn=drawn)
