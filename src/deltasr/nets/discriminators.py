"""Discriminators: RGB pictures (N, 3, H, W) in [0, 1], of any size, to logits that are above zero for real ones.

None of them uses statistics of a batch: a picture's logits do not depend on the other pictures, and real batches cannot
be distinguished from generated ones by their mean.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_SLOPE = 0.2
_WIDEST = 8


def _halving(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=bias)


def _padded(picture: Tensor, *, minimum: int = 1, multiple_of: int = 1) -> Tensor:
    """A picture with its last row and column repeated until both sides are long enough and multiples of a number."""
    height, width = picture.shape[-2:]
    below, beside = (max(minimum, -(-side // multiple_of) * multiple_of) - side for side in (height, width))
    return F.pad(picture, (0, beside, 0, below), mode="replicate") if below or beside else picture


class SimpleDiscriminator(nn.Module):
    """Four halving convolutions, the average over all places, and a perceptron with two hidden layers: logits (N, 1).

    2,904,385 parameters at the default width. Initial weights keep the scale of activations through seven
    layers (He et al. 2015, arXiv:1502.01852); otherwise the first logits hardly depend on the picture.

    Args:
        width: channels of the first convolution; each further one has twice as many.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [3, *(width * 2**index for index in range(4))]
        self.convolutions = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            self.convolutions.extend([_halving(inputs, outputs), nn.LeakyReLU(_SLOPE)])
        self.perceptron = nn.Sequential(
            nn.Linear(widths[-1], 4 * width),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(4 * width, width),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(width, 1),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)

    def forward(self, picture: Tensor) -> Tensor:
        features = self.convolutions(2 * _padded(picture, minimum=2**4) - 1)
        return self.perceptron(features.mean(dim=(-2, -1)))


class UNetDiscriminator(nn.Module):
    """Real-ESRGAN's U-Net with spectral normalisation (arXiv:2107.10833, section 3.3): a logit per pixel, (N, 1, H, W).

    Three halvings, three bilinear doublings whose results are added to what was halved, and three more convolutions.
    Spectral normalisation (Miyato et al. 2018, arXiv:1802.05957) of all but the first and the last convolution bounds
    its Lipschitz constant. 4,376,897 parameters at the default width, as released. Sides that are no multiples of 8 are
    continued by their last row or column, and the logits beyond them cut off.

    Args:
        width: channels at full size; each halving doubles them.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(4)]
        self.first = nn.Conv2d(3, width, kernel_size=3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(_halving(inputs, outputs, bias=False)) for inputs, outputs in pairwise(widths)
        )
        self.up = nn.ModuleList(self._inner(inputs, outputs) for inputs, outputs in pairwise(reversed(widths)))
        self.last = nn.Sequential(
            self._inner(width, width),
            nn.LeakyReLU(_SLOPE),
            self._inner(width, width),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(width, 1, kernel_size=3, padding=1),
        )

    @staticmethod
    def _inner(inputs: int, outputs: int) -> nn.Module:
        return spectral_norm(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False))

    def forward(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        x = F.leaky_relu(self.first(_padded(picture, multiple_of=8)), _SLOPE)
        skipped = []
        for convolution in self.down:
            skipped.append(x)
            x = F.leaky_relu(convolution(x), _SLOPE)
        for convolution in self.up:
            doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.leaky_relu(convolution(doubled), _SLOPE) + skipped.pop()
        return self.last(x)[..., :height, :width]


class PatchDiscriminator(nn.Module):
    """pix2pix's PatchGAN (arXiv:1611.07004): a logit per patch, (N, 1, h, w); with 3 layers patches are 70x70.

    Where pix2pix has batch normalisation, this has spectral normalisation. Statistics of a picture (instance or group
    normalisation) would extend a logit beyond its patch, and hide the shifts of colour and contrast that it should
    find; spectral normalisation uses none. 2,764,737 parameters at the defaults.

    Args:
        width: channels of the first convolution; each further one has twice as many, up to eight times.
        layers: convolutions that halve the picture; two more follow that do not.
    """

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**index, _WIDEST) for index in range(layers + 1)]
        self.layers = nn.Sequential(_halving(3, width), nn.LeakyReLU(_SLOPE))
        for inputs, outputs in pairwise(widths[:-1]):
            self.layers.extend([spectral_norm(_halving(inputs, outputs)), nn.LeakyReLU(_SLOPE)])
        self.layers.extend(
            [
                spectral_norm(nn.Conv2d(widths[-2], widths[-1], kernel_size=4, padding=1)),
                nn.LeakyReLU(_SLOPE),
                nn.Conv2d(widths[-1], 1, kernel_size=4, padding=1),
            ]
        )
        self._smallest_side = 3 * 2**layers

    def forward(self, picture: Tensor) -> Tensor:
        return self.layers(2 * _padded(picture, minimum=self._smallest_side) - 1)


DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "simple": SimpleDiscriminator,
    "unet": UNetDiscriminator,
    "patch": PatchDiscriminator,
}
"""By the names that recipes give them; each takes `width`."""
