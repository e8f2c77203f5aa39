"""deltasr: make small pictures large without inventing what was not there.

`load(name_or_path)` gives a model, `Upscaler(model).upscale(picture)` a larger picture; `names()` lists the names.
torch is imported with the first of them, not with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltasr.errors import (
    CheckpointError,
    DeltasrError,
    ModelError,
    OutputError,
    PictureError,
    SettingError,
    TrainingError,
    VideoError,
)

if TYPE_CHECKING:
    from deltasr.imaging import Picture
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.base import Model
    from deltasr.models.catalogue import load, names
    from deltasr.models.push import push

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "DeltasrError",
    "Model",
    "ModelError",
    "OutputError",
    "Picture",
    "PictureError",
    "SettingError",
    "TrainingError",
    "Upscaler",
    "VideoError",
    "load",
    "names",
    "push",
]

_HOMES = {
    "Model": "deltasr.models.base",
    "Picture": "deltasr.imaging",
    "Upscaler": "deltasr.inference.upscaler",
    "load": "deltasr.models.catalogue",
    "names": "deltasr.models.catalogue",
    "push": "deltasr.models.push",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
