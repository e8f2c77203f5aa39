"""One picture degraded by every kind, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from deltasr.degradation.kinds import KINDS, degrade

if TYPE_CHECKING:
    from PIL import Image

_COLUMNS = 4
_DRAWS = 3
_GAP = 6
_LABEL_HEIGHT = 18
_FONT_SIZE = 12


def contact_sheet(hr: Tensor, *, scale: int = 4, seed: int = 0) -> np.ndarray:
    """A labelled table of LR pictures: the HR picture, then every kind, the random ones in three draws.

    LR pictures are enlarged back by repeating their pixels, so that each can be seen.

    Args:
        hr: (1, 3, H, W) in [0, 1].
        scale: a whole factor, at least 1.
        seed: of the random kinds.

    Returns:
        (height, width, 3) uint8, white where there is no picture.

    Raises:
        SettingError: as `degrade`.
    """
    cells: list[tuple[str, Tensor]] = []
    for name, kind in KINDS.items():
        draws = _DRAWS if kind.random else 1
        for place, lr in enumerate(degrade(hr.expand(draws, -1, -1, -1), kind=name, scale=scale, seed=seed), start=1):
            large = lr.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)
            cells.append((f"{name}, draw {place}" if kind.random else name, large))
    height, width = cells[0][1].shape[-2:]
    return _table([("HR", hr[0, :, :height, :width]), *cells])


def _table(cells: list[tuple[str, Tensor]]) -> np.ndarray:
    """Labelled pictures (3, height, width) of one size, row by row."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = cells[0][1].shape[-2:]
    step_down, step_right = height + _LABEL_HEIGHT + _GAP, width + _GAP
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * step_right + _GAP, rows * step_down + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for place, (label, picture) in enumerate(cells):
        left, top = _GAP + place % _COLUMNS * step_right, _GAP + place // _COLUMNS * step_down
        pen.text((left, top), label, fill="black", font=font)
        sheet.paste(_as_image(picture), (left, top + _LABEL_HEIGHT))
    return np.asarray(sheet)


def _as_image(picture: Tensor) -> Image.Image:
    from PIL import Image

    levels = (picture.permute(1, 2, 0) * 255).round().to("cpu", torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.numpy()))
