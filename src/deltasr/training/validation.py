"""Validation: PSNR-Y of the prediction of every step, on pictures held out of training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deltasr.degradation.kinds import degrade
from deltasr.evaluation.metrics import psnr_y, to_8_bit_levels
from deltasr.inference.padding import pad
from deltasr.models.base import Model
from deltasr.nets.first_stage import BicubicCode, decode
from deltasr.nets.silent_channels import watched_channels
from deltasr.training.data.cache import CachedPicture

_LARGEST_SIDE = 96
_LARGEST_PSNR = 100.0


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What a validation measured, in dB of PSNR-Y averaged over pictures.

    Attributes:
        bicubic: of bicubic interpolation.
        steps: of each step's prediction, first step first; the last is the model's result, and the only one of models
            without steps. A model with a dial is run at fidelity 1.
        natural: of the result of a model with a dial at fidelity 0; None for other models.
        degraded: of the result of a model that restores, on degraded LR pictures whose strengths (`degradation.web`)
            are evenly spaced from 0 to 1 and are its `restoration`; None for other models.
        silent_channels: the share of channels inside residual blocks that are silent (`nets.silent_channels`), 0 to 1;
            None for networks of other blocks.
    """

    bicubic: float
    steps: tuple[float, ...]
    natural: float | None = None
    degraded: float | None = None
    silent_channels: float | None = None


def split(
    pictures: list[CachedPicture], validation: float, test: float = 0
) -> tuple[list[CachedPicture], list[CachedPicture], list[CachedPicture]]:
    """Pictures for training, validation and test, the latter two evenly spaced in the order given.

    Args:
        pictures: all of them.
        validation, test: how many, or below 1 which share of all; at most a quarter of the pictures each, or one of
            two or three; a single one is for training.
    """
    rest, held_out = _spaced(pictures, validation)
    training, tested = _spaced(rest, test if test >= 1 else test * len(pictures) / max(1, len(rest)))
    return training, held_out, tested


def _spaced(pictures: list[CachedPicture], wanted: float) -> tuple[list[CachedPicture], list[CachedPicture]]:
    """Pictures without some, and those."""
    wanted = round(wanted if wanted >= 1 else wanted * len(pictures))
    count = min(wanted, max(1, len(pictures) // 4), len(pictures) - 1)
    chosen = {int((number + 0.5) * len(pictures) / count) for number in range(count)} if count else set()
    rest = [picture for number, picture in enumerate(pictures) if number not in chosen]
    return rest, [picture for number, picture in enumerate(pictures) if number in chosen]


def _centre(
    picture: CachedPicture, scale: int, degradation: str, seed: int, strength: float | None = None
) -> tuple[Tensor, Tensor]:
    hr, lr = picture.arrays()
    height, width = (min(side, _LARGEST_SIDE) for side in lr.shape[:2])
    top, left = (lr.shape[0] - height) // 2, (lr.shape[1] - width) // 2
    lr_crop = lr[top : top + height, left : left + width]
    hr_crop = hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    as_batch = [torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 255 for crop in (lr_crop, hr_crop)]
    if degradation == "bicubic":  # which the cache holds, as it was made from the whole picture
        return as_batch[0], as_batch[1]
    made = degrade(as_batch[1], kind=degradation, scale=scale, seed=seed, strength=strength)
    return (made * 255).round() / 255, as_batch[1]


def _results(model: Model, lr: Tensor, hr: Tensor) -> list[Tensor]:
    """The pictures that a model predicts, one per step; of a model with a dial, the most natural one last."""
    seen = pad(hr if model.scale == 1 else lr, model.size_requirements)
    if not model.dial:
        return model.predictions(seen)
    return [*model.predictions(seen, fidelity=1.0), model(seen, fidelity=0.0)]


@torch.inference_mode()
def validate(
    model: Model, pictures: list[CachedPicture], device: torch.device, *, scale: int, degradation: str = "bicubic"
) -> Validation:
    """PSNR-Y of every step, on the middle of each picture (at most 96x96 LR pixels), `scale` border pixels left out.

    The LR side is made by `degradation`, a name in `degradation.kinds.KINDS`; its random values depend only on the
    picture's position in `pictures`. For models that restore, it is `bicubic`, and a second mean is over pictures
    degraded by `degradation`. A picture counts at most 100 dB, since a flat one, which is exact, would make the mean
    infinite. An autoencoder's PSNR is between the picture and its reconstruction. Noise is that of seed 0.
    """
    bicubic = BicubicCode(scale=scale)
    rows = []
    with watched_channels(model) as channels:
        for place, picture in enumerate(pictures):
            lr, hr = _centre(picture, scale, "bicubic" if model.restoring else degradation, place)
            padded = _results(model, lr.to(device), hr.to(device))
            if model.restoring:
                strength = (place + 0.5) / len(pictures)
                worse, _ = _centre(picture, scale, degradation, place, strength)
                padded.append(model(pad(worse.to(device), model.size_requirements), restoration=strength))
            results = [result[..., : hr.shape[-2], : hr.shape[-1]] for result in padded]
            levels = [to_8_bit_levels(result.float().cpu()) for result in (decode(bicubic(lr), scale), *results)]
            rows.append([min(_LARGEST_PSNR, float(psnr_y(level, hr, border=scale))) for level in levels])
    means = torch.tensor(rows, dtype=torch.float64).mean(dim=0).tolist()
    degraded = means.pop() if model.restoring else None
    natural = means.pop() if model.dial else None
    return Validation(
        bicubic=means[0],
        steps=tuple(means[1:]),
        natural=natural,
        degraded=degraded,
        silent_channels=channels.share_of_silent(),
    )
