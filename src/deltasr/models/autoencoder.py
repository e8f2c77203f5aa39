"""A VQ autoencoder by itself: what a picture looks like after the papers' first stage, and where one is kept."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict
from torch import Tensor

from deltasr.models.base import Model, SizeRequirements
from deltasr.models.configs import AutoencoderConfig, VQConfig, configured
from deltasr.nets.vq_autoencoder import VQAutoencoder


class Autoencoder(Model):
    """Encodes a picture, quantises its code and decodes it, at the picture's own size: the first stage's ceiling.

    Args:
        config: what to build; None for the defaults.
        options: those of `models.configs.AutoencoderConfig`, by name; they replace those of `config`.

    Raises:
        SettingError: an option does not exist or is out of range.
        ModelError: diffusers is not installed.
    """

    config: AutoencoderConfig
    scale = 1

    def __init__(self, config: AutoencoderConfig | None = None, **options: Any) -> None:
        super().__init__()
        config = configured(AutoencoderConfig, options, config)
        vq = config.autoencoder or VQConfig()
        self.config = AutoencoderConfig(autoencoder=vq)
        self.autoencoder = VQAutoencoder(**asdict(vq))
        factor = self.autoencoder.factor
        self.size_requirements = SizeRequirements(minimum=factor, multiple_of=factor)
        self.name = f"vq-f{factor}"
        self.description = f"VQ-f{factor} autoencoder: gives a picture back as its codes have it, at its own size"

    def forward(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same; H and W multiples of the factor."""
        code = self.autoencoder.encode(2 * picture - 1)
        return ((self.autoencoder.decode(code).float() + 1) / 2).clamp(0, 1)
