"""The work of the node, without ComfyUI: a batch of images in, a batch of larger ones out."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

import deltasr

_LEVELS = 65535


def model_names() -> list[str]:
    """The names that the node offers, the default first."""
    return deltasr.names()


def upscale_images(
    images: Tensor,
    *,
    model: str,
    scale: float = 4.0,
    fidelity: float = 0.5,
    restoration: float = -1.0,
    seed: int = 0,
) -> Tensor:
    """Upscale images one after the other.

    Args:
        images: (B, H, W, 3), or (B, H, W, 4) with alpha, in [0, 1].
        model: a name in deltasr's catalogue.
        scale: the factor.
        fidelity: in [0, 1]; of no effect on models without a dial.
        restoration: in [0, 1], or below 0 to estimate it; of no effect on models that do not restore.
        seed: of the noise.

    Returns:
        (B, scale H, scale W, 3 or 4) in [0, 1], float32, on the CPU, in steps of 1/65535.
    """
    upscaler = _upscaler(model)
    of_dial = fidelity if upscaler.model.dial else None
    of_restoring = restoration if upscaler.model.restoring and restoration >= 0 else "auto"
    results = []
    for image in images:
        levels = (image.detach().cpu().float().clamp(0, 1) * _LEVELS).round().numpy().astype("uint16")
        alpha = levels[..., 3] if levels.shape[-1] == 4 else None
        picture = deltasr.Picture(pixels=levels[..., :3], alpha=alpha)
        result = upscaler.upscale(picture, scale=scale, seed=seed, fidelity=of_dial, restoration=of_restoring)
        planes = torch.from_numpy(result.pixels.astype("float32"))
        if result.alpha is not None:
            planes = torch.cat((planes, torch.from_numpy(result.alpha.astype("float32"))[..., None]), dim=-1)
        results.append(planes / _LEVELS)
    return torch.stack(results)


@lru_cache(maxsize=1)
def _upscaler(model: str) -> deltasr.Upscaler:
    """The last model that was used."""
    return deltasr.Upscaler(deltasr.load(model))
