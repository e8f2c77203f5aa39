"""When a run stops before its end: its time is up, or it was asked to by Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any


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
