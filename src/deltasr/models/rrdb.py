"""Regression: one pass of an RRDB network, trained for fidelity or, with a discriminator, for realism."""

from __future__ import annotations

from typing import ClassVar, TypedDict

from torch import Tensor

from deltasr.errors import SettingError
from deltasr.models.base import Model
from deltasr.models.limits import Blocks, Channels
from deltasr.nets.rrdb import RrdbNet


class RrdbLimits(TypedDict, total=False):
    """What a checkpoint's header may say."""

    blocks: Blocks
    width: Channels


class Rrdb(Model, RrdbNet):
    """Super-resolution x4 by the RRDB generator of ESRGAN (arXiv:1809.00219).

    It is its network and does not hold one: so the entries of a checkpoint bear ESRGAN's names without a prefix, and
    programs that know ESRGAN read the file as it is.

    Results are not projected onto the input unless asked (`consistent`): adversarial weights move away from what
    bicubic downscaling asks for, and weights for real pictures were trained against other degradations.

    Args:
        blocks: residual-in-residual dense blocks, 1 or more: 2, 10 and 15 in comparisons of depth, 23 in ESRGAN.
        width: channels between them, 1 or more.

    Raises:
        SettingError: either is below 1.
    """

    architecture: ClassVar[str] = "rrdb"
    limits = RrdbLimits

    def __init__(self, *, blocks: int = 2, width: int = 64) -> None:
        if blocks < 1 or width < 1:
            raise SettingError(f"RRDB has no {blocks} blocks of {width} channels; give 1 or more of either.")
        RrdbNet.__init__(self, blocks=blocks, width=width)
        self.blocks, self.width = blocks, width
        self.name = f"rrdb-{blocks}-x{self.scale}"
        self.description = f"RRDB x{self.scale}: {blocks} residual-in-residual dense blocks, one pass"
        self.receptive_field = self.reach

    def arguments(self) -> dict[str, object]:
        return {"blocks": self.blocks, "width": self.width}

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, 4 h, 4 w) in [0, 1]."""
        return RrdbNet.forward(self, lr).clamp(0, 1)
