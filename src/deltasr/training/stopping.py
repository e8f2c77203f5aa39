"""When a run stops before its end: its time is up, Ctrl-C or SIGTERM asked for it, or its weights get no better."""

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
    """Listens for signals while it is entered, and keeps the time from when it was made.

    The first SIGINT or SIGTERM asks the run to stop after the step in hand; a second one does what it always does.
    Signals can be listened to from the main thread only; in another thread the time alone counts.

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
    """For data workers: Ctrl-C reaches every process of a terminal, and only the main one decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class BestWeights:
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
