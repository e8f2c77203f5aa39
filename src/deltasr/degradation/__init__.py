"""Degradations, which make LR pictures from HR ones. Nothing here uses models or files."""

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
