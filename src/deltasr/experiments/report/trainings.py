"""Trainings of the report's RRDB networks: the CNN for fidelity, and the GAN that starts from its weights."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from deltasr.errors import CheckpointError, ModelError, SettingError
from deltasr.evaluation.lpips_source import LPIPS_VARIABLE, find_lpips
from deltasr.experiments.experiment import Settings
from deltasr.experiments.runs import Run, shortened, trained
from deltasr.training.losses.perceptual import PerceptualLoss
from deltasr.training.recipes.picture import RrdbRecipe
from deltasr.training.recipes.presets import recipe_named

_QUICK_CNN_IMAGES, _CNN_IMAGES = 1_200, 32_000
_QUICK_GAN_IMAGES, _GAN_IMAGES = 600, 16_000
_QUICK_CROP, _CROP = 12, 24
_QUICK_BATCH, _BATCH = 8, 16
_QUICK_VALIDATION = 4
_CNN_RATE, _GAN_RATE = 2.5e-3, 5e-4
_DISCRIMINATOR_RATE = 5e-4
_L1_WEIGHT, _ADVERSARIAL_WEIGHT = 1.0, 5e-3

TRAINING_NOTE = (
    "Trained by Muon with a cosine in place of Adam at 1e-4 halved half-way, and without early stopping, since the "
    "trainings are short; each sees the same crops in the same order."
)
GAN_NOTE = (
    "A GAN starts from the weights of the CNN; its images and seconds are its own. Its adversarial loss is binary "
    "cross-entropy, its discriminator the report's, and its perceptual loss the squared distance of features divided "
    "by their width and height (the report's eq. 5). By turns: the discriminator alone, then generator and "
    "discriminator in turns, twice, a fifth of the images each, so that the generator learns from two fifths of them."
)

Network = Literal["vgg19", "alex", "squeeze"]
Activation = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features that the perceptual loss compares, and their weights: a file, a folder, or None for torchvision."""

    network: Network
    layer: str
    source: Path | None

    @property
    def weight(self) -> float:
        """The weight of the perceptual loss, which the report does not state.

        For AlexNet and SqueezeNet the term is then about as large as the L1 loss of bicubic interpolation, with
        features after their activation; VGG19's is not measured.
        """
        return _WEIGHTS[self.network]

    def note(self) -> str:
        """The network and the weights of the terms, as a sentence for the notes."""
        text = (
            f"The report does not state the weights of its terms; here they are {self.weight:g} (perceptual), "
            f"{_ADVERSARIAL_WEIGHT:g} (adversarial) and {_L1_WEIGHT:g} (L1). The perceptual loss compares features of "
            f"{self.network} at {self.layer}"
        )
        if self.network == "vgg19":
            return f"{text}."
        return f"{text} in place of VGG19, whose weights were not there; so LPIPS-{self.network} favours these models."

    def other_lpips(self) -> dict[str, nn.Module]:
        """LPIPS through another network where the loss uses that of LPIPS, if its weights are there."""
        if self.network != "alex":
            return {}
        try:
            found, _ = find_lpips(self.source, nets=["squeeze"])
        except CheckpointError:
            return {}
        return found


_CHOICES: tuple[tuple[Network, str], ...] = (("vgg19", "conv5_4"), ("alex", "conv5"), ("squeeze", "fire9"))
_WEIGHTS: dict[Network, float] = {"vgg19": 1e-4, "alex": 1e-4, "squeeze": 5e-7}


def find_features(settings: Settings) -> Features:
    """VGG19 where its weights are there, as in the report; else AlexNet, else SqueezeNet, as LPIPS's files hold them.

    Raises:
        SettingError: there are no weights of any of them.
    """
    named = os.environ.get(LPIPS_VARIABLE)
    source = settings.lpips or (Path(named) if named else None)
    for network, layer in _CHOICES:
        try:
            PerceptualLoss.from_source(source, network=network, layer=layer, activation="before")
        except (CheckpointError, ModelError):
            continue
        return Features(network=network, layer=layer, source=source)
    raise SettingError(
        f"The perceptual loss needs the weights of VGG19, AlexNet or SqueezeNet, and {source or 'torchvision'} has "
        "none; give a folder with lpips_alex_v0.1.pth or vgg19-*.pth by --lpips."
    )


def train_cnn(settings: Settings, *, blocks: int = 2, loss: Literal["l1", "l2"] = "l1") -> Run:
    """An RRDB network trained by one loss on pixels."""
    recipe = _shortened(
        "rrdb-cnn",
        settings,
        _QUICK_CNN_IMAGES if settings.quick else _CNN_IMAGES,
        learning_rate=_CNN_RATE,
        blocks=blocks,
        l1=float(loss == "l1"),
        l2=float(loss == "l2"),
    )
    return trained(f"rrdb-cnn-{blocks}-{loss}", recipe, settings)


def train_gan(
    label: str,
    settings: Settings,
    start: Run,
    features: Features,
    *,
    alternation: Literal["joint", "phases"] = "phases",
    activation: Activation = "after",
    with_l1: bool = False,
) -> Run:
    """The network of `start`, trained on as a GAN; by default the one that the report's Tables 3, 4 and 5 share.

    Args:
        label: of the training.
        settings: of the experiment.
        start: the CNN.
        features: that the perceptual loss compares.
        alternation: `phases`, by turns, or `joint`.
        activation: features `before` or `after` it.
        with_l1: L1 beside perceptual and adversarial loss (triad), or these two alone (dual).
    """
    recipe = _shortened(
        "rrdb-gan",
        settings,
        _QUICK_GAN_IMAGES if settings.quick else _GAN_IMAGES,
        learning_rate=_GAN_RATE,
        l1=_L1_WEIGHT if with_l1 else 0.0,
        adversarial=_ADVERSARIAL_WEIGHT,
        adversarial_loss="bce",
        discriminator_learning_rate=_DISCRIMINATOR_RATE,
        alternation=alternation,
        perceptual=features.weight,
        features=features.network,
        feature_layer=features.layer,
        feature_activation=activation,
        feature_distance="squared",
    )
    return trained(f"rrdb-gan-{label}", recipe, replace(settings, lpips=features.source), initial=start)


def _shortened(name: str, settings: Settings, images: int, **changes: Any) -> RrdbRecipe:
    recipe = recipe_named(name)
    assert isinstance(recipe, RrdbRecipe)
    return shortened(
        recipe,
        settings.images or images,
        optimizer="muon",
        decay="cosine",
        warmup=(settings.images or images) // 10,
        crop=_QUICK_CROP if settings.quick else _CROP,
        batch=_QUICK_BATCH if settings.quick else _BATCH,
        validation_pictures=_QUICK_VALIDATION if settings.quick else recipe.validation_pictures,
        **changes,
    )
