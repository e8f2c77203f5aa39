"""Ctrl-C that is neither lost nor late.

Python raises KeyboardInterrupt between two of its own instructions: not before a C library returns. An exception that
is raised while the library calls Python back, as libvips does to log and to write, is printed there and goes no
further. Long work therefore asks here now and then.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

_CALLED_BACK = "pyvips"
"""The package whose functions C code calls, and in which nothing is raised therefore."""

_asked = False
_received: int | None = None


def listen() -> None:
    """Remember Ctrl-C, which raises KeyboardInterrupt as it always does; where another handler is set, do nothing.

    To be called from the main thread.
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
    """Whether Ctrl-C was pressed since `listen`, also where Python has not been able to act on it yet."""
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
