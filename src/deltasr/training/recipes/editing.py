"""Recipes changed by a file or key by key and written as TOML; every mistake is named, settings without effect told."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from deltasr.errors import SettingError, reason
from deltasr.training.recipes.base import SYSTEM, Recipe
from deltasr.training.recipes.presets import DEFAULT_RECIPE, recipe_named
from deltasr.training.recipes.types import RECIPE_KINDS, AnyRecipe

AnyOfThem = TypeVar("AnyOfThem", bound=Recipe)

CHANGEABLE = ("images", "patience", "validate_every", "save_every", "workers")
"""The keys that a resumed run may change: how long it goes on, and what it does beside learning."""
_LONGEST_VALUE = 60


def checked(recipe: AnyOfThem) -> AnyOfThem:
    """The recipe itself, once types and ranges of all its values are known to be right.

    Raises:
        SettingError: one is not; the message names it.
    """
    return _converted(type(recipe), msgspec.structs.asdict(recipe), source="The recipe", texts=False)


def ignored(recipe: Recipe, *, against_bf16: str | None) -> list[str]:
    """A sentence for each setting that has no effect, or less than it seems to.

    Args:
        recipe: what is going to be trained.
        against_bf16: why the device that it is trained on had better not compute in bf16 (`devices.drawback`).
    """
    cases: dict[str, object] = {
        "weight_decay acts on the weights that AdamW trains, not on those of Muon": (
            recipe.weight_decay and recipe.optimizer == "muon"
        ),
        f"precision is float32: {against_bf16}": recipe.precision == "bf16" and against_bf16,
        "warmup is not over when the run ends: the learning rate stays below its peak": recipe.warmup >= recipe.images,
        f"the last {recipe.images % recipe.batch} crops are not a whole batch and are left out": (
            recipe.images % recipe.batch
        ),
        "decay_end has no effect unless decay is 'cosine'": recipe.decay_end and recipe.decay != "cosine",
        "patience has no effect without validation_pictures": recipe.patience and not recipe.validation_pictures,
    }
    cases |= recipe.without_effect()
    defaults = {field.name: field.default for field in msgspec.structs.fields(recipe)}
    cases |= {
        f"{key} has no effect without {needs}": getattr(recipe, key) != defaults[key] and not getattr(recipe, needs)
        for needs, keys in _NEEDS.items()
        for key in keys
        if key in defaults and needs in defaults
    }
    return [f"note: {text}" for text, applies in cases.items() if applies]


_NEEDS = {
    "dial": ("default_fidelity", "dial_power"),
    "lpips": ("lpips_network", "lpips_pooling"),
    "perceptual": ("features", "feature_layer", "feature_activation", "feature_distance"),
    "adversarial": ("adversarial_loss", "discriminator", "discriminator_width", "discriminator_learning_rate"),
}
"""Weights of losses and switches, and the keys that matter only while they are not zero."""


def _changed(recipe: AnyOfThem, changes: Mapping[str, Any], *, source: str, texts: bool) -> AnyOfThem:
    """A recipe with some values replaced; `texts` are read as numbers, booleans or lists where the key needs them."""
    fields = {field.name: field for field in msgspec.structs.fields(type(recipe))}
    for key in changes:
        if key not in fields:
            raise SettingError(f"{source} sets '{key}', which this recipe has not; its keys are {', '.join(fields)}.")
    values = msgspec.structs.asdict(recipe)
    for key, value in changes.items():
        values[key] = _listed(value) if texts and isinstance(values[key], tuple) else value
    return _converted(type(recipe), values, source=source, texts=texts)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.strip("[]()").split(",") if part.strip()]


def _converted(kind: type[AnyOfThem], values: dict[str, Any], *, source: str, texts: bool) -> AnyOfThem:
    try:
        return msgspec.convert(values, kind, strict=not texts)
    except msgspec.ValidationError as error:
        why, _, place = str(error).partition(" - at `$.")
        key = re.split(r"[\[`]", place)[0]
        subject = f"cannot set '{key}' to {_shown(values[key])}" if key else "does not make a recipe"
        raise SettingError(f"{source} {subject}: {why[:1].lower()}{why[1:]}.") from error


def _shown(value: object) -> str:
    """A value as it stands in an error message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # integers of thousands of digits, lists of hundreds of levels
        return "a value too long to print"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def to_toml(recipe: Recipe) -> str:
    """A recipe as TOML with every key of it, its system first, as `from_toml` reads it.

    All values are numbers, texts, booleans or lists of them, which TOML writes as JSON does.
    """
    lines = (f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in msgspec.to_builtins(recipe).items())
    return "".join(lines)


def from_toml(recipe: AnyRecipe | None, path: Path) -> AnyRecipe:
    """A recipe with the values of a TOML file in place of its own.

    Args:
        recipe: what the file changes; None for the default recipe or, where the file's `system` is another than that
            one's, the plain recipe of that system.
        path: the file.

    Raises:
        SettingError: the file cannot be read, is no TOML, is for another system than the recipe, or sets an unknown key
            or a wrong value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise SettingError(f"The configuration {path} is nested too deeply; it sets keys to single values.") from error
    except ValueError as error:  # no TOML, no text, or a number of thousands of digits
        raise SettingError(f"The configuration {path} is not valid TOML: {reason(error)}.") from error
    base = _of_system(content.pop(SYSTEM, None), recipe, source=str(path))
    return _changed(base, content, source=str(path), texts=False)


def _of_system(system: object, recipe: AnyRecipe | None, *, source: str) -> AnyRecipe:
    """The recipe that a file with this `system` changes."""
    base = recipe or recipe_named(DEFAULT_RECIPE)
    its_own = base.__struct_config__.tag
    if system is None or system == its_own:
        return base
    if not isinstance(system, str) or system not in RECIPE_KINDS:
        raise SettingError(f"{source} sets '{SYSTEM}' to {_shown(system)}; known are {', '.join(RECIPE_KINDS)}.")
    if recipe is not None:
        raise SettingError(
            f"{source} is for the system '{system}', and the recipe trains '{its_own}'; name another --recipe, or none."
        )
    return cast(AnyRecipe, RECIPE_KINDS[system]())


def from_assignments(recipe: AnyOfThem, assignments: Iterable[str]) -> AnyOfThem:
    """A recipe with values replaced by `key=value` texts.

    Raises:
        SettingError: a text has no `=`, an unknown key or a wrong value; or a key is given twice.
    """
    return _changed(recipe, assigned(assignments), source="--set", texts=True)


def assigned(assignments: Iterable[str]) -> dict[str, str]:
    """The keys and values of `key=value` texts.

    Raises:
        SettingError: a text has no `=`, or a key is given twice.
    """
    changes: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise SettingError(f"--set takes key=value; '{assignment}' has no '='.")
        if key.strip() in changes:
            raise SettingError(f"--set gives '{key.strip()}' twice.")
        changes[key.strip()] = value.strip()
    return changes


def resumed(recipe: AnyOfThem, changes: Mapping[str, Any]) -> AnyOfThem:
    """The recipe of a run that goes on, with values of `CHANGEABLE` keys replaced; they may be texts.

    Raises:
        SettingError: a key is one that a run keeps, or a value is wrong.
    """
    kept = [key for key in changes if key not in CHANGEABLE]
    if kept:
        raise SettingError(f"A resumed run keeps '{kept[0]}' as it began; what can be set is {', '.join(CHANGEABLE)}.")
    return _changed(recipe, changes, source="The resumed run", texts=True)
