"""The recipes of systems of one pass: RRDB and the autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from deltasr.models.configs import RrdbConfig, VQConfig
from deltasr.nets.classifier_layers import layer_names
from deltasr.training.recipes.base import Recipe, Weight, with_options

_GROUPS = 32
"""Of the autoencoder's group normalisation."""


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
