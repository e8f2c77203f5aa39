"""The options of every architecture: names, types, bounds, defaults and what they mean. Nothing here loads torch.

A model is built from its config, a checkpoint's header holds it, and the recipe that trains the model has its options
as keys. Bounds are far above every existing model, and far below what would fill a machine's memory: the header of
a downloaded file can hold any value.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict, fields

from deltasr.arguments import shown
from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import ModelError, SettingError

if TYPE_CHECKING:
    from deltasr.models.base import Model

Channels = Annotated[int, Meta(ge=1, le=8192)]
Blocks = Annotated[int, Meta(ge=1, le=128)]
Share = Annotated[float, Meta(ge=0, le=1)]
Scale = Annotated[int, Meta(ge=2, le=8)]
NoiseStrength = Annotated[float, Meta(ge=0, le=100)]
FirstStage = Literal["vq", "pixel-unshuffle"]
ChannelsByLevel = Annotated[tuple[Channels, ...], Meta(min_length=1, max_length=8)]
BlocksByLevel = Annotated[tuple[Annotated[int, Meta(ge=1, le=32)], ...], Meta(min_length=1, max_length=8)]

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each weight of a checkpoint, by its name."""

_RESSHIFT = PRESETS["resshift-s15"]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of an architecture. Every option decides the shapes of the weights unless it is named below."""

    architecture: ClassVar[str] = ""
    """The name under which checkpoints record the model, and recipes its system."""

    model: ClassVar[str] = ""
    """Where the model's class is, as `module:class`; importing it loads torch."""

    of_process: ClassVar[frozenset[str]] = frozenset()
    """Options that decide what is computed, but no shape: models that differ in them can exchange weights."""

    of_use: ClassVar[frozenset[str]] = frozenset()
    """Options that are only defaults of an upscale: attributes of the model, which can be set."""

    def arguments(self) -> dict[str, Any]:
        """All options as JSON values, without those that are None."""
        values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return {name: value for name, value in values.items() if value is not None}

    def decisive(self) -> dict[str, Any]:
        """The options that decide what given weights compute, as JSON values."""
        return {name: value for name, value in self.arguments().items() if name not in self.of_use}

    def shape(self) -> dict[str, Any]:
        """What decides the shapes of the weights, as JSON values."""
        return {name: value for name, value in self.decisive().items() if name not in self.of_process}

    def scale_and_reach(self, shapes: Shapes) -> tuple[int, int | None] | None:
        """The model's scale and receptive field (`models.base.Model`), from its options and its weights' shapes.

        None, the default, where the model has to be built for that.
        """
        return None


AnyConfig = TypeVar("AnyConfig", bound=Config)


class ShiftingConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shifting sequence that is geometric in `sqrt(eta)`.

    Attributes:
        steps, p, eta_1, eta_T: the sequence's length and shape (`diffusion.schedule.geometric_schedule`).
    """

    steps: Annotated[int, Meta(ge=1, le=1000)] = 4
    p: Annotated[float, Meta(gt=0, le=100)] = 0.3
    eta_1: Annotated[float, Meta(gt=0, le=1)] = 0.01
    eta_T: Annotated[float, Meta(gt=0, le=1)] = 0.99


class DeltaDiffConfig(ShiftingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `models.deltadiff.DeltaDiff`.

    Attributes:
        size: the network, a name in `models.deltadiff.SIZES`.
        scale: the factor from LR to HR.
        dial, default_fidelity, restoring, consistent: attributes of the model, see `models.base.Model`. `consistent` is
            right for pictures that were made small by clean downscaling.
        block: the network's blocks, a name in `nets.blocks.BLOCKS`.
        shared: whether all steps have the same blocks; else each has a body of its own, between a first and a last
            layer that all have in common.
        features: `once`, from the LR picture alone, or `every-step`, from the LR picture and the state.
    """

    architecture: ClassVar[str] = "deltadiff"
    model: ClassVar[str] = "deltasr.models.deltadiff:DeltaDiff"
    of_process: ClassVar[frozenset[str]] = frozenset(ShiftingConfig.__struct_fields__)
    of_use: ClassVar[frozenset[str]] = frozenset({"default_fidelity", "consistent"})

    size: Literal["tiny", "small", "base"] = "tiny"
    scale: Scale = 4
    dial: bool = False
    default_fidelity: Share = 1.0
    restoring: bool = False
    consistent: bool = True
    block: Literal["residual", "leaky", "naf", "large-kernel", "reparameterised"] = "residual"
    shared: bool = True
    features: Literal["once", "every-step"] = "once"

    @property
    def bodies(self) -> int:
        """How many bodies the network has."""
        return 1 if self.shared else self.steps

    def arguments(self) -> dict[str, Any]:
        values = super().arguments()
        return {"size": values.pop("size"), "scale": values.pop("scale"), **values}  # in the order of released headers

    def shape(self) -> dict[str, Any]:
        return {name: value for name, value in super().shape().items() if name != "shared"} | {"bodies": self.bodies}

    def scale_and_reach(self, shapes: Shapes) -> tuple[int, int]:
        """Each convolution in the sequence adds half of its kernel to the reach, those of the body at each step."""
        encoder = _reach(shapes, r"net\.(head|encoder|encoder_out)\.")
        body = _reach(shapes, r"net\.body\.") // self.bodies + _reach(shapes, r"net\.tail\.")
        state = body + (encoder - 1 if self.features == "every-step" else 0)
        return self.scale, encoder + body + (self.steps - 1) * state


