"""Degraded pictures as on the web, by one number: the strength, from 0 (clean) to 1 (strongly degraded).

* 0: the picture was downscaled by one of the common resizers (`shrinking`), and nothing else.
* up to 0.5: then it was saved once as JPEG. The quality falls linearly with the strength, from 100 at 0 to 30 at 0.5:
  `quality = 100 - 140 strength`.
* above 0.5: Real-ESRGAN's blur, resize, noise and JPEG, once or twice, each milder than at 1 (`milder`).
* 1: the degradation `realesrgan` itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from deltasr.degradation.draws import bernoulli, choice, uniform, uniform_integer
from deltasr.degradation.history import History, Operation, compression
from deltasr.degradation.jpeg import Subsampling, jpeg
from deltasr.degradation.realesrgan import OrderSettings, RealESRGAN, degrade_with
from deltasr.degradation.resizing import Method
from deltasr.degradation.shrinking import Shrinking
from deltasr.degradation.strength import JPEG_ALONE, quality_of
from deltasr.errors import SettingError
from deltasr.resampling.mirroring import mirror

_HALVED_COLOUR = (0.2, 0.8)
"""Probability that the only JPEG is 4:2:0 rather than 4:4:4: near strength 0, and at `JPEG_ALONE`."""

_BLOCK = 8
_SMOOTH: tuple[Method, ...] = ("bicubic", "lanczos", "area", "bilinear")


@dataclass(frozen=True, kw_only=True)
class Web:
    """The degradation of one strength, or of one drawn uniformly.

    Raises:
        SettingError: the strength is out of range.
    """

    strength: float | None = None
    """From 0 to 1; None draws it uniformly from the generator. The other draws do not depend on which it is."""

    shrinking: Shrinking = field(default_factory=Shrinking)
    """The downscaling at strengths up to `JPEG_ALONE`."""

    def __post_init__(self) -> None:
        if self.strength is not None and not 0.0 <= self.strength <= 1.0:
            raise SettingError(f"The strength of a degradation is {self.strength}; it goes from 0 to 1.")

    def __call__(self, hr: Tensor, *, scale: int, generator: torch.Generator, history: History | None = None) -> Tensor:
        """Degrade pictures alike: (N, 3, H, W) in [0, 1] to (N, 3, H // scale, W // scale) in [0, 1].

        Args:
            hr: the pictures.
            scale: a whole factor, at least 1.
            generator: on the CPU, for the parameters and the noise.
            history: the operations are appended to it.
        """
        history = [] if history is None else history
        drawn = uniform((0.0, 1.0), generator)
        strength = drawn if self.strength is None else self.strength
        history.append(Operation("web", {"strength": strength}))
        if strength > JPEG_ALONE:
            return _degrade_further(hr, strength, scale=scale, generator=generator, history=history)
        lr = self.shrinking(hr, scale=scale, generator=generator, history=history)
        if strength == 0.0:
            return lr
        quality = quality_of(strength)
        low, high = _HALVED_COLOUR
        halved = bernoulli(low + (high - low) * strength / JPEG_ALONE, generator)
        subsampling: Subsampling = "4:2:0" if halved else "4:4:4"
        offset = (uniform_integer((0, 2 * _BLOCK - 1), generator), uniform_integer((0, 2 * _BLOCK - 1), generator))
        history.append(compression(quality, subsampling=subsampling, offset=offset))
        return jpeg(lr, quality=quality, subsampling=subsampling, offset=offset)


def milder(strength: float) -> RealESRGAN:
    """Real-ESRGAN's degradation with every range narrowed towards no effect; its own at strength 1.

    With `t = sqrt(2 strength - 1)`, probabilities of blurs, sinc filters and the second order, noise, and the excess
    of a blur's sigma over its least are multiplied by t; resize factors are raised to the power t; the first JPEG's
    losses of quality, and the width of the last one's range above its worst quality, are multiplied by t. The root
    compensates for the better qualities, so that the damage grows with the strength on average.

    Args:
        strength: from `JPEG_ALONE` to 1.
    """
    full, t = RealESRGAN(), _extent(strength)
    worst, best = full.final_jpeg_quality
    return replace(
        full,
        first=_milder_order(full.first, t),
        jpeg_quality=(100 - round((100 - full.jpeg_quality[0]) * t), 100 - round((100 - full.jpeg_quality[1]) * t)),
        second_order_probability=full.second_order_probability * t,
        second=_milder_order(full.second, t),
        final_sinc_probability=full.final_sinc_probability * t,
        final_jpeg_quality=(worst, worst + round((best - worst) * t)),
    )


def _extent(strength: float) -> float:
    """`t` of `milder`."""
    return math.sqrt((strength - JPEG_ALONE) / (1.0 - JPEG_ALONE))


def _milder_order(order: OrderSettings, t: float) -> OrderSettings:
    blur, noise, (least, most) = order.blur, order.noise, order.blur.sigma
    return replace(
        order,
        blur_probability=order.blur_probability * t,
        blur=replace(blur, sigma=(least, least + (most - least) * t), sinc_probability=blur.sinc_probability * t),
        resize=replace(order.resize, factor=(order.resize.factor[0] ** t, order.resize.factor[1] ** t)),
        noise=replace(
            noise,
            gaussian_sigma=(noise.gaussian_sigma[0] * t, noise.gaussian_sigma[1] * t),
            poisson_scale=(noise.poisson_scale[0] * t, noise.poisson_scale[1] * t),
        ),
    )


def _degrade_further(
    hr: Tensor, strength: float, *, scale: int, generator: torch.Generator, history: History
) -> Tensor:
    """A strength above `JPEG_ALONE`; the LR pictures are cut out of larger ones that were mirrored on two sides.

    With probability 1 - t the last resize is anti-aliased and the last JPEG is at the end; else both are Real-ESRGAN's.
    """
    parameters = milder(strength).draw(generator)
    smooth = choice(_SMOOTH, generator)
    if not bernoulli(_extent(strength), generator):
        parameters = replace(parameters, final_method=smooth, sinc_before_jpeg=True)
    top, left = (uniform_integer((0, _BLOCK - 1), generator) for _ in range(2))
    larger = mirror(hr, range(-scale * top, hr.shape[-2]), range(-scale * left, hr.shape[-1]))
    lr = degrade_with(parameters, larger, scale=scale, generator=generator, history=history)
    if (top, left) != (0, 0):
        size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
        history.append(Operation("cut", {"rows_above": top, "columns_before": left, "size": f"{size[1]}x{size[0]}"}))
    return lr[..., top:, left:].contiguous()
