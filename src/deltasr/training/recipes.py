"""Training recipes: typed objects, some with names, changed by a file or key by key with every mistake named."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from deltasr.errors import SettingError

Size = Literal["tiny", "small", "base"]
Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides what weights come out of a training run, apart from the pictures.

    Lengths are counted in images (crops seen), so that they do not change with the batch.

    Attributes:
        size: the network, a name in `models.deltadiff.SIZES`.
        scale: factor from LR to HR.
        steps, p, eta_1, eta_T: the shifting sequence (`diffusion.schedule.geometric_schedule`).
        unroll: how the states that the network learns from come about. `through`: the chain runs on its own predictions
            and gradients flow through all steps; `detached`: the same with gradients stopped between steps;
            `teacher-forced`: one random step a batch, its state made from the true HR picture (the papers' training).
        loss: pixel loss on the prediction of every step, in [0, 1] RGB: `l1`, `l2` (mean of squares) or `charbonnier`.
        step_weights: weight of each step's loss, first step first; empty for equal ones. Normalised to sum 1.
        crop: side of the LR crops in pixels, at least 4; HR crops are `scale` times as large.
        batch: crops in an optimizer step, over all processes together.
        images: length of the run.
        seed: decides the initial weights and the order, place and orientation of the crops.
        optimizer: `adamw`, or `muon` (orthogonalised momentum for the inner convolutions, AdamW for the rest).
        learning_rate: its peak, reached after `warmup` images, followed by a half cosine to zero.
        betas, weight_decay: of AdamW.
        warmup: images of linear warm-up.
        clip: largest gradient norm; 0 for no clipping.
        ema: decay of the averaged weights, per optimizer step; the averaged weights are what is validated and released.
        precision: `float32`, or `bf16` (autocast on CUDA; elsewhere it is float32 all the same).
        channels_last: memory layout of the convolutions.
        compile: run the network through `torch.compile`.
        workers: processes that prepare batches; 0 prepares them in between steps.
        validation_pictures: pictures held out of the training folder for validation; at most a quarter of them are.
        validate_every, save_every: images between two validations and two saved states.
    """

    size: Size = "tiny"
    scale: Annotated[int, Meta(ge=2, le=8)] = 4
    steps: Positive = 4
    p: PositiveFloat = 0.3
    eta_1: PositiveFloat = 0.01
    eta_T: Annotated[float, Meta(gt=0, le=1)] = 0.99
    unroll: Literal["through", "detached", "teacher-forced"] = "through"
    loss: Literal["l1", "l2", "charbonnier"] = "l1"
    step_weights: tuple[Annotated[float, Meta(ge=0)], ...] = ()
    crop: Annotated[int, Meta(ge=4)] = 24
    batch: Positive = 16
    images: Positive = 320_000
    seed: Count = 0
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: PositiveFloat = 1.5e-3
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    warmup: Count = 2_400
    clip: Annotated[float, Meta(ge=0)] = 0.5
    ema: Fraction = 0.998
    precision: Literal["float32", "bf16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    workers: Count = 0
    validation_pictures: Count = 16
    validate_every: Positive = 16_000
    save_every: Positive = 8_000

    def __post_init__(self) -> None:
        for key, value in msgspec.structs.asdict(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
                raise ValueError(f"{key} is not finite")
        if self.step_weights and len(self.step_weights) != self.steps:
            raise ValueError(f"step_weights has {len(self.step_weights)} values for {self.steps} steps")
        if self.step_weights and sum(self.step_weights) == 0:
            raise ValueError("step_weights are all zero")
        if self.eta_1 >= self.eta_T:
            raise ValueError(f"eta_1 is {self.eta_1}, which is not less than eta_T, {self.eta_T}")
        if self.images < self.batch:
            raise ValueError(f"images is {self.images}, which is less than one batch of {self.batch}")


RECIPES: dict[str, Recipe] = {
    "deltadiff-tiny-x4": Recipe(
        size="tiny", images=224_000, optimizer="muon", learning_rate=2.5e-3, warmup=6_400, ema=0.999,
    ),
    "deltadiff-small-x4": Recipe(
        size="small", crop=48, batch=64, images=19_200_000, learning_rate=1e-3, warmup=64_000, precision="bf16",
        channels_last=True, ema=0.999, workers=8, validate_every=640_000, save_every=320_000,
    ),
    "deltadiff-base-x4": Recipe(
        size="base", crop=48, batch=64, images=32_000_000, learning_rate=5e-4, warmup=128_000, precision="bf16",
        channels_last=True, ema=0.9995, workers=8, validate_every=640_000, save_every=320_000,
    ),
}  # fmt: skip
"""Named recipes: `tiny` for two CPU cores, the bundled weights' own; `small` and `base` for a GPU."""

DEFAULT_RECIPE = "deltadiff-tiny-x4"
"""What is trained unless a recipe is named."""


def recipe_named(name: str) -> Recipe:
    """The recipe of a name in `RECIPES`.

    Raises:
        SettingError: there is no such recipe.
    """
    if name not in RECIPES:
        raise SettingError(f"There is no recipe called '{name}'; known are {', '.join(RECIPES)}.")
    return RECIPES[name]


def checked(recipe: Recipe) -> Recipe:
    """The recipe itself, once types and ranges of all its values are known to be right.

    Raises:
        SettingError: one is not; the message names it.
    """
    return _converted(msgspec.structs.asdict(recipe), source="The recipe", texts=False)


def ignored(recipe: Recipe, *, device: str) -> list[str]:
    """A sentence for each setting that has no effect, or less than it seems to.

    Args:
        recipe: what is going to be trained.
        device: type of the device it is trained on, as `torch.device.type`.
    """
    cases = {
        "step_weights has no effect on teacher-forced training, which trains one step a batch": (
            recipe.step_weights and recipe.unroll == "teacher-forced"
        ),
        "weight_decay acts on the weights that AdamW trains, not on those of Muon": (
            recipe.weight_decay and recipe.optimizer == "muon"
        ),
        f"precision is float32 on {device}: bf16 is for CUDA": recipe.precision == "bf16" and device != "cuda",
        "warmup is not over before the run is: the learning rate stays below its peak": recipe.warmup >= recipe.images,
        "p has no effect on fewer than three steps": recipe.p != Recipe().p and recipe.steps < 3,
        "eta_1 has no effect on a single step": recipe.eta_1 != Recipe().eta_1 and recipe.steps == 1,
        f"the last {recipe.images % recipe.batch} images are not a whole batch and are left out": (
            recipe.images % recipe.batch
        ),
    }
    return [f"note: {text}" for text, applies in cases.items() if applies]


def _changed(recipe: Recipe, changes: Mapping[str, Any], *, source: str, texts: bool) -> Recipe:
    """A recipe with some values replaced; `texts` are read as numbers, booleans or lists where the key needs them."""
    fields = {field.name: field for field in msgspec.structs.fields(Recipe)}
    for key in changes:
        if key not in fields:
            raise SettingError(f"{source} sets '{key}', which no recipe has; the keys are {', '.join(fields)}.")
    values = msgspec.structs.asdict(recipe)
    for key, value in changes.items():
        values[key] = _listed(value) if texts and isinstance(values[key], tuple) else value
    return _converted(values, source=source, texts=texts)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.strip("[]()").split(",") if part.strip()]


def _converted(values: dict[str, Any], *, source: str, texts: bool) -> Recipe:
    try:
        return msgspec.convert(values, Recipe, strict=not texts)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        key = re.split(r"[\[`]", place)[0]
        subject = f"cannot set '{key}' to {values[key]!r}" if key else "does not make a recipe"
        raise SettingError(f"{source} {subject}: {reason[:1].lower()}{reason[1:]}.") from error


def from_toml(recipe: Recipe, path: Path) -> Recipe:
    """A recipe with the values of a TOML file in place of its own.

    Raises:
        SettingError: the file cannot be read, is no TOML, or sets an unknown key or a wrong value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"The configuration {path} is not valid TOML: {error}.") from error
    return _changed(recipe, content, source=str(path), texts=False)


def from_assignments(recipe: Recipe, assignments: list[str]) -> Recipe:
    """A recipe with values replaced by `key=value` texts.

    Raises:
        SettingError: a text has no `=`, an unknown key or a wrong value; or a key is given twice.
    """
    changes: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise SettingError(f"--set takes key=value; '{assignment}' has no '='.")
        if key.strip() in changes:
            raise SettingError(f"--set gives '{key.strip()}' twice.")
        changes[key.strip()] = value.strip()
    return _changed(recipe, changes, source="--set", texts=True)
