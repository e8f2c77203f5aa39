"""The models that a server offers: those of the catalogue that run here, and one that its operator named."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltasr.errors import ModelError
from deltasr.models import catalogue
from deltasr.models.error_map_interface import no_map
from deltasr.models.facts import Facts, told_by

if TYPE_CHECKING:
    from deltasr.inference.upscaler import Upscaler

_KEPT = 4
"""Upscalers that stay loaded."""


class Models:
    """Models by the names that users may give; never by paths, which only the operator may.

    Args:
        default: a name in the catalogue, or whatever `catalogue.load` takes.
        device: what they run on.

    Attributes:
        default: the name of the default one.
    """

    def __init__(self, default: str = catalogue.DEFAULT, *, device: str = "auto") -> None:
        self._device = device
        self._places = {name: name for name in catalogue.names_here()}
        if default in self._places:
            self.default = default
        else:
            self.default = Path(default).stem
            self._places = {**self._places, self.default: default}
        self._facts: dict[str, Facts] = {}
        self._loaded: OrderedDict[str, Upscaler] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The default one first."""
        return sorted(self._places, key=lambda name: name != self.default)

    def facts(self, name: str) -> Facts:
        """What is known of a model.

        Raises:
            ModelError: the server has no such model.
        """
        if name not in self._places:
            raise ModelError(f"There is no model called {name[:60]!r} here; there are {', '.join(self.names)}.")
        if name not in self._facts:
            place = self._places[name]
            self._facts[name] = catalogue.facts(place) or told_by(catalogue.load(place))
        return self._facts[name]

    def has_error_map(self, name: str) -> bool:
        """Whether a model can say how wrong each pixel of its results may be."""
        return catalogue.has_error_map(self._places.get(name, ""))

    def require_error_map(self, name: str) -> None:
        """Raises: ModelError: the model cannot say how wrong its pixels may be."""
        if not self.has_error_map(name):
            raise no_map(name, filter(self.has_error_map, self.names))

    def upscaler(self, name: str) -> Upscaler:
        """A model ready to work; those used last stay loaded.

        Raises:
            ModelError: the server has no such model, or it cannot be loaded.
        """
        from deltasr.inference.upscaler import Upscaler

        self.facts(name)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = Upscaler(catalogue.load(self._places[name]), device=self._device)
            self._loaded.move_to_end(name)
            while len(self._loaded) > _KEPT:
                self._loaded.popitem(last=False)
            return self._loaded[name]

    def listed(self) -> list[dict[str, Any]]:
        """All of them, for programs."""
        return [self._described(name) for name in self.names]

    def _described(self, name: str) -> dict[str, Any]:
        facts = self.facts(name)
        in_catalogue = self._places[name] in catalogue.names()
        return {
            "name": name,
            "description": catalogue.describe(name).description if in_catalogue else facts.description,
            "scale": facts.scale,
            "parameters": facts.parameters,
            "fidelity": facts.dial,
            "default_fidelity": facts.default_fidelity if facts.dial else None,
            "restoration": facts.restoring,
            "error_map": self.has_error_map(name),
            "default": name == self.default,
        }
