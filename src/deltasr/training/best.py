"""Early stopping: the best weights so far, and how long ago they were."""

from __future__ import annotations

import math
import sys
from typing import Any

from torch import Tensor

from deltasr.errors import TrainingError, reason
from deltasr.models.base import Model
from deltasr.models.checkpoint import misfit
from deltasr.training.saved_state import count


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

    def restore(self, state: dict[str, Any], model: Model) -> None:
        """Become what `state` was taken from; with a patience of 0, forget it.

        Args:
            state: from `state`.
            model: of the run, whose weights the best ones are.

        Raises:
            TrainingError: it is damaged.
        """
        if not self._patience:
            return
        try:
            weights, score = state["weights"], state["score"]
            if not isinstance(score, float) or math.isnan(score):
                raise ValueError("the best score is no number")
            if weights is not None and (why := misfit(model.state_dict(), weights)):
                raise ValueError(f"of the best weights, {why}")
            self._since = count(state["since"], "since", most=sys.maxsize)
            self.images = count(state["images"], "images of the best weights", most=sys.maxsize)
            self._score, self.weights = score, weights
        except Exception as error:  # damage has no common base for what it raises
            raise TrainingError(f"The saved state of early stopping is damaged: {reason(error)}.") from error
