"""DASR: a residual network whose weights are mixed for each picture, in one pass."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict
from torch import Tensor

from deltasr.models.base import OnePassModel
from deltasr.models.configs import DasrConfig, configured
from deltasr.nets.dasr import DasrNet


class Dasr(OnePassModel):
    """Super-resolution x4 by DASR (arXiv:2203.14216), the baseline of ResShift's tables.

    It mixes its weights by a look at the whole picture, so that pictures are not cut into tiles unless that is asked
    for.

    Args:
        config: what to build; None for the defaults, which are those of the published weights.
        options: those of `models.configs.DasrConfig`, by name; they replace those of `config`.

    Raises:
        SettingError: an option does not exist or is out of range.
    """

    config: DasrConfig
    tiled = False

    def __init__(self, config: DasrConfig | None = None, **options: Any) -> None:
        super().__init__()
        self.config = configured(DasrConfig, options, config)
        self.net = DasrNet(**asdict(self.config))
        self.name = f"dasr-x{self.scale}"
        self.description = f"DASR x{self.scale}: {self.config.experts} experts mixed for each picture, one pass"

    def unclamped(self, lr: Tensor) -> Tensor:
        result: Tensor = self.net(lr)
        return result
