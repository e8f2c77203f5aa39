"""The VQ first stages of the papers (latent diffusion's): in VQ-f4, 4x4 pixels become one code of three values.

diffusers' `VQModel` does the work; it is imported when one is built (`pip install -e '.[papers]'`). Published
checkpoints have the names that latent diffusion gave its parameters; `published_name` translates them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deltasr.errors import ModelError, SettingError

_CODES_AT_ONCE = 1024

_RENAMED = (
    (r"^encoder\.conv_norm_out\.", r"encoder.norm_out."),
    (r"^decoder\.conv_norm_out\.", r"decoder.norm_out."),
    (r"\.down_blocks\.(\d+)\.resnets\.", r".down.\1.block."),
    (r"\.down_blocks\.(\d+)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.(\d+)\.resnets\.", r".up.\1.block."),
    (r"\.up_blocks\.(\d+)\.upsamplers\.0\.", r".up.\1.upsample."),
    (r"\.conv_shortcut\.", r".nin_shortcut."),
    (r"\.mid_block\.resnets\.0\.", r".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", r".mid.block_2."),
    (r"\.mid_block\.attentions\.0\.group_norm\.", r".mid.attn_1.norm."),
    (r"\.mid_block\.attentions\.0\.to_out\.0\.", r".mid.attn_1.proj_out."),
    (r"\.mid_block\.attentions\.0\.to_([qkv])\.", r".mid.attn_1.\1."),
)
_LINEAR = re.compile(r"\.attentions\.0\.to_(q|k|v|out\.0)\.weight$")
"""Linear layers of diffusers' attention; published as 1x1 convolutions."""


class VQAutoencoder(nn.Module):
    """Encodes pictures without quantisation, decodes codes with it.

    Needs diffusers.

    Args: those that `models.configs.VQConfig` describes.

    Raises:
        ModelError: diffusers is not installed.
        SettingError: `blocks_by_level` has not as many numbers as there are levels.
    """

    outer_layers: ClassVar[tuple[str, ...]] = (
        "vq.encoder.conv_in",
        "vq.encoder.conv_out",
        "vq.decoder.conv_in",
        "vq.decoder.conv_out",
    )
    """The first and the last layers, of the encoder and of the decoder."""

    def __init__(
        self,
        *,
        widths: Sequence[int],
        blocks: int,
        latent_channels: int,
        codes: int,
        blocks_by_level: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        try:
            from diffusers import VQModel
        except ImportError as error:
            raise ModelError(
                "The papers' VQ-f4 autoencoder needs the diffusers package; install it with pip install -e '.[papers]'."
            ) from error
        by_level = blocks_by_level or [blocks] * len(widths)
        if len(by_level) != len(widths):
            raise SettingError(
                f"blocks_by_level has {len(by_level)} numbers for {len(widths)} levels; give one for each level."
            )
        self.levels = len(widths)
        self.factor = 2 ** (self.levels - 1)
        self.vq = VQModel(
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=tuple(widths),
            layers_per_block=max(by_level),
            latent_channels=latent_channels,
            num_vq_embeddings=codes,
        )
        for number, down, up in zip(
            by_level, self.vq.encoder.down_blocks, self.vq.decoder.up_blocks[::-1], strict=True
        ):
            del down.resnets[number:], up.resnets[number + 1 :]  # of the same shape as those before them
        # diffusers' own are all near zero, where one is nearest to almost every code, and the others are never trained.
        nn.init.normal_(self.vq.quantize.embedding.weight)

    def encode(self, picture: Tensor) -> Tensor:
        """A picture (N, 3, H, W) in [-1, 1] to its code (N, latent_channels, H / factor, W / factor), not quantised."""
        latent: Tensor = self.vq.encode(picture).latents
        return latent

    def decode(self, code: Tensor, *, quantise: bool = True) -> Tensor:
        """The picture (N, 3, factor H, factor W) of a code (N, latent_channels, H, W): about [-1, 1], not clamped.

        Args:
            code: any values, quantised or not.
            quantise: replace each position's values by the nearest entry of the codebook first. Gradients pass straight
                through to `code`, as if that had not happened (van den Oord et al. 2017, section 3.2).
        """
        chosen = self.quantise(code) if quantise else code
        if quantise and code.requires_grad:
            chosen = code + (chosen - code).detach()
        picture: Tensor = self.vq.decode(chosen, force_not_quantize=True).sample
        return picture

    def quantise(self, code: Tensor) -> Tensor:
        """The nearest entry of the codebook for each position of (N, latent_channels, H, W); no gradient passes."""
        return self.nearest_entries(code).detach()

    def nearest_entries(self, code: Tensor) -> Tensor:
        """The nearest entry of the codebook (Euclidean distance) for each position of (N, latent_channels, H, W).

        Distances are computed in float32, also under autocast, and for some positions at a time: all at once they would
        take 32 KB per position. Gradients reach the chosen entries; none reaches the code.
        """
        entries = self.vq.quantize.embedding.weight
        positions = code.detach().float().movedim(1, -1)
        with torch.no_grad(), torch.autocast(code.device.type, enabled=False):
            fixed = entries.float()
            squared = fixed.square().sum(dim=1)
            chunks = torch.split(positions.reshape(-1, entries.shape[1]), _CODES_AT_ONCE)
            nearest = torch.cat([(squared - 2 * chunk @ fixed.mT).argmin(dim=1) for chunk in chunks])
        return entries[nearest].reshape(positions.shape).movedim(-1, 1).to(code.dtype)


def published_name(name: str, levels: int) -> str:
    """The name that a published checkpoint has for an entry of `VQAutoencoder(...).vq.state_dict()`.

    Args:
        name: as diffusers has it.
        levels: the number of `widths`; the two number the decoder's levels from opposite ends.
    """
    flipped = re.sub(r"\.up_blocks\.(\d+)\.", lambda match: f".up_blocks.{levels - 1 - int(match[1])}.", name)
    for pattern, replacement in _RENAMED:
        flipped = re.sub(pattern, replacement, flipped)
    return flipped


def to_published(state: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """The state dict of diffusers' model with the published names and shapes.

    Args:
        state: `VQAutoencoder(...).vq.state_dict()`.
        levels: the number of `widths`.
    """
    return {
        published_name(name, levels): tensor[..., None, None] if _LINEAR.search(name) else tensor
        for name, tensor in state.items()
    }


def from_published(state: Mapping[str, Tensor], like: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Undo `to_published`.

    Args:
        state: all entries as published.
        like: `VQAutoencoder(...).vq.state_dict()`, or one on the meta device.
        levels: the number of `widths`.
    """
    return {name: state[published_name(name, levels)].reshape(tensor.shape) for name, tensor in like.items()}
