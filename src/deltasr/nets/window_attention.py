"""Shifted-window attention on feature maps (Swin, arXiv:2103.14030), as ResShift's denoiser has it.

Unlike the original, its normalisation is over groups of channels of the whole map, its MLP is made of convolutions, and
its shifted windows are masked in another way (`shift_mask`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUPS = 32
_FORBIDDEN = -100.0

ShiftMask = Callable[[int, int, int, torch.device], Tensor]
"""`shift_mask`, or the same with a cache."""


def to_windows(x: Tensor, window: int) -> Tensor:
    """(N, C, h, w) to the pixels of its windows, (N, windows, window^2, C), row by row."""
    batch, channels, height, width = x.shape
    cells = x.reshape(batch, channels, height // window, window, width // window, window)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, window * window, channels)


def from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo `to_windows`: (N, windows, window^2, C) to (N, C, height, width)."""
    batch, channels = windows.shape[0], windows.shape[-1]
    cells = windows.reshape(batch, height // window, width // window, window, window, channels)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)


def shift_mask(height: int, width: int, window: int, device: torch.device) -> Tensor:
    """What is added to attention in windows shifted by half their side: (windows, window^2, window^2), 0 or -100.

    The shift is cyclic. Swin's own mask separates pixels that it brings together from opposite borders, in the last
    row and the last column of windows. The published denoisers were trained with another one, which their weights need:
    in the last row of windows, and nowhere else, it separates the left and the right half of a window.
    """
    half = torch.arange(window * window, device=device) % window >= window // 2
    mask = torch.zeros(height // window, width // window, window**2, window**2, device=device)
    mask[-1] = (half[:, None] != half) * _FORBIDDEN
    return mask.flatten(0, 1)


def relative_position_index(window: int) -> Tensor:
    """(window^2 window^2,): for each pair of pixels of a window, the row of the bias table for their displacement."""
    axis = torch.arange(window)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    down = rows[:, None] - rows + window - 1
    right = columns[:, None] - columns + window - 1
    return (down * (2 * window - 1) + right).flatten()


class WindowAttention(nn.Module):
    """Attention among the pixels of each window, with a learned bias for every displacement.

    Maps windows (N, windows, window^2, channels) and a mask (windows, window^2, window^2) or None to the shape of the
    first.
    """

    index: Tensor

    def __init__(self, channels: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("index", relative_position_index(window), persistent=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        batch, count, pixels, channels = windows.shape
        qkv = self.qkv(windows.flatten(0, 1)).reshape(batch * count, pixels, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.index].reshape(pixels, pixels, self.heads).permute(2, 0, 1)
        if mask is not None:
            bias = (bias + mask[:, None]).expand(batch, -1, -1, -1, -1).flatten(0, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype).expand(batch * count, -1, -1, -1))
        return self.proj(mixed.transpose(1, 2).reshape(windows.shape))


class Mlp(nn.Module):
    """Two 1x1 convolutions with GELU between them: (N, channels, h, w) to the same shape."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Window attention, then an MLP, each normalised and with a skip: (N, channels, h, w) to the same shape."""

    def __init__(self, channels: int, *, heads: int, window: int, mlp_ratio: int, shifted: bool) -> None:
        super().__init__()
        self.window, self.shift = window, window // 2 if shifted else 0
        self.norm1 = nn.GroupNorm(_GROUPS, channels)
        self.attn = WindowAttention(channels, heads=heads, window=window)
        self.norm2 = nn.GroupNorm(_GROUPS, channels)
        self.mlp = Mlp(channels, mlp_ratio * channels)

    def forward(self, x: Tensor, masks: ShiftMask) -> Tensor:
        x = x + self._attend(self.norm1(x), masks)
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor, masks: ShiftMask) -> Tensor:
        height, width = x.shape[-2:]
        mask = masks(height, width, self.window, x.device) if self.shift else None
        shifted = x.roll((-self.shift, -self.shift), dims=(-2, -1)) if self.shift else x
        windows = self.attn(to_windows(shifted, self.window), mask)
        mixed = from_windows(windows, self.window, height, width)
        return mixed.roll((self.shift, self.shift), dims=(-2, -1)) if self.shift else mixed


class SwinLayer(nn.Module):
    """1x1 convolution to `embed_dim` channels, attention blocks, 1x1 convolution back; no skip around them.

    Maps features (N, channels, h, w), h and w multiples of `window`, to the same shape. Every second block shifts its
    windows, if `shifted`.
    """

    def __init__(
        self, channels: int, *, embed_dim: int, depth: int, heads: int, window: int, mlp_ratio: int, shifted: bool
    ) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(channels, embed_dim, 1)})
        self.patch_unembed = nn.ModuleDict({"proj": nn.Conv2d(embed_dim, channels, 1)})
        self.blocks = nn.ModuleList(
            SwinBlock(embed_dim, heads=heads, window=window, mlp_ratio=mlp_ratio, shifted=shifted and number % 2 == 1)
            for number in range(depth)
        )

    def forward(self, x: Tensor, masks: ShiftMask) -> Tensor:
        x = self.patch_embed["proj"](x)
        for block in self.blocks:
            x = block(x, masks)
        return self.patch_unembed["proj"](x)
