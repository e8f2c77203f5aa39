"""Loading of pyvips, with the first picture; refused where pyvips would hang."""

from __future__ import annotations

import os
from types import ModuleType

from deltasr.errors import PictureError

_process: int | None = None


def load() -> ModuleType:
    """The pyvips module.

    Raises:
        PictureError: libvips was used before this process was forked. Its threads do not exist in the child, which
            would wait for them forever.
    """
    global _process
    if _process not in (None, os.getpid()):
        raise PictureError(
            "Pictures cannot be read or written in a process that was forked after libvips was used; start worker "
            "processes with the method 'spawn' or 'forkserver'."
        )
    import pyvips

    _process = os.getpid()
    return pyvips
