"""Validation: PSNR-Y of the prediction of every step, on pictures held out of training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deltasr.evaluation.metrics import psnr_y, to_8_bit_levels
from deltasr.models.deltadiff import DeltaDiff
from deltasr.training.cache import CachedPicture

_LARGEST_SIDE = 96


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What a validation measured, in dB of PSNR-Y averaged over pictures.

    Attributes:
        bicubic: of the starting point `y_0`.
        steps: of each step's prediction, first step first; the last is the model's result.
    """

    bicubic: float
    steps: tuple[float, ...]


def split(pictures: list[CachedPicture], held_out: int) -> tuple[list[CachedPicture], list[CachedPicture]]:
    """Training and validation pictures: `held_out` of them, evenly spaced in the order given.

    At most a quarter of the pictures is held out, or one of two or three; a single one is for training.
    """
    held_out = min(held_out, max(1, len(pictures) // 4), len(pictures) - 1)
    chosen = {int((number + 0.5) * len(pictures) / held_out) for number in range(held_out)} if held_out else set()
    training = [picture for number, picture in enumerate(pictures) if number not in chosen]
    return training, [picture for number, picture in enumerate(pictures) if number in chosen]


def _centre(picture: CachedPicture, scale: int) -> tuple[Tensor, Tensor]:
    hr, lr = picture.arrays()
    height, width = (min(side, _LARGEST_SIDE) for side in lr.shape[:2])
    top, left = (lr.shape[0] - height) // 2, (lr.shape[1] - width) // 2
    lr_crop = lr[top : top + height, left : left + width]
    hr_crop = hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    as_batch = [torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 255 for crop in (lr_crop, hr_crop)]
    return as_batch[0], as_batch[1]


@torch.inference_mode()
def validate(model: DeltaDiff, pictures: list[CachedPicture], device: torch.device) -> Validation:
    """PSNR-Y of every step, on the middle of each picture (at most 96x96 LR pixels), `scale` border pixels left out."""
    rows = []
    for picture in pictures:
        lr, hr = _centre(picture, model.scale)
        states: list[Tensor] = []
        y_0: list[Tensor] = []

        def keep(t: int, x_t: Tensor, prediction: Tensor, states: list = states, y_0: list = y_0) -> None:
            if t == model.schedule.steps:
                y_0.append(x_t)
            states.append(prediction)

        model(lr.to(device), callback=keep)
        results = [to_8_bit_levels(model.decode(code).float().cpu()) for code in (*y_0, *states)]
        rows.append([float(psnr_y(result, hr, border=model.scale)) for result in results])
    means = torch.tensor(rows, dtype=torch.float64).mean(dim=0).tolist()
    return Validation(bicubic=means[0], steps=tuple(means[1:]))
