"""Early stopping: the best weights so far, and how long ago they were."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from deltasr.models.base import Model


class Best:
    """Keeps the best validated weights of a run, where its recipe has patience.

    Args:
        patience: validations without a better one after which the run is over; 0 keeps nothing and never ends.

    Attributes:
        images: where the run stood when they were found.
        weights: the weights, or None where nothing is kept.
    """

    def __init__(self, patience: int) -> None:
        self._patience, self._score, self._since = patience, float("-inf"), 0
        self.images = 0
        self.weights: dict[str, Tensor] | None = None

    @property
    def is_over(self) -> bool:
        """Whether patience is at its end."""
        return 0 < self._patience <= self._since

    def consider(self, score: float, images: int, model: Model) -> None:
        """Look at a validation: `score` is better when it is larger."""
        if not self._patience:
            return
        if score > self._score:
            weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
            self._score, self._since, self.images, self.weights = score, 0, images, weights
        else:
            self._since += 1

    def state(self) -> dict[str, Any]:
        """All of it, for `restore`."""
        return {"score": self._score, "since": self._since, "images": self.images, "weights": self.weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from."""
        self._score, self._since = float(state["score"]), int(state["since"])
        self.images, self.weights = int(state["images"]), state["weights"]
