"""Convolution stacks of classification networks, whose features perceptual losses and LPIPS compare.

Layer N of a stack has torchvision's name `features.N`, so that torchvision's weights fit. Every stack ends with its
last activation: the pooling after it in AlexNet and VGG has no weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.errors import ModelError
from deltasr.nets.classifier_layers import ClassifierName

_LEAST_POWER = 1e-8
"""So that a root has a slope where a channel is 0."""


class Fire(nn.Module):
    """SqueezeNet's block (Iandola et al. 2016): squeeze to few channels, expand by 1x1 and 3x3."""

    def __init__(self, width: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, squeezed, kernel_size=1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, kernel_size=1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, kernel_size=3, padding=1)

    def expand(self, x: Tensor) -> Tensor:
        """The block without its last activation: (N, width, h, w) to (N, 2 expanded, h, w)."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(x).relu()


def alexnet() -> nn.Sequential:
    """AlexNet as torchvision has it (Krizhevsky 2014): 5 convolutions, 2,469,696 parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(),
    )


def squeezenet() -> nn.Sequential:
    """SqueezeNet 1.1 (Iandola et al. 2016): a convolution and 8 fire blocks, 722,496 parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    )


def vgg16() -> nn.Sequential:
    """VGG16 (Simonyan and Zisserman 2015, configuration D): 13 convolutions, 14,714,688 parameters."""
    return _vgg(2, 2, 3, 3, 3)


def vgg19() -> nn.Sequential:
    """VGG19 (Simonyan and Zisserman 2015, configuration E): 16 convolutions, 20,024,384 parameters."""
    return _vgg(2, 2, 4, 4, 4)


def _vgg(*levels: int) -> nn.Sequential:
    """VGG with so many convolutions at each level."""
    layers: list[nn.Module] = []
    inputs = 3
    for width, convolutions in zip((64, 128, 256, 512, 512), levels, strict=True):
        for _ in range(convolutions):
            layers += [nn.Conv2d(inputs, width, kernel_size=3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers[:-1])


STACKS: dict[ClassifierName, Callable[[], nn.Sequential]] = {"vgg19": vgg19, "alex": alexnet, "squeeze": squeezenet}
"""Each maps (N, 3, H, W), normalised as for ImageNet, to its last features."""


class L2Pool2d(nn.Module):
    """Halves height and width, rounded up, by the root of a weighted mean of squares.

    The weights are Hann's window of 3x3 places. Every place counts, while the largest of a few values hides all others
    (Ding et al. 2020, DISTS, arXiv:2004.07728, after Henaff and Simoncelli 2016, arXiv:1511.06394).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, ceil(h / 2), ceil(w / 2)); beyond the border there are zeros."""
        power = F.avg_pool2d(F.avg_pool2d(x.square(), 2, stride=1, padding=1), 2)
        return (power + _LEAST_POWER).sqrt()


def pool_by_l2(network: nn.Module) -> None:
    """Put `L2Pool2d` in the place of each `MaxPool2d` of a network, whatever its window."""
    for parent in network.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, nn.MaxPool2d):
                setattr(parent, name, L2Pool2d())


def smallest_side(stack: nn.Sequential) -> int:
    """The smallest height and width of a picture of which a stack, or the beginning of one, still has a feature."""
    side = 1
    for layer in reversed(stack):
        if isinstance(layer, nn.Conv2d):
            (kernel, _), (stride, _) = layer.kernel_size, layer.stride
            assert not isinstance(layer.padding, str), "stacks state their padding as numbers"
            side = max((side - 1) * stride + kernel - 2 * layer.padding[0], 1)
        elif isinstance(layer, nn.MaxPool2d):
            window, step = layer.kernel_size, layer.stride
            assert isinstance(window, int), "stacks have square poolings"
            assert isinstance(step, int), "stacks have square poolings"
            side = (side - 2) * step + window + 1 if layer.ceil_mode else (side - 1) * step + window
    return side


def require_comparable(sr: Tensor, hr: Tensor, *, name: str, least: int) -> None:
    """Make sure that the features of two batches of pictures can be compared.

    Args:
        sr, hr: (N, 3, H, W).
        name: of the loss or metric, for messages.
        least: the smallest height and width of which it has features.

    Raises:
        ModelError: shapes differ, or a side is smaller.
    """
    if sr.shape != hr.shape:
        raise ModelError(f"{name} compares equal shapes, not {tuple(sr.shape)} and {tuple(hr.shape)}.")
    if min(sr.shape[-2:]) < least:
        raise ModelError(
            f"{name} needs pictures of at least {least} pixels on both sides, not {sr.shape[-1]}x{sr.shape[-2]}; give "
            "larger ones."
        )
