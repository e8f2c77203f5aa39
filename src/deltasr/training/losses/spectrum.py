"""A loss on power that results have and HR pictures have not, at every frequency."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TILE = 32
_LEAST_NOISE = 1 / 255
"""Standard deviation of white noise, in a picture of [0, 1], whose power is added to both spectra."""


def excess_power(pictures: Tensor, hr: Tensor) -> Tensor:
    """How much more power pictures have than HR pictures, as a mean over frequencies of the logarithm of the ratio.

    A perceptual network may reward a pattern of a period that it does not see well: power at a few frequencies, many
    times that of HR. Where a picture has less power than HR it counts as having as much: what is missing is not made
    up for by what is too much elsewhere.

    Power is a mean over tiles of 32x32 pixels (of the side of the picture, if it is smaller) that overlap by half,
    without their means and through Hann's window. It is that of each channel by itself, so that coloured patterns
    count. The power of noise of one level of 255 is added to both sides: below it a ratio means nothing.

    Args:
        pictures: (N, C, H, W), RGB in [0, 1].
        hr: the same.

    Returns:
        (N,), at least 0.
    """
    side = min(_TILE, *hr.shape[-2:])
    line = torch.hann_window(side, dtype=hr.dtype, device=hr.device)
    window = line[:, None] * line
    floor = _LEAST_NOISE**2 * window.square().sum()
    of_pictures, of_hr = (_power(one, window) + floor for one in (pictures, hr))
    return (of_pictures / of_hr).log().relu().mean(dim=(1, 2, 3))


def _power(pictures: Tensor, window: Tensor) -> Tensor:
    """Mean power of the tiles by channel and frequency, (N, C, side, side // 2 + 1); `window` is (side, side)."""
    side = len(window)
    step = math.ceil(side / 2)
    tiles = pictures.unfold(-2, side, step).unfold(-2, side, step)
    faded = (tiles - tiles.mean(dim=(-2, -1), keepdim=True)) * window
    return torch.fft.rfft2(faded).abs().square().mean(dim=(2, 3))
