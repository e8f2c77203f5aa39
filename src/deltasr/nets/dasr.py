"""DASR, "Efficient and Degradation-Adaptive Network for Real-World Image Super-Resolution" (Liang et al. 2022).

A small network looks at the whole picture and predicts how its experts are mixed: sets of weights of one residual
network, whose weighted sum then upscales the picture. Parameters have the names under which DASR's are published.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SLOPE = 0.1
_PREDICTOR_SLOPE = 0.2
_PREDICTOR_HIDDEN = 15
_INITIAL_GAIN = 0.1


class MixedConv(nn.Module):
    """A 3x3 convolution whose kernel and bias are weighted sums of those of several experts.

    Maps features (N, inputs, h, w) and the experts' shares (N, experts), any numbers, to (N, outputs, h, w).
    """

    def __init__(self, inputs: int, outputs: int, *, experts: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(experts, outputs, inputs, 3, 3) * gain / (9 * inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(experts, outputs))

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        pictures, channels, height, width = x.shape
        kernels = torch.einsum("nk,koihw->noihw", shares, self.weight).flatten(0, 1)
        biases = (shares @ self.bias).flatten()
        together = x.reshape(1, pictures * channels, height, width)
        result = F.conv2d(together, kernels.to(x.dtype), biases.to(x.dtype), padding=1, groups=pictures)
        return result.reshape(pictures, -1, height, width)


class MixedBlock(nn.Module):
    """Two mixed convolutions with ReLU between them, added to the input."""

    def __init__(self, width: int, *, experts: int) -> None:
        super().__init__()
        self.conv1 = MixedConv(width, width, experts=experts, gain=_INITIAL_GAIN)
        self.conv2 = MixedConv(width, width, experts=experts, gain=_INITIAL_GAIN)

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x, shares).relu(), shares)


class MixedGenerator(nn.Module):
    """The residual network, x4: LR pictures (N, 3, h, w) and shares (N, experts) to (N, 3, 4 h, 4 w), not clamped.

    Its result is added to the bilinear upsampling.
    """

    def __init__(self, *, blocks: int, width: int, experts: int) -> None:
        super().__init__()
        self.conv_first = MixedConv(3, width, experts=experts)
        self.body = nn.ModuleList(MixedBlock(width, experts=experts) for _ in range(blocks))
        self.upconv1 = MixedConv(width, 4 * width, experts=experts)
        self.upconv2 = MixedConv(width, 4 * width, experts=experts)
        self.conv_hr = MixedConv(width, width, experts=experts)
        self.conv_last = MixedConv(width, 3, experts=experts)

    def forward(self, lr: Tensor, shares: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv_first(lr, shares), _SLOPE)
        for block in self.body:
            x = block(x, shares)
        for conv in (self.upconv1, self.upconv2):
            x = F.leaky_relu(F.pixel_shuffle(conv(x, shares), 2), _SLOPE)
        x = self.conv_last(F.leaky_relu(self.conv_hr(x, shares), _SLOPE), shares)
        return x + F.interpolate(lr, scale_factor=4, mode="bilinear", align_corners=False)


class DegradationPredictor(nn.Module):
    """Predicts how a picture (N, 3, h, w) is degraded, and from that the shares of the experts, (N, experts)."""

    def __init__(self, *, width: int, parameters: int, experts: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, outputs in enumerate([width] * 5 + [parameters]):
            inputs = width if number else 3
            layers.append(nn.Conv2d(inputs, outputs, 5, stride=2 if number == 3 else 1, padding=2))
            layers.append(nn.LeakyReLU(_PREDICTOR_SLOPE))
        self.ConvNet = nn.Sequential(*layers)
        self.MappingNet = nn.Sequential(nn.Linear(parameters, _PREDICTOR_HIDDEN), nn.Linear(_PREDICTOR_HIDDEN, experts))

    def forward(self, lr: Tensor) -> Tensor:
        return self.MappingNet(self.ConvNet(lr).mean(dim=(2, 3)))


class DasrNet(nn.Module):
    """Both together: (N, 3, h, w) in [0, 1] to (N, 3, 4 h, 4 w), not clamped.

    Args: those that `models.configs.DasrConfig` describes.
    """

    outer_layers: ClassVar[tuple[str, ...]] = ("predictor.ConvNet.0", "predictor.ConvNet.10")
    """The first and the last layer that is a plain convolution."""

    def __init__(self, *, blocks: int, width: int, experts: int, degradation_parameters: int) -> None:
        super().__init__()
        self.generator = MixedGenerator(blocks=blocks, width=width, experts=experts)
        self.predictor = DegradationPredictor(width=width, parameters=degradation_parameters, experts=experts)

    def forward(self, lr: Tensor) -> Tensor:
        return self.generator(lr, self.predictor(lr))
