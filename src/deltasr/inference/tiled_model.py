"""A model as it is run over a whole picture: tile by tile, from integer pixels to integer pixels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltasr.arrays import Array, as_float32, as_picture, like, namespace, to_integers
from deltasr.devices import release
from deltasr.errors import ModelError
from deltasr.inference import alpha, consistency, memory
from deltasr.inference.blending import Blended, Cropped
from deltasr.inference.conditions import Conditions
from deltasr.inference.padding import padded_size, run_padded
from deltasr.inference.runner import run_tiles
from deltasr.inference.sizes import Size
from deltasr.inference.tiling import FADE, Axis, Span
from deltasr.models.interface import ModelInterface

if TYPE_CHECKING:
    from deltasr.devices import Device
    from deltasr.models.error_map_interface import ErrorMapInterface

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

NUMPY_BYTES = 40
"""Bytes of NumPy's arrays for each value of a result, at most: ten numbers of float32 at one time, in `project`."""

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

    Tiles are tensors on the device for models that torch runs, and NumPy's arrays for others, without torch.

    Args:
        model: on the device, in evaluation mode.
        device: where the network computes; pictures stay in main memory.
        dtype: what the network computes in; torch does so by autocast for other types than float32.
        tile: LR pixels per side of a tile, without its overlap; 0 for the whole picture, None for what fits into the
            free memory.
        consistent: whether results are projected so that they downscale to the input.
        always_consistent: whether this also holds for pictures that are restored, where the projection otherwise
            gets weaker with the restoration (`consistency.share_at`).
        ensemble: whether each tile is the mean over its eight orientations.
    """

    def __init__(
        self,
        model: ModelInterface,
        *,
        device: Device,
        dtype: str,
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

    def on_cpu(self) -> AbstractContextManager[Any]:
        """A context in which new tensors are in main memory, whatever torch's default device is."""
        if self.model.takes_arrays:
            return nullcontext()
        import torch

        return torch.device("cpu")

    def run(
        self,
        source: Planes,
        result: Planes,
        *,
        conditions: Conditions,
        progress: Callable[[float], None],
        error_map: ErrorMapInterface | None = None,
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
            with self._without_gradients():
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
        error_map: ErrorMapInterface | None,
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

        own = channels + (source.alpha is not None)

        def emit(row: slice, column: slice, values: Array) -> None:
            levels = quantised(values[:own], result.pixels.dtype)
            result.pixels[row, column] = levels[..., :channels]
            if result.alpha is not None:
                result.alpha[row, column] = levels[..., channels]
            if result.error_map is not None:
                result.error_map[row, column] = quantised(values[-1:], result.error_map.dtype)[..., 0]

        run_tiles(
            lambda row, column: self._tile_result(source, rows, row, columns, column, conditions, error_map),
            rows,
            columns,
            tile=tile,
            smallest=tile if self._sees_whole_pictures else memory.MINIMUM_TILE,
            sink=Cropped(emit) if bounded else Blended(emit, width=columns.size, planes=own + (error_map is not None)),
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
        error_map: ErrorMapInterface | None,
    ) -> Array:
        """One tile of the result, (K, rows, columns) in [0, 1]: colour, then alpha, then the error map."""
        pixels = as_input(source, row.window, column.window, self._placed)
        grey = source.pixels.shape[2] == 1
        batch = [pixels]
        opacity = None if source.alpha is None else source.alpha[row.window, column.window]
        flat = opacity is None or bool(opacity.min() == opacity.max())
        if opacity is not None and not flat:
            batch.append(_in_three_channels(opacity[..., None], self._placed))
        xp = namespace(pixels)
        sr, stored = self._window_result(
            xp.concatenate(batch), conditions.at(row.window.start, column.window.start), error_map
        )
        if not flat:
            sr[1] = alpha.keep_flat(sr[1], batch[1][0])
        vertical, horizontal = rows.resize(row), columns.resize(column)

        def fitted(values: Array) -> Array:
            values = values[..., rows.crop(row), columns.crop(column)]
            if vertical is not None:
                values = like(vertical, values) @ values
            if horizontal is not None:
                values = values @ like(horizontal, values).swapaxes(0, 1)
            return values.clip(0, 1)

        sr = fitted(sr)
        planes = [sr[0].mean(0, keepdims=True) if grey else sr[0]]
        if opacity is not None:
            level = float(opacity[0, 0]) / np.iinfo(opacity.dtype).max
            planes.append(xp.full_like(planes[0][:1], level) if flat else sr[1].mean(0, keepdims=True))
        if stored is not None:
            planes.append(fitted(stored)[0])
        return xp.concatenate(planes)

    def _window_result(
        self, lr: Array, conditions: Conditions, error_map: ErrorMapInterface | None = None
    ) -> tuple[Array, Array | None]:
        """(1 or 2, 3, h, w), colour and perhaps alpha, to (1 or 2, 3, scale * h, scale * w), float32 in [0, 1].

        With an error map, that of the colour besides, (1, 1, scale * h, scale * w) with 1 for its largest value.
        """
        levels = np.zeros(len(lr), np.float32)  # alpha is never restored
        levels[0] = conditions.restoration
        restoration = like(levels, lr)
        conditions = replace(conditions, restoration=restoration)
        with self._computing():
            ordered = as_picture(lr)
            if error_map is None:
                sr = as_float32(run_padded(self.model, ordered, conditions=conditions, ensemble=self.ensemble))
            else:
                run = error_map.run(ordered, conditions.fidelity, restoration)
                sr = run.result
        if not isfinite(float(sr.sum())):
            raise ModelError(
                f"The model {self.model.name} gave values that are not finite; choose dtype float32 or another model."
            )
        if self.consistent:
            share = None if self.always_consistent else consistency.share_at(restoration)
            sr = consistency.project(sr, lr[:, :3], share=share)
        if error_map is None:
            return sr, None
        return sr, error_map.stored(run.first(), sr[:1])

    def _placed(self, values: NDArray[np.float32]) -> Array:
        if self.model.takes_arrays:
            return values
        import torch

        return torch.from_numpy(values).to(self.device)  # type: ignore[arg-type]

    def _without_gradients(self) -> AbstractContextManager[Any]:
        if self.model.takes_arrays:
            return nullcontext()
        import torch

        return torch.inference_mode()

    def _computing(self) -> AbstractContextManager[Any]:
        """The context in which a network of torch computes in the type."""
        if self.model.takes_arrays or self.dtype == "float32":
            return nullcontext()
        import torch

        return torch.autocast(self.device.type, dtype=getattr(torch, self.dtype))

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
        """Bytes for each LR pixel of a window: of tensors, measured once, or of NumPy's arrays."""
        if self.model.takes_arrays:
            return self.model.hidden_bytes_per_pixel + 3 * self.model.scale**2 * NUMPY_BYTES
        if self._measured_bytes is None:
            from deltasr.live_bytes import bytes_per_pixel

            side, _ = padded_size(32, 32, self.model.size_requirements)
            channels = 4 if self.model.inpaints else 3
            self._measured_bytes = self.model.hidden_bytes_per_pixel + bytes_per_pixel(
                lambda side: self._window_result(self._placed(_pattern(side, channels)), Conditions()), side=side
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


def as_input(source: Planes, rows: slice, columns: slice, place: Callable[[NDArray[np.float32]], Array]) -> Array:
    """A window of a picture as a model takes it: (1, 3, h, w) in [0, 1], with the mask as a fourth channel.

    `place` makes the model's kind of array, on its device, of NumPy's.
    """
    colour = _in_three_channels(source.pixels[rows, columns], place)
    if source.mask is None:
        return colour
    mask = _in_three_channels(source.mask[rows, columns, None], place)[:, :1]
    return namespace(colour).concatenate([colour, mask], 1)


def _in_three_channels(levels: Pixels, place: Callable[[NDArray[np.float32]], Array]) -> Array:
    """(h, w, 1 or 3) integers to (1, 3, h, w) in [0, 1]."""
    values = place(levels.astype(np.float32)) / np.iinfo(levels.dtype).max
    xp = namespace(values)
    return xp.broadcast_to(xp.moveaxis(values, -1, 0)[None], (1, 3, *levels.shape[:2]))


def quantised(values: Array, dtype: np.dtype) -> Pixels:
    """(K, rows, columns) in [0, 1] to (rows, columns, K), rounded to the nearest level."""
    xp = namespace(values)
    levels = values * np.iinfo(dtype).max
    return to_integers(xp.moveaxis(xp.round(levels, out=levels), 0, -1), dtype)


def _pattern(side: int, channels: int) -> NDArray[np.float32]:
    """(1, channels, side, side) in [0, 1]: values that are not all equal."""
    return np.resize(np.arange(7, dtype=np.float32) / 6, (1, channels, side, side))
