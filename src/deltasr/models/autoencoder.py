"""A VQ autoencoder by itself: what a picture looks like after the papers' first stage, and where one is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypedDict

from msgspec import Meta
from torch import Tensor

from deltasr.models.base import Model, SizeRequirements, complete_arguments
from deltasr.models.limits import Blocks, Channels, ChannelsByLevel
from deltasr.nets.vq_autoencoder import VQAutoencoder


class VQLimits(TypedDict, total=False):
    """What a checkpoint's header may say of a VQ autoencoder."""

    widths: ChannelsByLevel
    blocks: Blocks
    latent_channels: Channels
    codes: Annotated[int, Meta(ge=1, le=1 << 20)]


class AutoencoderLimits(TypedDict, total=False):
    """What a checkpoint's header may say."""

    autoencoder: VQLimits | None


class Autoencoder(Model):
    """Encodes a picture, quantises its code and decodes it, at the picture's own size: the first stage's ceiling.

    Args:
        autoencoder: arguments of `nets.vq_autoencoder.VQAutoencoder`; by default those of the published one.

    Raises:
        ModelError: diffusers is not installed.
    """

    architecture: ClassVar[str] = "vq"
    limits = AutoencoderLimits
    scale = 1

    def __init__(self, *, autoencoder: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._arguments = complete_arguments(VQAutoencoder, autoencoder or {})
        self.autoencoder = VQAutoencoder(**self._arguments)
        factor = self.autoencoder.factor
        self.size_requirements = SizeRequirements(minimum=factor, multiple_of=factor)
        self.name = f"vq-f{factor}"
        self.description = f"VQ-f{factor} autoencoder: gives a picture back as its codes have it, at its own size"

    def arguments(self) -> dict[str, object]:
        return {"autoencoder": dict(self._arguments)}

    def forward(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same; H and W multiples of the factor."""
        code = self.autoencoder.encode(2 * picture - 1)
        return ((self.autoencoder.decode(code).float() + 1) / 2).clamp(0, 1)
