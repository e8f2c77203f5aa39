"""Degradations, which make LR pictures from HR ones. Nothing here uses models or files.

torch is imported with the first of them, not with this package: `estimate` does without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltasr.degradation.blur_and_noise import BlurAndNoise
    from deltasr.degradation.bsrgan import BSRGAN
    from deltasr.degradation.bsrgan_code import BSRGANCode
    from deltasr.degradation.estimate import Estimate, estimate_strength
    from deltasr.degradation.history import History, Operation
    from deltasr.degradation.kinds import KINDS, Degradation, Kind, degrade, degrade_with_history
    from deltasr.degradation.realesrgan import RealESRGAN
    from deltasr.degradation.web import Web
    from deltasr.resampling.tensors import downscale, imresize

__all__ = [
    "BSRGAN",
    "KINDS",
    "BSRGANCode",
    "BlurAndNoise",
    "Degradation",
    "Estimate",
    "History",
    "Kind",
    "Operation",
    "RealESRGAN",
    "Web",
    "degrade",
    "degrade_with_history",
    "downscale",
    "estimate_strength",
    "imresize",
]

_HOMES = {
    "BSRGAN": "degradation.bsrgan",
    "BSRGANCode": "degradation.bsrgan_code",
    "BlurAndNoise": "degradation.blur_and_noise",
    "Estimate": "degradation.estimate",
    "History": "degradation.history",
    "Operation": "degradation.history",
    "RealESRGAN": "degradation.realesrgan",
    "Web": "degradation.web",
    "downscale": "resampling.tensors",
    "estimate_strength": "degradation.estimate",
    "imresize": "resampling.tensors",
}
"""Where a name is defined; the others are in `degradation.kinds`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"deltasr.{_HOMES.get(name, 'degradation.kinds')}"), name)
