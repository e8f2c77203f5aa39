"""What a call tells a model besides the picture: which noise there is, and how faithful to be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from deltasr.arguments import is_number, shown
from deltasr.diffusion.noise import NoiseField
from deltasr.errors import SettingError
from deltasr.models import catalogue
from deltasr.models.base import Model


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What holds for a whole picture, or for a window of it; each model takes of it what it depends on.

    Attributes:
        noise: the picture's, as seen from the window's position, for stochastic models; by default that of seed 0 from
            the upper left corner.
        fidelity: in [0, 1], for models with a dial; None for their own default.
    """

    noise: NoiseField = field(default_factory=NoiseField)
    fidelity: float | None = None

    def at(self, top: int, left: int) -> Conditions:
        """The same for a window of the picture at that position, in LR pixels."""
        return replace(self, noise=self.noise.at(top, left))

    def arguments(self, model: Model) -> dict[str, Any]:
        """The keyword arguments of the model's `forward`."""
        noise = {"noise": self.noise} if model.stochastic else {}
        fidelity = {"fidelity": self.fidelity} if model.dial else {}
        return {**noise, **fidelity}


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
