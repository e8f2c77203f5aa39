"""Ctrl-C that is neither lost nor late.

Python raises KeyboardInterrupt only between two of its own instructions, so not before a C library returns. If it is
raised in a callback from a C library, such as libvips's for logging and writing, it is printed and lost. Long work
therefore calls `check` regularly.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

_CALLED_BACK = "pyvips"
"""A package whose functions are callbacks from C code, in which nothing is raised."""

_asked = False
_received: int | None = None


def listen() -> None:
    """Record Ctrl-C, which still raises KeyboardInterrupt; if there already is another handler, do nothing.

    It has to be called from the main thread.
    """
    global _received
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    if os.name == "posix" and _received is None:
        _received, told = os.pipe()
        for end in (_received, told):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _on_signal)


def asked() -> bool:
    """Whether Ctrl-C was pressed since `listen`, even if Python has not yet called its handler."""
    global _asked
    if signal.getsignal(signal.SIGINT) is _on_signal and _received is not None:
        with suppress(BlockingIOError):
            _asked = signal.SIGINT in os.read(_received, 1024) or _asked
    return _asked


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed since `listen`."""
    if asked():
        raise KeyboardInterrupt


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    module = "" if frame is None else str(frame.f_globals.get("__name__"))
    if module.partition(".")[0] != _CALLED_BACK:
        raise KeyboardInterrupt
