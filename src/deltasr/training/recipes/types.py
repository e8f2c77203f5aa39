"""The kinds of training recipes: everything that decides what weights come out of a run, as typed objects."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict, fields

from deltasr.diffusion.schedule import Schedule, geometric_schedule
from deltasr.models.configs import (
    ARCHITECTURES,
    AnyConfig,
    Channels,
    Config,
    DeltaDiffConfig,
    FirstStage,
    NoiseStrength,
    RrdbConfig,
    Scale,
    ShiftingConfig,
    VQConfig,
)
from deltasr.nets.classifier_layers import layer_names

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
_GROUPS = 32
"""Of the autoencoder's group normalisation."""


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


if TYPE_CHECKING:

    class _ShiftingRecipe(Recipe, ShiftingConfig, frozen=True, kw_only=True): ...

else:
    _ShiftingRecipe = with_options(Recipe, ShiftingConfig)


class ChainRecipe(_ShiftingRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the recipes of residual shifting have: the shifting sequence and the loss on its steps.

    LPIPS is of every picture's prediction in teacher-forced training, of the last step's in on-policy training; so
    does a discriminator, in on-policy training only.

    Attributes:
        unroll: how the states that the network learns from come about. `through`: the chain runs on its own predictions
            and gradients flow through all steps; `detached`: the same with gradients stopped between steps;
            `teacher-forced`: one random step per picture, its state made from the true HR picture, as in the papers.
        loss: on the prediction of every step, in the first stage's codes: `l1`, `l2` (mean of squares) or
            `charbonnier`.
        step_weights: weight of each step's loss, first step first; empty for equal ones. Normalised to sum 1.
        grid: weight of patterns that repeat with the LR grid in the picture that LPIPS compares, but not in the HR one
            (`losses.grid_distance`): dots that perceptual losses reward. Of pixel-unshuffled codes only.
    """

    unroll: Literal["through", "detached", "teacher-forced"] = "through"
    loss: Literal["l1", "l2", "charbonnier"] = "l1"
    step_weights: tuple[Weight, ...] = ()
    grid: Weight = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_weights and len(self.step_weights) != self.steps:
            raise ValueError(f"step_weights has {len(self.step_weights)} values for {self.steps} steps")
        if self.step_weights and sum(self.step_weights) == 0:
            raise ValueError("step_weights are all zero")
        if self.eta_1 >= self.eta_T:
            raise ValueError(f"eta_1 is {self.eta_1}, which is not less than eta_T, {self.eta_T}")
        if self.adversarial and self.unroll == "teacher-forced":
            raise ValueError("adversarial needs a result to compare, which unroll 'teacher-forced' does not make")

    def without_effect(self) -> dict[str, object]:
        defaults = ShiftingConfig()
        return {
            "step_weights has no effect on teacher-forced training, which trains one step per picture": (
                self.step_weights and self.unroll == "teacher-forced"
            ),
            "p has no effect on fewer than three steps": self.p != defaults.p and self.steps < 3,
            "eta_1 has no effect on a single step": self.eta_1 != defaults.eta_1 and self.steps == 1,
        }

    def shifting_sequence(self, *, steps: int | None = None, kappa: float = 0.0) -> Schedule:
        """The schedule of the recipe's keys, or one of the same shape with another number of steps."""
        return geometric_schedule(steps=steps or self.steps, p=self.p, kappa=kappa, eta_1=self.eta_1, eta_T=self.eta_T)

    def early_part(self) -> tuple[Schedule, int] | None:
        """The shorter schedule of the first part of the run, and the number of images in that part."""
        return None

    def step_factors(self, schedule: Schedule) -> list[float] | None:
        """What the loss of each step t = 1..T is multiplied by in teacher-forced training; None for 1."""
        return None


if TYPE_CHECKING:

    class _DeltaDiffRecipe(ChainRecipe, DeltaDiffConfig, frozen=True, kw_only=True): ...

else:
    _DeltaDiffRecipe = with_options(ChainRecipe, DeltaDiffConfig, without=frozenset({"consistent"}))


class DeltaDiffRecipe(_DeltaDiffRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="deltadiff"):
    """How to train `models.deltadiff.DeltaDiff`; its options are keys, but for `consistent`.

    With `dial`, one network is trained for all fidelities in [0, 1]: `lpips` and `adversarial` are multiplied by
    (1 - fidelity)^2. Of every four crops one is trained at fidelity 1, one at 0 and two in between. `restoring` is for
    the degradation `web`.

    Attributes:
        early_steps: steps of the chain in the first part of the run, which fewer make shorter; 0 for `steps` from the
            beginning. The chain has the same `p`, `eta_1` and `eta_T` then.
        early: share of the run's images that this part has.
    """

    early_steps: Count = 0
    early: Fraction = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.restoring and (self.degradation != "web" or self.unroll == "teacher-forced"):
            raise ValueError("restoring needs degradation 'web', and unroll 'through' or 'detached'")
        if self.early_steps and (self.early_steps > self.steps or not self.shared or self.unroll == "teacher-forced"):
            raise ValueError(
                f"early_steps is {self.early_steps}; it needs at least as many steps ({self.steps}), shared true and "
                "an unrolled chain"
            )
        if self.early_steps and self.step_weights and not sum(self.step_weights[-self.early_steps :]):
            raise ValueError(
                f"step_weights are zero for the last steps, and with early_steps {self.early_steps} the first part of "
                "the run has no others"
            )
        if not self.shared and self.unroll == "teacher-forced":
            raise ValueError(
                "shared false gives each step blocks of its own, which unroll 'teacher-forced' cannot train"
            )
        if self.dial and (self.unroll == "teacher-forced" or not (self.lpips or self.adversarial)):
            raise ValueError("dial needs lpips or adversarial above zero, and unroll 'through' or 'detached'")

    def early_part(self) -> tuple[Schedule, int] | None:
        if not self.early_steps:
            return None
        images = int(self.early * self.images) // self.batch * self.batch
        return self.shifting_sequence(steps=self.early_steps), images


class ResShiftRecipe(ChainRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="resshift"):
    """How to train `models.resshift.ResShift`: the papers' systems, and small ones of their kind.

    Attributes:
        network: the denoiser: `paper` (118.6 M parameters), `small` (1.4 M) or `tiny` (0.4 M).
        first_stage: `vq`, whose trained autoencoder has to be given, or `pixel-unshuffle`.
        kappa: noise strength; 0 is DeltaDiff.
        step_loss: `plain`, or `bound`: each step's loss times `w_t` (ResShift eq. 8), normalised to mean 1; for
            teacher-forced training at kappa above 0.
    """

    network: Literal["paper", "small", "tiny"] = "small"
    first_stage: FirstStage = "pixel-unshuffle"
    kappa: NoiseStrength = 2.0
    step_loss: Literal["plain", "bound"] = "plain"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_loss == "bound" and (self.kappa == 0 or self.unroll != "teacher-forced"):
            raise ValueError("step_loss 'bound' is for teacher-forced training with kappa above 0")
        if self.grid and self.first_stage == "vq":
            raise ValueError("grid is for pixel-unshuffled codes, and first_stage is 'vq'")
        if self.scale != 4:
            raise ValueError(f"scale is {self.scale}; ResShift's networks are for 4")

    def step_factors(self, schedule: Schedule) -> list[float] | None:
        if self.step_loss == "plain":
            return None
        bound = [schedule.weight(t) for t in range(1, schedule.steps + 1)]
        return [weight / fmean(bound) for weight in bound]


class PictureRecipe(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the recipes of one-pass systems have: losses on the picture, each with its weight; 0 leaves one out.

    Attributes:
        l1, l2: of the mean absolute and the mean squared difference, RGB in [0, 1].
        perceptual: of the distance between features of a classification network.
        features: that network: `vgg19`, `alex` or `squeeze`.
        feature_layer: the layer they are taken from, such as `conv5_4` of VGG19.
        feature_activation: `before` (ESRGAN) or `after` (SRGAN) its activation.
        feature_distance: `l1`, `l2`, or `squared` (SRGAN eq. 5): the squared distance over width and height, which is
            `l2` times the number of channels.
    """

    l1: Weight = 1.0
    l2: Weight = 0.0
    perceptual: Weight = 0.0
    features: Literal["vgg19", "alex", "squeeze"] = "vgg19"
    feature_layer: str = "conv5_4"
    feature_activation: Literal["before", "after"] = "before"
    feature_distance: Literal["l1", "l2", "squared"] = "l1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any((self.l1, self.l2, self.lpips, self.perceptual, self.adversarial)):
            raise ValueError("l1, l2, lpips, perceptual and adversarial are all zero, which leaves nothing to learn")
        if self.feature_layer not in layer_names(self.features):
            raise ValueError(
                f"feature_layer is '{self.feature_layer}', which {self.features} has not; it has "
                f"{', '.join(layer_names(self.features))}"
            )


if TYPE_CHECKING:

    class _RrdbRecipe(PictureRecipe, RrdbConfig, frozen=True, kw_only=True): ...

    class _VQRecipe(PictureRecipe, VQConfig, frozen=True, kw_only=True): ...

else:
    _RrdbRecipe = with_options(PictureRecipe, RrdbConfig)
    _VQRecipe = with_options(PictureRecipe, VQConfig, without=frozenset({"blocks_by_level"}))


class RrdbRecipe(_RrdbRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rrdb"):
    """How to train `models.rrdb.Rrdb`; its options are keys."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale != 4:
            raise ValueError(f"scale is {self.scale}; RRDB is for 4")


class AutoencoderRecipe(_VQRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="vq"):
    """How to train `models.autoencoder.Autoencoder`, a first stage for ResShift; its network's options are keys.

    Attributes:
        codebook: weight of the loss that moves the codebook's entries to the codes (VQ-VAE eq. 3, second term).
        commitment: weight of the loss that moves codes to their entries (third term).
    """

    codebook: Weight = 1.0
    commitment: Weight = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher:
            raise ValueError("teacher is for upscalers; an autoencoder learns to give back the picture itself")
        if 2 ** (len(self.widths) - 1) != self.scale:
            raise ValueError(f"widths has {len(self.widths)} levels, which is not a scale of {self.scale}")
        if any(width % _GROUPS for width in self.widths):
            raise ValueError(f"widths are {list(self.widths)}; each must be a multiple of {_GROUPS}")

    def without_effect(self) -> dict[str, object]:
        return {"degradation has no effect: an autoencoder has no LR pictures": self.degradation != "bicubic"}


RECIPE_KINDS: dict[str, type[Recipe]] = {
    "deltadiff": DeltaDiffRecipe,
    "resshift": ResShiftRecipe,
    "rrdb": RrdbRecipe,
    "vq": AutoencoderRecipe,
}
"""The class of recipes of each system; of architectures that have none of their own, a `PictureRecipe` with their
options."""
for _name, _config in ARCHITECTURES.items():
    if _name not in RECIPE_KINDS:
        RECIPE_KINDS[_name] = with_options(PictureRecipe, _config, tag=_name)

if TYPE_CHECKING:
    AnyRecipe = DeltaDiffRecipe | ResShiftRecipe | RrdbRecipe | AutoencoderRecipe
else:
    AnyRecipe = Union[tuple(RECIPE_KINDS.values())]  # noqa: UP007
"""A recipe of any system; in files, `system` says which."""
