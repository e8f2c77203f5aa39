"""What ResShift's released program does with a picture (`inference_resshift.py` of its release 2.0), result for result.

It pads pictures by reflection to what the network accepts, cuts larger ones into fixed tiles, averages these plainly
where they overlap, and draws the noise of each tile anew, from torch's generator. The size of tiles therefore decides
what a picture looks like, as it does not elsewhere in this package.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deltasr import interruption
from deltasr.errors import ModelError, PictureError, SettingError
from deltasr.inference import alpha, memory
from deltasr.inference.sizes import Size
from deltasr.inference.tiled_model import Pixels, Planes, as_input, quantised
from deltasr.models.base import Model
from deltasr.models.interface import ModelInterface
from deltasr.models.resshift import ResShift
from deltasr.resampling.tensors import imresize

SEED = 12345
"""The program's seed, unless it is given another."""

TILE, STRIDE = 512, 448
"""Side of a tile and distance between two, in pixels of a picture that is enlarged four times."""

_SCALE = 4


def require_reference(model: ModelInterface, *, tile: int | None, consistency: bool | None, engine: str | None) -> None:
    """Make sure that a model can be run as the released program runs it.

    Raises:
        SettingError: the model is none of those that the program runs, or another setting changes what it does.
    """
    if not (isinstance(model, ResShift) and model.stochastic and model.autoencoder is not None):
        raise SettingError(
            f"A reference run does what ResShift's released program does, which does not run {model.name}; choose an "
            "imported ResShift checkpoint, or leave the reference out."
        )
    others = {"tile": tile is not None, "consistency": bool(consistency), "engine": engine not in (None, "torch")}
    for name, given in others.items():
        if given:
            raise SettingError(
                f"A reference run is what the released program does, so the {name} cannot be set; leave one of them "
                "out."
            )


def starts(length: int, tile: int, stride: int) -> list[int]:
    """Where tiles begin along a side; one that would reach beyond the end is moved back."""
    if length <= tile:
        return [0]
    return list(dict.fromkeys(min(start, length - tile) for start in range(0, length, stride)))


class ReferenceRun:
    """A model as the released program runs it. Memory is needed for a whole result in float32.

    Args:
        model: one that `require_reference` accepts, on the device and in evaluation mode.
        device: where the network computes, and noise is drawn.
        dtype: what the network computes in; other types than float32 by autocast. The program takes float16.
    """

    def __init__(self, model: Model, *, device: torch.device, dtype: str) -> None:
        self.model, self.device, self.dtype = model, device, dtype

    @torch.inference_mode()
    def run(self, source: Planes, result: Planes, *, seed: int, progress: Callable[[float], None]) -> None:
        """Run the model over a picture. Alpha, which the program does not know, is upscaled by bicubic interpolation.

        Args:
            source: the picture.
            result: where the result is written, `model.scale` times as large.
            seed: of torch's generator, from which the noise of all tiles is drawn, one after the other.
            progress: called after every tile with the share of the picture that is finished, in (0, 1].

        Raises:
            PictureError: the picture is too small to be padded by reflection, or the result does not fit into memory.
            ModelError: a tile does not fit into memory, or the model's values are not finite.
        """
        height, width = source.size
        self._require_paddable(source.size)
        scale = self.model.scale
        tile, stride = (side * _SCALE // scale for side in (TILE, STRIDE))
        rows, columns = starts(height, tile, stride), starts(width, tile, stride)
        noise = _ReleasedNoise(seed, self.device)
        summed = _zeros(height * scale, width * scale)
        tiles = [(row, column) for row in rows for column in columns]
        for number, (row, column) in enumerate(tiles, start=1):
            lr = as_input(source, slice(row, row + tile), slice(column, column + tile), self._placed)
            part = summed[:, row * scale : (row + tile) * scale, column * scale : (column + tile) * scale]
            part += self._tile_result(lr, noise)[0].cpu()
            interruption.check()
            progress(number / len(tiles))
        seen = _times_seen(rows, tile, height)[:, None] * _times_seen(columns, tile, width)
        summed /= seen.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
        colour = summed.mean(dim=0, keepdim=True) if source.pixels.shape[2] == 1 else summed
        result.pixels[:] = quantised(colour.clamp(0, 1), result.pixels.dtype)
        if source.alpha is not None and result.alpha is not None:
            result.alpha[:] = quantised(_enlarged(source.alpha, scale), result.alpha.dtype)[..., 0]

    def _tile_result(self, lr: Tensor, noise: _ReleasedNoise) -> Tensor:
        """(1, C, h, w) to (1, 3, scale h, scale w), both in [0, 1]."""
        height, width = lr.shape[-2:]
        padded = F.pad(lr, (0, self._missing(width), 0, self._missing(height)), mode="reflect")
        try:
            with torch.autocast(self.device.type, dtype=getattr(torch, self.dtype), enabled=self.dtype != "float32"):
                result: Tensor = self.model(padded, noise=noise).float()
        except (MemoryError, RuntimeError) as error:
            if not memory.is_out_of_memory(error):
                raise
            raise ModelError(
                f"A tile of {width}x{height} pixels, which the released program takes, does not fit into the memory of "
                f"{self.device}; leave the reference out, or choose another device."
            ) from error
        if not torch.isfinite(result.sum()):
            raise ModelError(
                f"The model {self.model.name} gave values that are not finite; choose dtype float32 or another model."
            )
        return result[..., : height * self.model.scale, : width * self.model.scale]

    def _placed(self, values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def _missing(self, side: int) -> int:
        """Pixels that a side lacks to a multiple of what the network accepts."""
        return -side % self.model.size_requirements.multiple_of

    def _require_paddable(self, size: Size) -> None:
        if any(self._missing(side) >= side for side in size):
            raise PictureError(
                f"The released program cannot pad {size[1]}x{size[0]} pixels by reflection to multiples of "
                f"{self.model.size_requirements.multiple_of}; give a larger picture, or leave the reference out."
            )


class _ReleasedNoise:
    """Standard normal values from one generator for all tiles, in the order in which the program draws them.

    It draws noise for the last step of a chain, too, where it then has no weight.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, t: int, like: Tensor) -> Tensor:
        noise = self._draw(like)
        if t == 1:
            self._draw(like)
        return noise.to(like)

    def _draw(self, like: Tensor) -> Tensor:
        device = self._generator.device
        return torch.randn(like.shape, generator=self._generator, device=device, dtype=torch.float32)


def _times_seen(starting: list[int], tile: int, length: int) -> Tensor:
    """(length,): in how many tiles along a side each pixel lies."""
    seen = torch.zeros(length)
    for start in starting:
        seen[start : start + tile] += 1
    return seen


def _enlarged(opacity: Pixels, scale: int) -> Tensor:
    """(h, w) integers to (1, scale h, scale w) in [0, 1]."""
    plane = torch.from_numpy(opacity.astype(np.float32))[None] / np.iinfo(opacity.dtype).max
    larger = imresize(plane, scale=scale) if scale > 1 else plane
    return alpha.keep_flat(larger.clamp(0, 1), plane)


def _zeros(height: int, width: int) -> Tensor:
    try:
        return torch.zeros(3, height, width)
    except (MemoryError, RuntimeError) as error:
        raise memory.result_too_large((height, width)) from error