def _reach(shapes: Shapes, names: str) -> int:
    """The reach of the convolutions whose names match, one after the other."""
    kernels = [shape for name, shape in shapes.items() if re.match(names, name) and len(shape) == 4]
    return sum(shape[-1] // 2 for shape in kernels)


class RrdbConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `models.rrdb.Rrdb`.

    Attributes:
        blocks: residual-in-residual dense blocks: 2, 10 and 15 in comparisons of depth, 23 in ESRGAN.
        width: channels between them.
    """

    architecture: ClassVar[str] = "rrdb"
    model: ClassVar[str] = "deltasr.models.rrdb:Rrdb"

    blocks: Blocks = 2
    width: Channels = 64

    def scale_and_reach(self, shapes: Shapes) -> tuple[int, int]:
        """As `nets.rrdb.RrdbNet.reach`."""
        return 4, 15 * self.blocks + 4


class DasrConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `models.dasr.Dasr`; by default those of the published weights.

    Attributes:
        blocks: residual blocks.
        width: channels between them.
        experts: sets of weights that are mixed.
        degradation_parameters: numbers by which the predictor describes a degradation.
    """

    architecture: ClassVar[str] = "dasr"
    model: ClassVar[str] = "deltasr.models.dasr:Dasr"

    blocks: Blocks = 16
    width: Channels = 64
    experts: Annotated[int, Meta(ge=1, le=64)] = 5
    degradation_parameters: Channels = 33

    def scale_and_reach(self, shapes: Shapes) -> tuple[int, None]:
        return 4, None


class VQConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `nets.vq_autoencoder.VQAutoencoder`; by default those of ResShift's published first stage.

    Attributes:
        widths: channels at full, half and quarter size (or of more levels: each halves the size once more), multiples
            of 32.
        blocks: residual blocks of each level; the decoder has one more.
        latent_channels: values of one code.
        codes: entries of the codebook.
        blocks_by_level: `blocks` of each level, where they differ.
    """

    widths: ChannelsByLevel = (128, 256, 512)
    blocks: Blocks = 2
    latent_channels: Channels = 3
    codes: Annotated[int, Meta(ge=1, le=1 << 20)] = 8192
    blocks_by_level: BlocksByLevel | None = None

    @property
    def factor(self) -> int:
        """From the code's size to the picture's."""
        return int(2 ** (len(self.widths) - 1))


class AutoencoderConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `models.autoencoder.Autoencoder`.

    Attributes:
        autoencoder: those of its network.
    """

    architecture: ClassVar[str] = "vq"
    model: ClassVar[str] = "deltasr.models.autoencoder:Autoencoder"

    autoencoder: VQConfig | None = VQConfig()

    def scale_and_reach(self, shapes: Shapes) -> tuple[int, None]:
        return 1, None


class DenoiserConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `nets.swin_unet.SwinUNet`; by default those of ResShift's published x4 models.

    Attributes:
        in_channels, out_channels: channels of the state and of the prediction; None for those of the first stage.
        lq_channels: channels of the LR picture, and of what else is beside it: 4 with the mask of an inpainting model.
        lq_stages: how often the LR picture is halved by convolutions before it joins the state; 0 where both have the
            same size.
        model_channels: width of the first level; a multiple of 32.
        channel_mult: width of each level, as a multiple of `model_channels`.
        num_res_blocks: residual blocks of each level on the way down; there is one more on the way up.
        swin_embed_dim: width inside the attention layers; a multiple of 32 and of `num_head_channels`.
        swin_depth: attention blocks in a layer.
        num_head_channels: channels of one attention head.
        window_size: side of the attention windows.
        mlp_ratio: hidden width of the attention blocks, as a multiple of `swin_embed_dim`.
        image_size: side of the state the network was designed for. Others work as well; levels that are at this
            size no larger than a window never shift their windows.
        dropout: probability, in training.
    """

    in_channels: Channels | None = None
    lq_channels: Channels = 3
    out_channels: Channels | None = None
    model_channels: Channels = 160
    channel_mult: ChannelsByLevel = (1, 2, 2, 4)
    num_res_blocks: BlocksByLevel = (2, 2, 2, 2)
    swin_embed_dim: Channels = 192
    swin_depth: Blocks = 2
    num_head_channels: Channels = 32
    window_size: Annotated[int, Meta(ge=1, le=32)] = 8
    mlp_ratio: Annotated[int, Meta(ge=1, le=64)] = 4
    image_size: Annotated[int, Meta(ge=1, le=1 << 16)] = 64
    dropout: Share = 0.0
    lq_stages: Annotated[int, Meta(ge=0, le=8)] = 0


class ResShiftConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `models.resshift.ResShift`.

    Attributes:
        eta: the shifting sequence `eta_0, ..., eta_T`; by default that of the released code with 15 steps.
        kappa: noise strength.
        first_stage: what makes codes of pictures: `vq`, or `pixel-unshuffle` (x4, 48 values in [-1, 1]).
        denoiser: the options of its network; None for those of the published x4 models.
        autoencoder: the options of a `vq` first stage; None for the published one's. Nothing to pixel-unshuffle.
        scale: the factor from the LR to the HR picture; None for that of the first stage. A smaller one, such as 1 for
            restoration at the picture's own size, takes a denoiser with as many `lq_stages` as it is halved.
    """

    architecture: ClassVar[str] = "resshift"
    model: ClassVar[str] = "deltasr.models.resshift:ResShift"
    of_process: ClassVar[frozenset[str]] = frozenset({"eta", "kappa"})

    eta: Annotated[tuple[Share, ...], Meta(min_length=2, max_length=1001)] = _RESSHIFT.eta
    kappa: NoiseStrength = _RESSHIFT.kappa
    first_stage: FirstStage = "vq"
    denoiser: DenoiserConfig | None = None
    autoencoder: VQConfig | None = None
    scale: Annotated[int, Meta(ge=1, le=128)] | None = None

    @property
    def factor(self) -> int:
        """From the code's size to the picture's."""
        return 4 if self.first_stage == "pixel-unshuffle" else (self.autoencoder or VQConfig()).factor

    def scale_and_reach(self, shapes: Shapes) -> tuple[int, None]:
        return self.scale or self.factor, None


ARCHITECTURES: dict[str, type[Config]] = {
    config.architecture: config
    for config in (
        DeltaDiffConfig,
        ResShiftConfig,
        RrdbConfig,
        AutoencoderConfig,
        DasrConfig,
    )
}
"""Every architecture that checkpoints may name and recipes may train. A new one is one line here."""


def model_class(config: type[Config]) -> type[Model]:
    """The class of the models that have such a config."""
    module, _, name = config.model.partition(":")
    found: type[Model] = getattr(importlib.import_module(module), name)
    return found


def configured(kind: type[AnyConfig], options: Mapping[str, Any], base: AnyConfig | None = None) -> AnyConfig:
    """A config from options by name, or from JSON values; what is not given is as in `base`, or at its default.

    Raises:
        ModelError: an option is none of its choices.
        SettingError: there is no such option, or its value has the wrong type or is out of range.
    """
    values = {**({} if base is None else asdict(base)), **options}
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _refusal(kind, values, str(error)) from error


def _refusal(kind: type[Config], options: Mapping[str, Any], message: str) -> ModelError | SettingError:
    """What is wrong with options, from msgspec's message, such as "Expected `int` <= 8 - at `$.scale`"."""
    called = kind.__name__.removesuffix("Config")
    types = {field.name: field.type for field in fields(kind)}
    expected, _, place = message.rstrip("`").partition(" - at `$.")
    value, (its, *bounds) = options.get(place), get_args(types.get(place)) or (None,)
    if isinstance(its, str) and isinstance(value, str):
        return ModelError(f"{called} has no {place} '{shown(value)}'; choose one of {', '.join((its, *bounds))}.")
    if its in (int, float) and isinstance(value, its | int):
        number = "whole number" if its is int else "number"
        return SettingError(f"{called} has no {place} {shown(value)}; give a {number} {_range(bounds[0])}.")
    if unknown := options.keys() - types.keys():
        return SettingError(f"{called} has no option '{shown(min(unknown))}'; its options are {', '.join(types)}.")
    return SettingError(f"{called} cannot take {place}: {expected[0].lower()}{expected[1:]}.")


def _range(bounds: Meta) -> str:
    least = f"from {bounds.ge:g}" if bounds.gt is None else f"above {bounds.gt:g} and up"
    return f"{least} to {bounds.le:g}"
