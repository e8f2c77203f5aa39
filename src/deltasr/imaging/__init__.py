"""Pictures in files and pictures in memory: read and written without losing colour, alpha, depth or metadata.

NumPy, pyvips and Pillow load with the first picture, not with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltasr.imaging.formats import READABLE_SUFFIXES, WRITABLE_FORMATS
from deltasr.imaging.limits import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    from deltasr.imaging.alpha import fill_transparent
    from deltasr.imaging.picture import Metadata, Picture
    from deltasr.imaging.read import read_picture, read_rgb8
    from deltasr.imaging.sources import picture_from
    from deltasr.imaging.write import encode_picture, write_picture

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "READABLE_SUFFIXES",
    "WRITABLE_FORMATS",
    "Metadata",
    "Picture",
    "encode_picture",
    "fill_transparent",
    "picture_from",
    "read_picture",
    "read_rgb8",
    "write_picture",
]

_HOMES = {
    "Metadata": "picture",
    "Picture": "picture",
    "encode_picture": "write",
    "fill_transparent": "alpha",
    "picture_from": "sources",
    "read_picture": "read",
    "read_rgb8": "read",
    "write_picture": "write",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
