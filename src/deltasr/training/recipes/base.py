"""What the training recipes of all systems have, and recipes that take their keys from a model's options."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict, fields

from deltasr.models.configs import AnyConfig, Channels, Config, Scale

Positive = Annotated[int, Meta(ge=1, le=10**12)]
Count = Annotated[int, Meta(ge=0, le=10**12)]
PositiveFloat = Annotated[float, Meta(gt=0, le=100)]
Weight = Annotated[float, Meta(ge=0, le=1e9)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]
Share = Annotated[float, Meta(ge=0, le=0.25)]
DegradationKind = Literal[
    "bicubic", "bicubic-aliased", "bilinear", "bilinear-aliased", "area", "lanczos", "resshift-test", "realesrgan",
    "bsrgan", "resshift-code", "resshift-test-code", "realesrgan-x4plus", "bsrgan-code", "web",
]  # fmt: skip


SYSTEM = "system"
"""The key that names in files the system that a recipe trains."""


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field=SYSTEM):
    """The keys that recipes of all systems have: length, crops, optimizer, and losses through other networks.

    Losses through other networks are LPIPS and a discriminator; a weight of 0 leaves one out. Lengths are counted in
    images (crops seen), so that they do not change with the batch.

    Attributes:
        scale: factor from LR to HR.
        degradation: how LR crops are made, a name in `degradation.kinds.KINDS`; `bicubic` is made once per picture.
        shrink: factor by which pictures are made smaller before anything else; 1 takes them as they are.
        graphics: share of crops that are cut from drawn pictures (`training.data.graphics`) instead of the folder's.
        teacher: share of the target picture that is the teachers', the rest the true HR picture;
            0 learns without teachers. LPIPS and discriminators compare with the HR picture alone.
        rescale_gt: cut a random square over the whole of a picture's short side, resize it to an HR crop and mirror it
            half of the time, as ResShift's published code does; else crops are parts of pictures at their own size.
        crop: side of the LR crops in pixels, at least 4; HR crops are `scale` times as large.
        batch: crops in an optimizer step, over all processes together.
        images: length of the run.
        seed: decides the initial weights, the order, place and orientation of the crops, and every other random choice.
        optimizer: `adamw` (Adam at weight_decay 0), or `muon` (orthogonalised momentum for the inner convolutions,
            AdamW for the rest).
        learning_rate: its peak, reached after `warmup` images.
        decay: its course from there: `cosine` to `decay_end`, `halved` half-way, or `none`.
        decay_end: share of `learning_rate` that `cosine` ends at.
        betas, weight_decay: of AdamW.
        warmup: images of linear warm-up.
        clip: largest gradient norm; 0 for no clipping.
        ema: decay of the averaged weights, per optimizer step, at the most: after n steps it is (1 + n) / (10 + n). The
            averaged weights are what is validated and released.
        precision: `float32`, or `bf16` (autocast; `float32` all the same where the device does not run it faster).
        channels_last: memory layout of the convolutions.
        compile: run the network through `torch.compile`.
        workers: processes that prepare batches; 0 prepares them in between steps.
        validation_pictures: pictures held out of the training folder for validation, as a number or, below 1, as a
            share of all; at most a quarter of all.
        test_pictures: the same for pictures that are neither trained nor validated on.
        patience: stop after so many validations without a better one, and release the best weights; 0 goes on.
        validate_every, save_every: images between two validations and two saved states.
        lpips: weight of LPIPS between the result and the HR picture.
        lpips_network: the network whose features it compares: `squeeze`, `alex` or `vgg`.
        lpips_pooling: between that network's layers: `max`, as LPIPS is defined, or `l2`
            (`nets.classifiers.L2Pool2d`), which sees every place.
        adversarial: weight of the loss through the discriminator.
        adversarial_loss: `bce` (non-saturating binary cross-entropy) or `relativistic` (average, ESRGAN).
        discriminator: a name in `nets.discriminators.DISCRIMINATORS`.
        discriminator_width: its channels.
        discriminator_learning_rate: of its Adam, whose betas are (0.9, 0.999); it follows the same course as
            `learning_rate`.
        alternation: `joint`, where both networks learn from every batch, or `phases`: five parts of the run of equal
            length, in which discriminator, generator, discriminator, generator and discriminator learn alone.
    """

    scale: Scale = 4
    degradation: DegradationKind = "bicubic"
    shrink: Annotated[int, Meta(ge=1, le=64)] = 1
    graphics: Fraction = 0.0
    teacher: Annotated[float, Meta(ge=0, le=1)] = 0.0
    rescale_gt: bool = False
    crop: Annotated[int, Meta(ge=4, le=4_096)] = 24
    batch: Annotated[int, Meta(ge=1, le=65_536)] = 16
    images: Positive = 320_000
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: PositiveFloat = 1.5e-3
    decay: Literal["cosine", "halved", "none"] = "cosine"
    decay_end: Fraction = 0.0
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    weight_decay: Weight = 0.0
    warmup: Count = 2_400
    clip: Weight = 0.5
    ema: Fraction = 0.998
    precision: Literal["float32", "bf16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    workers: Annotated[int, Meta(ge=0, le=256)] = 0
    validation_pictures: Count | Share = 16
    test_pictures: Count | Share = 0
    patience: Count = 0
    validate_every: Positive = 16_000
    save_every: Positive = 8_000
    lpips: Weight = 0.0
    lpips_network: Literal["squeeze", "alex", "vgg"] = "squeeze"
    lpips_pooling: Literal["max", "l2"] = "max"
    adversarial: Weight = 0.0
    adversarial_loss: Literal["bce", "relativistic"] = "relativistic"
    discriminator: Literal["simple", "unet", "patch"] = "simple"
    discriminator_width: Channels = 64
    discriminator_learning_rate: PositiveFloat = 1e-4
    alternation: Literal["joint", "phases"] = "joint"

    def __post_init__(self) -> None:
        for key, value in msgspec.structs.asdict(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
                raise ValueError(f"{key} is not finite")
        if self.images < self.batch:
            raise ValueError(f"images is {self.images}, which is less than one batch of {self.batch}")
        if self.alternation == "phases" and not self.adversarial:
            raise ValueError("alternation is 'phases', which needs adversarial above zero")
        if self.alternation == "phases" and self.patience:
            raise ValueError("patience would end a run by phases while the model rests; set it to 0")

    def without_effect(self) -> dict[str, object]:
        """Sentences about settings that have no effect, each with whether it applies, of this system alone."""
        return {}


def with_options(
    recipe: type[Recipe], config: type[Config], *, without: frozenset[str] = frozenset(), tag: str | None = None
) -> Any:
    """A class of recipes that have the options of a model's config as keys: names, types, bounds, defaults and texts.

    msgspec's structs cannot inherit from two structs, so the fields are copied.

    Args:
        recipe: what it inherits from; keys that this has already stay as they are.
        config: where the options are written.
        without: options that follow from other keys.
        tag: the system that it is for, unless subclasses say.
    """
    taken = {*without, *recipe.__struct_fields__}
    return msgspec.defstruct(
        f"{config.__name__.removesuffix('Config')}Recipe",
        [(field.name, field.type, field.default) for field in fields(config) if field.name not in taken],
        bases=(recipe,),
        namespace={"__doc__": config.__doc__},
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        tag=tag,
    )


def config_of(recipe: Recipe, kind: type[AnyConfig], **others: Any) -> AnyConfig:
    """The config that a recipe's keys describe; `others` are options that are no keys."""
    keys = asdict(recipe)
    return kind(**{name: keys[name] for name in kind.__struct_fields__ if name in keys}, **others)
