"""Ctrl-C that is not lost.

An exception that is raised while a C library calls Python back, as libvips does to log, is printed there and goes no
further. A command that was interrupted at such a moment would go on; long work therefore asks here now and then.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn

_asked = threading.Event()


def listen() -> None:
    """Remember Ctrl-C, which raises KeyboardInterrupt as it always does; where another handler is set, do nothing."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_signal)


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed since `listen`."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _on_signal(number: int, frame: FrameType | None) -> NoReturn:
    _asked.set()
    raise KeyboardInterrupt
