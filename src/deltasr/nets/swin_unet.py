"""ResShift's denoiser: a U-Net of residual blocks, with a layer of shifted-window attention at every level.

Parameters have the names and shapes of the published checkpoints. They also hold the attention masks of one
size and the relative position indices, which follow from the sizes and are computed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.nets.window_attention import ShiftMask, SwinLayer, shift_mask

_GROUPS = 32
_LONGEST_PERIOD = 10_000
_MASKS_KEPT = 12
_COMPUTED_HERE = ("attn_mask", "relative_position_index")


def timestep_embedding(t: Tensor, channels: int) -> Tensor:
    """Cosines, then sines, of (N,) timesteps at frequencies from 1 down to nearly 1/10000: (N, channels), float32."""
    half = channels // 2
    exponents = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angles = t[:, None].float() * torch.exp(-math.log(_LONGEST_PERIOD) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResidualBlock(nn.Module):
    """Two convolutions with a skip; the timestep scales and shifts the features between them.

    Maps features (N, inputs, h, w) and the timestep's embedding (N, embedding) to (N, outputs, h, w). The second
    convolution starts at zero.
    """

    def __init__(self, inputs: int, outputs: int, *, embedding: int, dropout: float) -> None:
        super().__init__()
        last = nn.Conv2d(outputs, outputs, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.in_layers = nn.Sequential(
            nn.GroupNorm(_GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * outputs))
        self.out_layers = nn.Sequential(nn.GroupNorm(_GROUPS, outputs), nn.SiLU(), nn.Dropout(dropout), last)
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.out_layers[0](self.in_layers(x)) * (1 + scale) + shift
        return self.skip_connection(x) + self.out_layers[1:](hidden)


class Downsample(nn.Module):
    """A convolution with stride 2: (N, inputs, h, w) to (N, outputs, h / 2, w / 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Nearest neighbours, then a convolution: (N, C, h, w) to (N, C, 2 h, 2 w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def feature_extractor(channels: int, stages: int) -> tuple[nn.Module, int]:
    """What brings the LR picture to the state's grid, and the channels that it has there.

    In each stage a convolution, SiLU, and a convolution with stride 2, which doubles the channels: of the first stage
    from 16. Without stages it is the picture itself.
    """
    if not stages:
        return nn.Identity(), channels
    layers: list[nn.Module] = []
    width = 16
    for _ in range(stages):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), Downsample(width, 2 * width)]
        channels = width = 2 * width
    return nn.Sequential(*layers), width


class _RememberedMasks:
    """`shift_mask` with a cache, which copies begin without."""

    def __init__(self) -> None:
        self._masks = lru_cache(maxsize=_MASKS_KEPT)(shift_mask)

    def __call__(self, height: int, width: int, window: int, device: torch.device) -> Tensor:
        return self._masks(height, width, window, device)

    def __reduce__(self) -> tuple[type[_RememberedMasks], tuple[()]]:
        return _RememberedMasks, ()


class SwinUNet(nn.Module):
    """Predicts the code of the HR picture from the state of the chain, the LR picture and the timestep.

    Args: those that `models.configs.DenoiserConfig` describes.
    """

    outer_layers: ClassVar[tuple[str, ...]] = ("input_blocks.0.0", "out.2")
    """The first and the last layers."""

    def __init__(
        self,
        *,
        in_channels: int,
        lq_channels: int,
        out_channels: int,
        model_channels: int,
        channel_mult: Sequence[int],
        num_res_blocks: Sequence[int],
        swin_embed_dim: int,
        swin_depth: int,
        num_head_channels: int,
        window_size: int,
        mlp_ratio: int,
        image_size: int,
        dropout: float,
        lq_stages: int = 0,
    ) -> None:
        super().__init__()
        self.model_channels = model_channels
        self.feature_extractor, lq_channels = feature_extractor(lq_channels, lq_stages)
        self.multiple_of = window_size * 2 ** (len(channel_mult) - 1)
        embedding = 4 * model_channels
        widths = [multiple * model_channels for multiple in channel_mult]
        deepest = len(widths) - 1

        def residual(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, embedding=embedding, dropout=dropout)

        def attention(level: int) -> SwinLayer:
            return SwinLayer(
                widths[level],
                embed_dim=swin_embed_dim,
                depth=swin_depth,
                heads=swin_embed_dim // num_head_channels,
                window=window_size,
                mlp_ratio=mlp_ratio,
                shifted=image_size // 2**level > window_size,
            )

        self.time_embed = nn.Sequential(
            nn.Linear(model_channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        width = widths[0]
        skips = [width]
        down: list[list[nn.Module]] = [[nn.Conv2d(in_channels + lq_channels, width, 3, padding=1)]]
        for level, blocks in enumerate(num_res_blocks):
            for block in range(blocks):
                down.append([residual(width, widths[level])] + ([attention(level)] if block == 0 else []))
                width = widths[level]
                skips.append(width)
            if level < deepest:
                down.append([Downsample(width, width)])
                skips.append(width)
        up: list[list[nn.Module]] = []
        for level in range(deepest, -1, -1):
            for block in range(num_res_blocks[level] + 1):
                stage: list[nn.Module] = [residual(width + skips.pop(), widths[level])]
                width = widths[level]
                stage += [attention(level)] if block == 0 else []
                stage += [Upsample(width)] if level > 0 and block == num_res_blocks[level] else []
                up.append(stage)
        bottom = widths[deepest]
        self.input_blocks = nn.ModuleList(nn.ModuleList(stage) for stage in down)
        self.middle_block = nn.ModuleList([residual(bottom, bottom), attention(deepest), residual(bottom, bottom)])
        self.output_blocks = nn.ModuleList(nn.ModuleList(stage) for stage in up)
        self.out = nn.Sequential(nn.GroupNorm(_GROUPS, width), nn.SiLU(), nn.Conv2d(width, out_channels, 3, padding=1))
        self._shift_mask: ShiftMask = _RememberedMasks()

    def forward(self, x_t: Tensor, lq: Tensor, t: Tensor) -> Tensor:
        """The prediction of `x_0`, (N, out_channels, H, W).

        Args:
            x_t: the state, (N, in_channels, H, W); H and W multiples of `multiple_of` (64 as published).
            lq: the LR picture, (N, lq_channels, 2^lq_stages H, 2^lq_stages W), values in [-1, 1].
            t: timesteps counted from 0, (N,) or (1,).
        """
        embedding = self.time_embed(timestep_embedding(t, self.model_channels))
        masks = shift_mask if torch.compiler.is_compiling() else self._shift_mask
        x = torch.cat([x_t, self.feature_extractor(lq)], dim=1)
        skips: list[Tensor] = []
        for stage in self.input_blocks:
            x = _run(stage, x, embedding, masks)
            skips.append(x)
        x = _run(self.middle_block, x, embedding, masks)
        for stage in self.output_blocks:
            x = _run(stage, torch.cat([x, skips.pop()], dim=1), embedding, masks)
        return self.out(x)


def _run(layers: nn.Module, x: Tensor, embedding: Tensor, masks: ShiftMask) -> Tensor:
    for layer in layers.children():
        if isinstance(layer, ResidualBlock):
            x = layer(x, embedding)
        elif isinstance(layer, SwinLayer):
            x = layer(x, masks)
        else:
            x = layer(x)
    return x


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict without the entries that are computed here."""
    return {name: value for name, value in state.items() if not name.endswith(_COMPUTED_HERE)}
