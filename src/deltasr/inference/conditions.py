"""The inputs of a model besides the picture: the noise, the fidelity, and how degraded the picture is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from deltasr.arguments import is_number, shown
from deltasr.arrays import Array
from deltasr.degradation.estimate import estimate_strength
from deltasr.diffusion.noise import NoiseField
from deltasr.errors import SettingError
from deltasr.imaging import Picture
from deltasr.imaging.picture import OWN_TEXT
from deltasr.models import catalogue
from deltasr.models.facts import Facts
from deltasr.models.interface import ModelInterface

Restoration = float | Literal["auto"]
"""How degraded a picture is, in [0, 1], or `auto` to estimate it from the picture."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Inputs for a whole picture, or for a window of it; each model gets those that it has an input for.

    Attributes:
        noise: the picture's noise field, moved to the window's position, for stochastic models; by default that of
            seed 0 at the upper left corner.
        fidelity: in [0, 1], for models with a dial; None for their own default.
        restoration: how degraded the picture is, in [0, 1], for models that restore; or one value for each picture of
            a batch, (N,).
    """

    noise: NoiseField = field(default_factory=NoiseField)
    fidelity: float | None = None
    restoration: float | Array = 0.0

    def at(self, top: int, left: int) -> Conditions:
        """The inputs for a window of the picture whose upper left corner is there, in LR pixels."""
        return replace(self, noise=self.noise.at(top, left))

    def arguments(self, model: ModelInterface) -> dict[str, Any]:
        """The keyword arguments of the model's `forward`."""
        noise = {"noise": self.noise} if model.stochastic else {}
        fidelity = {"fidelity": self.fidelity} if model.dial else {}
        restoration = {"restoration": self.restoration} if model.restoring else {}
        return {**noise, **fidelity, **restoration}


def require_fidelity(model: ModelInterface | Facts, fidelity: float | None) -> None:
    """Make sure that a model can be run with a fidelity; None, its own default, is always possible.

    Raises:
        SettingError: it is not in [0, 1], or the model has no dial.
    """
    if fidelity is None:
        return
    if not model.dial:
        others = " or ".join(catalogue.dials())
        advice = f"choose {others}, or leave the fidelity out" if others else "leave the fidelity out"
        raise SettingError(f"The model {model.name} has no fidelity dial; {advice}.")
    if not (is_number(fidelity) and 0 <= fidelity <= 1):
        raise SettingError(f"A fidelity of {shown(fidelity)} is not possible; give a number from 0 to 1.")


def require_restoration(model: ModelInterface | Facts, restoration: Restoration) -> None:
    """Make sure that a model can be run with a restoration; `auto` is always possible.

    Raises:
        SettingError: it is neither `auto` nor in [0, 1], or the model does not restore.
    """
    if restoration == "auto":
        return
    if not (is_number(restoration) and 0 <= restoration <= 1):
        raise SettingError(
            f"A restoration of {shown(restoration)} is not possible; give a number from 0 to 1, or 'auto'."
        )
    if not model.restoring:
        raise SettingError(f"The model {model.name} has no restoration dial; leave the restoration out.")


def decided_restoration(picture: Picture, restoration: Restoration) -> tuple[float, str]:
    """The restoration to run a model with, in [0, 1], and a few words on where it comes from.

    Args:
        picture: as it was read, with `Picture.compression`; transparent pixels have been given colour
            (`imaging.fill_transparent`).
        restoration: a number, which is returned, or `auto` for an estimate.
    """
    if restoration != "auto":
        return float(restoration), f"{restoration:g}, as asked for"
    table = None if picture.compression is None else picture.compression.luma_table
    estimate = estimate_strength(picture.pixels, table)
    return estimate.strength, f"{estimate.strength:g}, estimated: {estimate}"


def with_restoration_noted(picture: Picture, restoration: float, why: str) -> Picture:
    """The picture with a note and a text entry on its restoration; the picture itself where that is 0.

    Args:
        picture: any.
        restoration, why: from `decided_restoration`.
    """
    if not restoration:
        return picture
    metadata = replace(picture.metadata, text={**picture.metadata.text, f"{OWN_TEXT}restoration": why})
    return replace(picture, metadata=metadata, notes=(*picture.notes, f"Restoration {why}."))
