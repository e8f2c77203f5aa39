"""Stopping a run before its end: after a time, on Ctrl-C or SIGTERM, or when validations do not improve."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from torch import Tensor

from deltasr.errors import TrainingError, reason
from deltasr.models.base import Model
from deltasr.models.checkpoint import misfit
from deltasr.training.saved_state import count


class Stopping:
    """Decides when a run should stop: after a time from its creation, or on a signal while it is entered.

    After the first SIGINT or SIGTERM the run stops at the end of the current step; a second one has its usual effect.
    Only the main thread can handle signals; in another thread the run stops only after the time.

    Args:
        minutes: stop after so long; None for no limit.
    """

    def __init__(self, minutes: float | None) -> None:
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._asked = False
        self._handlers: dict[int, Any] = {}

    @property
    def wanted(self) -> bool:
        """Whether the run should stop now."""
        return self._asked or (self._deadline is not None and time.monotonic() >= self._deadline)

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._restore()

    def _restore(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())


def leave_signals_to_the_main_process(worker: int) -> None:
    """Ignore Ctrl-C in a data worker: a terminal sends it to every process, and the main one handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class BestWeights:
    """Early stopping: keeps the weights with the best validation, and ends a run that has no better one for long.

    Args:
        patience: the run ends after so many validations without a better one; with 0 no weights are kept and the run
            does not end early.

    Attributes:
        images: crops that the run had been trained on when the weights were kept.
        weights: the weights, or None if none are kept.
    """

    def __init__(self, patience: int) -> None:
        self._patience, self._score, self._since = patience, float("-inf"), 0
        self.images = 0
        self.weights: dict[str, Tensor] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the last validations, as many as `patience`, brought nothing better."""
        return 0 < self._patience <= self._since

    def consider(self, score: float, images: int, model: Model) -> None:
        """Take a validation into account; larger scores are better."""
        if not self._patience:
            return
        if score > self._score:
            weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
            self._score, self._since, self.images, self.weights = score, 0, images, weights
        else:
            self._since += 1

    def state(self) -> dict[str, Any]:
        """All values, for `restore`."""
        return {"score": self._score, "since": self._since, "images": self.images, "weights": self.weights}

    def restore(self, state: dict[str, Any], model: Model) -> None:
        """Restore from `state`; with a patience of 0 nothing is restored.

        Args:
            state: from `state`.
            model: the run's model, which the weights must fit.

        Raises:
            TrainingError: it is damaged.
        """
        if not self._patience:
            return
        try:
            weights, score = state["weights"], state["score"]
            if not isinstance(score, float) or math.isnan(score):
                raise ValueError("the best score is not a number")
            if weights is not None and (why := misfit(model.state_dict(), weights)):
                raise ValueError(f"of the best weights, {why}")
            self._since = count(state["since"], "since", most=sys.maxsize)
            self.images = count(state["images"], "images of the best weights", most=sys.maxsize)
            self._score, self.weights = score, weights
        except Exception as error:  # damaged values raise errors of many classes
            raise TrainingError(f"The saved state of early stopping is damaged: {reason(error)}.") from error
