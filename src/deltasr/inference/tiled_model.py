"""A model as it is run over a whole picture: tile by tile, from integer pixels to integer pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.devices import release
from deltasr.errors import ModelError
from deltasr.inference import alpha, consistency, memory
from deltasr.inference.blending import Blended, Cropped
from deltasr.inference.conditions import Conditions
from deltasr.inference.padding import padded_size, run_padded
from deltasr.inference.runner import run_tiles
from deltasr.inference.sizes import Size
from deltasr.inference.tiling import FADE, Axis, Span
from deltasr.live_bytes import bytes_per_pixel
from deltasr.models.base import Model
from deltasr.models.error_map import STEPS_PER_LEVEL, ErrorMap

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

UNBOUNDED_OVERLAP = 32
"""Overlap in LR pixels of tiles for models without a known receptive field; these tiles are also cross-faded."""


@dataclass(frozen=True)
class Planes:
    """Colour, (H, W, 1 or 3), and alpha, (H, W), of one picture; both uint8 or both uint16.

    A result that shall have an error map has room for it: (H, W) uint16, as `Picture.error_map`. A picture for a model
    that inpaints has a mask, (H, W) of the type of the others: full where the picture is to be filled in.
    """

    pixels: Pixels
    alpha: Pixels | None
    error_map: NDArray[np.uint16] | None = None
    mask: Pixels | None = None

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def empty(self, size: Size, dtype: np.dtype, *, mapped: bool = False) -> Planes:
        """Planes of another size and type, with as many channels and with alpha where there is one; not initialised.

        With `mapped`, there is room for an error map.

        Raises:
            PictureError: they do not fit into memory.
        """
        try:
            pixels = np.empty((*size, self.pixels.shape[2]), dtype)
            error_map = np.empty(size, np.uint16) if mapped else None
            return Planes(pixels, None if self.alpha is None else np.empty(size, dtype), error_map)
        except (MemoryError, ValueError) as error:
            raise memory.result_too_large(size) from error


class TiledModel:
    """Runs a model over pictures in tiles, within the memory of a device.

    Args:
        model: on the device, in evaluation mode.
        device: where the network computes; pictures stay in main memory.
        dtype: what the network computes in; other types than float32 by autocast.
        tile: LR pixels per side of a tile, without its overlap; 0 for the whole picture, None for what fits into the
            free memory.
        consistent: whether results are projected so that they downscale to the input.
        always_consistent: whether this also holds for pictures that are restored, where the projection otherwise
            gets weaker with the restoration (`consistency.share_at`).
        ensemble: whether each tile is the mean over its eight orientations.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: torch.device,
        dtype: torch.dtype,
        tile: int | None,
        consistent: bool,
        always_consistent: bool,
        ensemble: bool,
    ) -> None:
        self.model, self.device, self.dtype, self.tile, self.ensemble = model, device, dtype, tile, ensemble
        self.consistent, self.always_consistent = consistent, always_consistent
        self._measured_bytes: float | None = None

    @property
    def overlap(self) -> int:
        """LR pixels on each side of a tile that the model also sees."""
        reach = UNBOUNDED_OVERLAP if self.model.receptive_field is None else self.model.receptive_field
        return max(reach, alpha.REACH) + (consistency.REACH if self.consistent else 0)

    @torch.inference_mode()
    def run(
        self,
        source: Planes,
        result: Planes,
        *,
        conditions: Conditions,
        progress: Callable[[float], None],
        error_map: ErrorMap | None = None,
    ) -> None:
        """Run the model once over a picture; its output is resized where `result` has another size.

        Args:
            source: the picture.
            result: where the result is written, of the size that it should have.
            conditions: of the whole picture.
            progress: called after every tile with the share of the picture that is finished, in (0, 1].
            error_map: makes the error map, if `result` has room for one.

        Raises:
            ModelError: not even small tiles fit into memory, or the whole picture for a model that needs all of it;
                or the model's values are not finite.
        """
        try:
            self._run(source, result, conditions, progress, error_map)
        except (MemoryError, RuntimeError) as error:
            if memory.is_out_of_memory(error):
                raise ModelError(self._too_large(source)) from error
            raise

    def _run(
        self,
        source: Planes,
        result: Planes,
        conditions: Conditions,
        progress: Callable[[float], None],
        error_map: ErrorMap | None,
    ) -> None:
        channels = source.pixels.shape[2]
        tile = self._first_tile(source, result)
        bounded = self.model.receptive_field is not None
        rows, columns = (
            Axis(
                length=length,
                size=target,
                scale=self.model.scale,
                overlap=self.overlap,
                multiple_of=self.model.size_requirements.multiple_of,
                fade=0 if bounded else min(FADE, tile // 4),
            )
            for length, target in zip(source.size, result.size, strict=True)
        )

        def emit(row: slice, column: slice, values: Tensor) -> None:
            levels = quantised(values, result.pixels.dtype)
            result.pixels[row, column] = levels[..., :channels]
            if result.alpha is not None:
                result.alpha[row, column] = levels[..., channels]
            if result.error_map is not None:
                result.error_map[row, column] = quantised(values[-1:], result.error_map.dtype)[..., 0]

        planes = channels + (source.alpha is not None) + (error_map is not None)
        run_tiles(
            lambda row, column: self._tile_result(source, rows, row, columns, column, conditions, error_map),
            rows,
            columns,
            tile=tile,
            smallest=tile if self._sees_whole_pictures else memory.MINIMUM_TILE,
            sink=Cropped(emit) if bounded else Blended(emit, width=columns.size, planes=planes),
            before_retry=lambda: release(self.device),
            report=progress,
        )

    def _tile_result(
        self,
        source: Planes,
        rows: Axis,
        row: Span,
        columns: Axis,
        column: Span,
        conditions: Conditions,
        error_map: ErrorMap | None,
    ) -> Tensor:
        """One tile of the result, (K, rows, columns) in [0, 1]: colour, then alpha, then the error map."""
        pixels = as_input(source, row.window, column.window, self.device)
        grey = source.pixels.shape[2] == 1
        batch = [pixels]
        opacity = None if source.alpha is None else source.alpha[row.window, column.window]
        flat = opacity is None or bool(opacity.min() == opacity.max())
        if opacity is not None and not flat:
            batch.append(_in_three_channels(opacity[..., None], self.device))
        sr = self._window_result(torch.cat(batch), conditions.at(row.window.start, column.window.start), error_map)
        if not flat:
            sr[1] = alpha.keep_flat(sr[1], batch[1][0])
        sr = sr[..., rows.crop(row), columns.crop(column)]
        vertical, horizontal = rows.resize(row), columns.resize(column)
        if vertical is not None:
            sr = vertical.to(sr) @ sr
        if horizontal is not None:
            sr = sr @ horizontal.to(sr).mT
        sr = sr.clamp(0, 1)
        planes = [sr[0].mean(dim=0, keepdim=True) if grey else sr[0]]
        if opacity is not None:
            level = float(opacity[0, 0]) / np.iinfo(opacity.dtype).max
            planes.append(torch.full_like(planes[0][:1], level) if flat else sr[1].mean(dim=0, keepdim=True))
        if error_map is not None:
            planes.append(sr[-1][:1])
        return torch.cat(planes)

    def _window_result(self, lr: Tensor, conditions: Conditions, error_map: ErrorMap | None = None) -> Tensor:
        """(1 or 2, 3, h, w), colour and perhaps alpha, to (1 or 2, 3, scale * h, scale * w), float32 in [0, 1].

        With an error map, that of the colour is one more of them, with 1 for its largest value.
        """
        restoration = lr.new_zeros(len(lr))  # alpha is never restored
        restoration[0] = conditions.restoration
        conditions = replace(conditions, restoration=restoration)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            ordered = lr.contiguous(memory_format=torch.channels_last)
            if error_map is None:
                sr = run_padded(self.model, ordered, conditions=conditions, ensemble=self.ensemble).float()
            else:
                run = error_map.run(ordered, conditions.fidelity, restoration)
                sr = run.result
        if not torch.isfinite(sr.sum()):
            raise ModelError(
                f"The model {self.model.name} gave values that are not finite; choose dtype float32 or another model."
            )
        if self.consistent:
            share = None if self.always_consistent else consistency.share_at(restoration)
            sr = consistency.project(sr, lr[:, :3], share=share)
        if error_map is None:
            return sr
        stored = error_map(run.first(), sr[:1]) * STEPS_PER_LEVEL / np.iinfo(np.uint16).max
        return torch.cat([sr, stored.clamp(max=1).expand(-1, 3, -1, -1)])

    @property
    def _sees_whole_pictures(self) -> bool:
        return self.tile is None and not self.model.tiled

    def _first_tile(self, source: Planes, result: Planes) -> int:
        """LR pixels per side of the first tiles; later ones are smaller if memory runs out.

        Raises:
            ModelError: the model needs the whole picture, for which there is not enough memory.
        """
        longest = max(source.size)
        if self.tile is not None:
            return int(self.tile or longest)
        if longest <= memory.MINIMUM_TILE + 2 * self.overlap:
            return int(longest)
        unwritten = sum(plane.nbytes for plane in (result.pixels, result.alpha) if plane is not None)
        free = memory.free_bytes(self.device) - (unwritten if self.device.type == "cpu" else 0)
        pixel_bytes = self._bytes_per_pixel() * (1 if source.alpha is None else 2)
        if not self.model.tiled:
            height, width = padded_size(*source.size, self.model.size_requirements)
            if height * width * pixel_bytes > free:
                raise ModelError(self._too_large(source))
            return int(longest)
        return memory.default_tile(self.device, free=free, pixel_bytes=pixel_bytes, margin=self.overlap)

    def _bytes_per_pixel(self) -> float:
        """Bytes of tensors for each LR pixel of a window, measured once."""
        if self._measured_bytes is None:
            side, _ = padded_size(32, 32, self.model.size_requirements)
            channels = 4 if self.model.inpaints else 3
            self._measured_bytes = self.model.hidden_bytes_per_pixel + bytes_per_pixel(
                lambda side: self._window_result(_pattern(side, channels, self.device), Conditions()), side=side
            )
        return self._measured_bytes

    def _too_large(self, source: Planes) -> str:
        if self._sees_whole_pictures:
            return (
                f"The model {self.model.name} needs the whole picture at once, and one of "
                f"{source.size[1]}x{source.size[0]} pixels does not fit into the memory of {self.device}; choose a "
                "smaller picture, or set the tile to 256 pixels all the same."
            )
        return (
            f"Not even small tiles fit into the memory of {self.device} with the model {self.model.name}; "
            "close other programs, or choose dtype float16, another device or another model."
        )


def as_input(source: Planes, rows: slice, columns: slice, device: torch.device) -> Tensor:
    """A window of a picture as a model takes it: (1, 3, h, w) in [0, 1], with the mask as a fourth channel."""
    colour = _in_three_channels(source.pixels[rows, columns], device)
    if source.mask is None:
        return colour
    return torch.cat([colour, _in_three_channels(source.mask[rows, columns, None], device)[:, :1]], dim=1)


def _in_three_channels(levels: Pixels, device: torch.device) -> Tensor:
    """(h, w, 1 or 3) integers to (1, 3, h, w) in [0, 1] on the device."""
    values = torch.from_numpy(levels.astype(np.float32)).to(device) / np.iinfo(levels.dtype).max
    return values.permute(2, 0, 1)[None].expand(1, 3, -1, -1)


def quantised(values: Tensor, dtype: np.dtype) -> Pixels:
    """(K, rows, columns) in [0, 1] to (rows, columns, K), rounded to the nearest level."""
    levels = (values * np.iinfo(dtype).max).round_().permute(1, 2, 0)
    integers = torch.uint8 if dtype == np.uint8 else torch.int32
    result: Pixels = levels.to(integers).contiguous().cpu().numpy().astype(dtype, copy=False)
    return result


def _pattern(side: int, channels: int, device: torch.device) -> Tensor:
    """(1, channels, side, side) in [0, 1]: values that are not all equal."""
    return (torch.arange(channels * side * side, device=device) % 7 / 6).reshape(1, channels, side, side)
