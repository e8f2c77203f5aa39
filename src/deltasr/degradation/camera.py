"""Camera sensor noise after the camera's own processing (BSRGAN, arXiv:2103.14006, section 3.3).

The picture is taken back to raw sensor values, noise is added there, and it is developed again: linear light, white
balance, the Bayer mosaic, demosaicing. The noise model and the white balance gains are those of Brooks et al.,
"Unprocessing Images for Learned Raw Denoising" (arXiv:1811.11127), sections 3.1 and 3.4. Tone curves and colour
matrices, which differ from camera to camera and need measured data, are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deltasr.degradation.blur import blur
from deltasr.degradation.draws import normal, uniform
from deltasr.degradation.history import Operation

_SHOT = (1e-4, 0.012)
_RED_GAIN, _BLUE_GAIN = (1.9, 2.4), (1.5, 1.9)
_GREEN_NEIGHBOURS = ((0.0, 0.25, 0.0), (0.25, 1.0, 0.25), (0.0, 0.25, 0.0))
_RED_BLUE_NEIGHBOURS = ((0.25, 0.5, 0.25), (0.5, 1.0, 0.5), (0.25, 0.5, 0.25))


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One camera and its exposure.

    Attributes:
        shot: variance of the shot noise for each unit of light, in (0, 1].
        read: variance of the read noise.
        gains: white balance, of red and of blue, at least 1.
    """

    shot: float
    read: float
    gains: tuple[float, float]

    def operation(self) -> Operation:
        """The addition of this sensor's noise."""
        red, blue = self.gains
        values = {"shot": self.shot, "read": self.read, "red_gain": red, "blue_gain": blue}
        return Operation("noise", {"kind": "camera", **values})


def draw_sensor(generator: torch.Generator) -> Sensor:
    """A sensor: shot noise log-uniform in [1e-4, 0.012], read noise with it (Brooks et al., equation 4)."""
    shot = uniform((math.log(_SHOT[0]), math.log(_SHOT[1])), generator)
    read = 2.18 * shot + 1.20 + 0.26 * normal(generator)
    gains = (uniform(_RED_GAIN, generator), uniform(_BLUE_GAIN, generator))
    return Sensor(shot=math.exp(shot), read=math.exp(read), gains=gains)


def camera_noise(images: Tensor, *, sensor: Sensor, generator: torch.Generator) -> Tensor:
    """Add the noise of a sensor.

    Args:
        images: (N, 3, H, W) in [0, 1], sRGB.
        sensor: whose noise.
        generator: on the CPU, for the noise.

    Returns:
        (N, 3, H, W) in [0, 1], sRGB; finest colour detail is lost to the mosaic.
    """
    gains = torch.tensor([sensor.gains[0], 1.0, sensor.gains[1]]).to(images)[:, None, None]
    mosaic = _bayer(images.shape[-2], images.shape[-1]).to(images)
    raw = _linear(images.clamp(0, 1)) / gains * mosaic
    noise = torch.randn(raw.shape, generator=generator, device="cpu").to(images)
    raw = (raw + noise * (raw * sensor.shot + sensor.read).sqrt() * mosaic).clamp(0, 1)
    green = blur(raw[:, 1:2], torch.tensor(_GREEN_NEIGHBOURS, device="cpu"))
    red_blue = blur(raw[:, 0::2], torch.tensor(_RED_BLUE_NEIGHBOURS, device="cpu"))
    developed = torch.cat([red_blue[:, :1], green, red_blue[:, 1:]], dim=1) * gains
    return _gamma(developed.clamp(0, 1))


def _bayer(height: int, width: int) -> Tensor:
    """(3, height, width): 1 where a colour is measured, in the RGGB mosaic; else 0."""
    odd_row = torch.arange(height, device="cpu")[:, None] % 2 == 1
    odd_column = torch.arange(width, device="cpu")[None, :] % 2 == 1
    return torch.stack([~odd_row & ~odd_column, odd_row ^ odd_column, odd_row & odd_column])


def _linear(srgb: Tensor) -> Tensor:
    """sRGB to linear light (IEC 61966-2-1)."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _gamma(linear: Tensor) -> Tensor:
    """Linear light to sRGB (IEC 61966-2-1)."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
