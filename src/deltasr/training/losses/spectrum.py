"""A loss on power that results have and HR pictures have not, at every frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from deltasr.evaluation.spectra import faded_tiles

_TILE = 32
_LEAST_NOISE = 1 / 255
"""Standard deviation of white noise, in a picture of [0, 1], whose power is added to both spectra."""

_HANN_POWER = 3 / 8
"""The mean square of Hann's window along a line."""


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
    floor = (_LEAST_NOISE * _HANN_POWER * side) ** 2
    of_pictures, of_hr = (
        torch.fft.rfft2(faded_tiles(one, side)).abs().square().mean(dim=(2, 3)) + floor for one in (pictures, hr)
    )
    return (of_pictures / of_hr).log().relu().mean(dim=(1, 2, 3))
