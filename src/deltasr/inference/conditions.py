"""What a call tells a model besides the picture: which noise there is, how faithful to be, and how degraded it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from deltasr.arguments import is_number, shown
from deltasr.degradation.estimate import estimate_strength
from deltasr.diffusion.noise import NoiseField
from deltasr.errors import SettingError
from deltasr.imaging import Picture
from deltasr.models import catalogue
from deltasr.models.base import Model

Restoration = float | Literal["auto"]
"""How degraded a picture is said to be, in [0, 1], or `auto` for what is estimated from it."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What holds for a whole picture, or for a window of it; each model takes of it what it depends on.

    Attributes:
        noise: the picture's, as seen from the window's position, for stochastic models; by default that of seed 0 from
            the upper left corner.
        fidelity: in [0, 1], for models with a dial; None for their own default.
        restoration: how degraded the picture is, in [0, 1], for models that restore; or of each one of a batch, (N,).
    """

    noise: NoiseField = field(default_factory=NoiseField)
    fidelity: float | None = None
    restoration: float | Tensor = 0.0

    def at(self, top: int, left: int) -> Conditions:
        """The same for a window of the picture at that position, in LR pixels."""
        return replace(self, noise=self.noise.at(top, left))

    def arguments(self, model: Model) -> dict[str, Any]:
        """The keyword arguments of the model's `forward`."""
        noise = {"noise": self.noise} if model.stochastic else {}
        fidelity = {"fidelity": self.fidelity} if model.dial else {}
        restoration = {"restoration": self.restoration} if model.restoring else {}
        return {**noise, **fidelity, **restoration}


def require_fidelity(model: Model, fidelity: float | None) -> None:
    """Make sure that a model can be asked for a fidelity; None, its own default, is always possible.

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


def require_restoration(model: Model, restoration: Restoration) -> None:
    """Make sure that a model can be told how degraded a picture is; `auto` is always possible.

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
    """How degraded a picture is taken to be, and a few words on why.

    Args:
        picture: as it was read, with colour under what is transparent, and what its file says of its compression.
        restoration: what was asked for.
    """
    if restoration != "auto":
        return float(restoration), f"{restoration:g}, as asked for"
    table = None if picture.compression is None else picture.compression.luma_table
    estimate = estimate_strength(picture.pixels, table)
    return estimate.strength, f"{estimate.strength:g}, estimated: {estimate}"
