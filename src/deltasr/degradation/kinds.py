"""The list of degradations, and the one function that makes LR pictures by any of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from deltasr.degradation.blur_and_noise import BlurAndNoise
from deltasr.degradation.bsrgan import BSRGAN
from deltasr.degradation.bsrgan_code import BSRGANCode
from deltasr.degradation.draws import generator_for
from deltasr.degradation.history import History, resize_to
from deltasr.degradation.presets import REALESRGAN_X4PLUS, RESSHIFT_CODE, RESSHIFT_TEST_CODE
from deltasr.degradation.realesrgan import RealESRGAN
from deltasr.degradation.resizing import Method, resize
from deltasr.degradation.web import Web
from deltasr.errors import SettingError


class Degradation(Protocol):
    """Makes LR pictures: (N, 3, H, W) in [0, 1] to (N, 3, H // scale, W // scale) in [0, 1].

    `history`, where it is given, gets what was done; the pictures are the same with it and without.
    """

    def __call__(
        self, hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None
    ) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One degradation of the list.

    Attributes:
        description: one line for people.
        degradation: does the work.
        random: whether it depends on the seed.
    """

    description: str
    degradation: Degradation
    random: bool


def _resized(
    hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None, method: Method
) -> Tensor:
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    if history is not None:
        history.append(resize_to(size, method))
    return resize(hr, size=size, method=method).clamp(0, 1)


def _bsrgan(hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None) -> Tensor:
    return BSRGAN.for_scale(scale)(hr, scale=scale, generator=generator, history=history)


def _resizing(method: Method, description: str) -> Kind:
    return Kind(description=description, degradation=partial(_resized, method=method), random=False)


KINDS: dict[str, Kind] = {
    "bicubic": _resizing("bicubic", "MATLAB's imresize, anti-aliased: the field's standard"),
    "bicubic-aliased": _resizing("bicubic-aliased", "the same without anti-aliasing"),
    "bilinear": _resizing("bilinear", "triangle kernel, anti-aliased"),
    "bilinear-aliased": _resizing("bilinear-aliased", "from the four nearest pixels, without anti-aliasing"),
    "area": _resizing("area", "means of blocks of pixels"),
    "lanczos": _resizing("lanczos", "windowed sinc of three lobes, anti-aliased"),
    "resshift-test": Kind(
        description="mild blur, bicubic, mild noise: ResShift's synthetic test set",
        degradation=BlurAndNoise(),
        random=True,
    ),
    "realesrgan": Kind(
        description="blur, resize, noise and JPEG up to twice: Real-ESRGAN with ResShift's parameters",
        degradation=RealESRGAN(),
        random=True,
    ),
    "bsrgan": Kind(
        description="blurs, shrinking, noises and JPEG in random order: BSRGAN", degradation=_bsrgan, random=True
    ),
    "resshift-code": Kind(
        description="realesrgan with the kernels and the resizes of ResShift's published training code",
        degradation=RESSHIFT_CODE,
        random=True,
    ),
    "resshift-test-code": Kind(
        description="blur, resize, noise and mild JPEG, as ResShift's published code makes its synthetic test set",
        degradation=RESSHIFT_TEST_CODE,
        random=True,
    ),
    "realesrgan-x4plus": Kind(
        description="sharpening, then blur, resize, noise and JPEG twice: Real-ESRGAN's published training code",
        degradation=REALESRGAN_X4PLUS,
        random=True,
    ),
    "bsrgan-code": Kind(
        description="two blurs, two resizes, noises and JPEG in random order: BSRGAN's published code",
        degradation=BSRGANCode(),
        random=True,
    ),
    "web": Kind(
        description="from clean over JPEG to Real-ESRGAN, by a strength from 0 to 1", degradation=Web(), random=True
    ),
}
"""Name to degradation."""


def kind_named(name: str) -> Kind:
    """The degradation of a name.

    Raises:
        SettingError: there is none.
    """
    if name not in KINDS:
        raise SettingError(f"There is no degradation called {name!r}; choose one of {', '.join(KINDS)}.")
    return KINDS[name]


def degradation_of(kind: str | Degradation, strength: float | None = None) -> Degradation:
    """The degradation of a name, or the one given; with a strength, if it takes one.

    Raises:
        SettingError: the name does not exist, or the strength is out of range or for a degradation that has none.
    """
    degradation = kind_named(kind).degradation if isinstance(kind, str) else kind
    if strength is None:
        return degradation
    if not isinstance(degradation, Web):
        raise SettingError(f"The degradation {kind} has no strength; leave it out, or choose web.")
    return replace(degradation, strength=strength)


def degrade(
    hr: Tensor, *, kind: str | Degradation, scale: int = 4, seed: int = 0, strength: float | None = None
) -> Tensor:
    """Make LR pictures from HR ones.

    The degradation of the i-th picture depends on `seed` and i, and on nothing else in the batch. The same call gives
    the same bytes on the CPU; another device differs by rounding.

    Args:
        hr: (N, 3, H, W) in [0, 1], floating point, any device. Rows at the bottom and columns at the right beyond
            a multiple of `scale` are left out.
        kind: a name in `KINDS`, or a degradation with settings of one's own, such as
            `RealESRGAN(second_order_probability=1.0)`.
        scale: a whole factor, at least 1.
        seed: any whole number; deterministic kinds ignore it.
        strength: of `web`, from 0 (clean) to 1 (as `realesrgan`); None draws one for each picture.

    Returns:
        (N, 3, H // scale, W // scale) in [0, 1], same type and device, not rounded to 8 bits.

    Raises:
        SettingError: the kind does not exist, the scale is below 1, the strength is out of range or not for this kind,
            or the pictures have another shape or type or are smaller than the scale.
    """
    return degrade_with_history(hr, kind=kind, scale=scale, seed=seed, strength=strength)[0]


@torch.no_grad()
def degrade_with_history(
    hr: Tensor, *, kind: str | Degradation, scale: int = 4, seed: int = 0, strength: float | None = None
) -> tuple[Tensor, list[History]]:
    """As `degrade`: the same LR pictures, and the history of each."""
    degradation = degradation_of(kind, strength)
    if scale < 1:
        raise SettingError(f"A picture cannot shrink by {scale}; give a whole factor of at least 1.")
    if hr.ndim != 4 or hr.shape[1] != 3 or not hr.is_floating_point() or not len(hr):
        raise SettingError(
            f"Pictures of shape {tuple(hr.shape)} and type {hr.dtype} cannot be degraded; give (N, 3, H, W) in floats."
        )
    height, width = (side // scale * scale for side in hr.shape[-2:])
    if not height or not width:
        raise SettingError(
            f"A picture of {hr.shape[-1]}x{hr.shape[-2]} pixels is too small to shrink by {scale}; give a larger one."
        )
    pictures = (hr[place : place + 1, :, :height, :width].contiguous() for place in range(len(hr)))
    histories: list[History] = [[] for _ in range(len(hr))]
    results = [
        degradation(picture, scale=scale, generator=generator_for(seed, place), history=histories[place])
        for place, picture in enumerate(pictures)
    ]
    return torch.cat(results).clamp(0, 1), histories
