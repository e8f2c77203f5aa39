"""Regression: one pass of an RRDB network, trained for fidelity or, with a discriminator, for realism."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from deltasr.models.base import OnePassModel
from deltasr.models.configs import RrdbConfig, configured
from deltasr.nets.rrdb import RrdbNet


class Rrdb(OnePassModel, RrdbNet):
    """Super-resolution x4 by the RRDB generator of ESRGAN (arXiv:1809.00219).

    It inherits from its network, so that the entries of a checkpoint have ESRGAN's names without a prefix and other
    programs that read ESRGAN's files can read it.

    Results are not projected onto the input by default (`consistent`): those of adversarial weights do not downscale to
    it exactly, and weights for real pictures were trained against other degradations.

    Args:
        config: what to build; None for the defaults.
        options: those of `models.configs.RrdbConfig`, by name; they replace those of `config`.

    Raises:
        SettingError: an option does not exist or is out of range.
    """

    config: RrdbConfig

    def __init__(self, config: RrdbConfig | None = None, **options: Any) -> None:
        config = configured(RrdbConfig, options, config)
        RrdbNet.__init__(self, blocks=config.blocks, width=config.width)
        self.config = config
        self.name = f"rrdb-{config.blocks}-x{self.scale}"
        self.description = f"RRDB x{self.scale}: {config.blocks} residual-in-residual dense blocks, one pass"
        self.receptive_field = self.reach

    def unclamped(self, lr: Tensor) -> Tensor:
        return RrdbNet.forward(self, lr)
