"""How LR pictures come about from HR ones; a leaf that knows nothing of models or files."""

from deltasr.degradation.blur_and_noise import BlurAndNoise
from deltasr.degradation.bsrgan import BSRGAN
from deltasr.degradation.estimate import Estimate, estimate_strength
from deltasr.degradation.history import History, Operation
from deltasr.degradation.kinds import KINDS, Degradation, Kind, degrade, degrade_and_tell
from deltasr.degradation.realesrgan import RealESRGAN
from deltasr.degradation.web import Web
from deltasr.resampling.tensors import downscale, imresize

__all__ = [
    "BSRGAN",
    "KINDS",
    "BlurAndNoise",
    "Degradation",
    "Estimate",
    "History",
    "Kind",
    "Operation",
    "RealESRGAN",
    "Web",
    "degrade",
    "degrade_and_tell",
    "downscale",
    "estimate_strength",
    "imresize",
]
