"""`Upscaler`: from any picture to a larger one, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeGuard, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deltasr.arguments import is_whole, shown
from deltasr.devices import DTYPES, find_device, release, usable
from deltasr.diffusion.noise import NoiseField
from deltasr.engines import choice
from deltasr.errors import ModelError, PictureError, SettingError
from deltasr.imaging import Picture, fill_transparent, picture_from
from deltasr.imaging.picture import OWN_TEXT
from deltasr.inference import alpha, consistency, memory
from deltasr.inference.blending import Blended, Cropped
from deltasr.inference.conditions import (
    Conditions,
    Restoration,
    decided_restoration,
    require_fidelity,
    require_restoration,
)
from deltasr.inference.padding import padded_size, run_padded
from deltasr.inference.runner import run_tiles
from deltasr.inference.sizes import Size, require_possible, sizes_of_passes
from deltasr.inference.tiling import FADE, Axis, Span
from deltasr.live_bytes import bytes_per_pixel
from deltasr.models.base import Model

if TYPE_CHECKING:
    from PIL.Image import Image

    Source: TypeAlias = (
        str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image | NDArray[np.generic] | Tensor | Picture
    )
    """What holds one picture, as `imaging.picture_from` takes it."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Progress = Callable[[float], None]
"""Called after every tile with the share of the work that is done, in (0, 1]."""

UNBOUNDED_OVERLAP = 32
"""Overlap, in LR pixels, for models that do not say how far they see; their tiles are cross-faded as well."""

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Planes:
    """Colour (H, W, 1 or 3) and alpha (H, W) of one picture, of one type."""

    pixels: Pixels
    alpha: Pixels | None

    @property
    def size(self) -> Size:
        return self.pixels.shape[0], self.pixels.shape[1]


class Upscaler:
    """Upscales pictures with one model.

    It can be shared by threads, copied, and sent to other processes (pickled), the model with it.

    Attributes:
        model: what it upscales with, on the device, in evaluation mode.
        device: where the network computes; pictures stay in the machine's memory.
        dtype: what the network computes in.
        note: a sentence where the device cannot compute in the type that was asked for, or no engine that was looked
            for is used, else None.
        tile: LR pixels a side of a tile; 0 for whole pictures, None for what the free memory allows.
        consistent: whether results are projected so that, downscaled, they are the input.
        ensemble: whether each tile is the mean over its eight orientations.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str | torch.device = "auto",
        dtype: str = "float32",
        tile: int | None = None,
        consistency: bool | None = None,
        ensemble: bool = False,
        engine: str = "torch",
    ) -> None:
        """Take a model.

        Args:
            model: from `deltasr.load`; moved to the device, and put into evaluation mode.
            device: `auto` (CUDA, else MPS, else the CPU), or any name that torch knows.
            dtype: what the network computes in: `float32`, or `bfloat16` or `float16` by autocast, for models that
                support it; float32 where the device does not run it.
            tile: LR pixels a side that a tile has to itself; 0 for the whole picture at once; None for what the
                free memory allows, and the whole picture with models that have to see it. Running out of memory
                halves it, but for these.
            consistency: whether results are projected so that, downscaled, they are the input; None for what the
                model asks, less so the more a picture is restored.
            ensemble: whether each tile is the mean of what the model makes of its eight orientations, which takes
                eight times as long and is a little truer (`inference.ensemble`); for models without noise.
            engine: what runs the network: `torch`; `onnxruntime` or `openvino`, on the CPU, within one 8-bit level of
                torch's float32; or `auto`, the fastest that is installed and has been tried on this machine
                (`engines.choice`), torch on other devices than the CPU.

        Raises:
            SettingError: `model` is none, the device is not there, or another setting has no such value or is not for
                this model.
            ModelError: the engine is not installed, or does not run this model rightly on this machine.
        """
        if not isinstance(model, Model):
            raise SettingError(f"{shown(model)} is not a model of deltasr; give what deltasr.load returns.")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise SettingError(f"There is no dtype '{shown(dtype)}'; choose one of {', '.join(DTYPES)}.")
        if dtype not in model.dtypes:
            raise SettingError(
                f"The model {model.name} does not compute in {dtype}; choose one of {', '.join(model.dtypes)}."
            )
        if tile is not None and not (is_whole(tile) and tile >= 0):
            raise SettingError(
                f"A tile of {shown(tile)} pixels is not possible; give 1 or more, or 0 for the whole picture."
            )
        for name, value in (("consistency", consistency), ("ensemble", ensemble)):
            if not isinstance(value, bool | None):
                raise SettingError(f"The setting {name} is {shown(value)}; give True or False.")
        if ensemble and model.stochastic:
            raise SettingError(
                f"The model {model.name} draws noise, which an ensemble would average out; leave it out."
            )
        choice.require_engine(engine)
        self.device = find_device("cpu" if device == "auto" and engine in choice.RUNTIMES else device)
        self.dtype, cannot = usable(dtype, self.device)
        model, kept = choice.run_by(model, engine, device=self.device, dtype="float32" if cannot is not None else dtype)
        self.note = None if cannot is None and kept is None else ". ".join(filter(None, (cannot, kept)))
        self.model = model.to(device=self.device)
        self.model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.tile = tile
        self.consistent = model.consistent if consistency is None else consistency
        self.ensemble = ensemble
        self._always_consistent = consistency is True
        self._pixel_bytes: float | None = None

    @property
    def overlap(self) -> int:
        """LR pixels on either side of a tile that the model sees as well."""
        reach = UNBOUNDED_OVERLAP if self.model.receptive_field is None else self.model.receptive_field
        return max(reach, alpha.REACH) + (consistency.REACH if self.consistent else 0)

    @overload
    def upscale(  # type: ignore[overload-overlap]  # a path or an array is one picture, though it can be iterated over
        self,
        source: Source,
        *,
        scale: float | None = None,
        size: Size | None = None,
        seed: int = 0,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        progress: Progress | None = None,
    ) -> Picture: ...

    @overload
    def upscale(
        self,
        source: Iterable[Source],
        *,
        scale: float | None = None,
        size: Size | None = None,
        seed: int = 0,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        progress: Progress | None = None,
    ) -> Iterator[Picture]: ...

    def upscale(
        self,
        source: Source | Iterable[Source],
        *,
        scale: float | None = None,
        size: Size | None = None,
        seed: int = 0,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        progress: Progress | None = None,
    ) -> Picture | Iterator[Picture]:
        """Upscale one picture or many; grey stays grey, alpha stays alpha, 16 bits stay 16 bits, metadata are kept.

        It takes memory for the result and for one tile; nothing else grows with the picture. A model without
        a receptive field takes a row of tiles as well, a factor beyond the model's own the picture between
        passes.

        Args:
            source: a path, a file's bytes, an open file, a Pillow image, an array or a tensor as
                `imaging.picture_from` takes them, or a `Picture`; or a list or any other iterable of these.
            scale: any factor above 0; None for the model's own. A smaller one is the model's result resized
                with anti-aliasing, a larger one runs the model again on its own result.
            size: (height, width) of the result in pixels, of any aspect ratio, in place of `scale`; made as other
                factors are, each side for itself.
            seed: of the noise, for models that draw any. The noise lies over the whole picture, so that it does not
                depend on the tiles.
            fidelity: for models with a dial, from 0 (the most natural picture) to 1 (the most faithful one); None for
                the model's `default_fidelity`.
            restoration: for models that restore, how degraded the picture is, from 0 (clean: the result is projected)
                to 1 (`degradation.web`); `auto` estimates it from the file and the pixels. Unless it is 0,
                `Picture.notes` and the text metadata of the result say what was decided.
            progress: told how far it is with a picture.

        Returns:
            The picture, of `size`, or `round(scale * height)` by `round(scale * width)` pixels, at least 1 by 1. For
            several, an iterator of such pictures: each is made when it is asked for, and where one raises, the next
            can still be asked for.

        Raises:
            PictureError: the source is no picture, or the result does not fit into memory.
            ModelError: not even small tiles fit into memory, or the whole picture for a model that has to see it; or
                the model's values are not finite.
            SettingError: the factor, the size, the seed, the fidelity or the restoration is not possible, both a factor
                and a size are given, or the model has no such dial.
        """
        require_possible(scale, size)
        require_fidelity(self.model, fidelity)
        require_restoration(self.model, restoration)
        conditions = Conditions(noise=NoiseField(seed=seed), fidelity=fidelity)
        upscaled = partial(
            self._upscaled, scale=scale, size=size, conditions=conditions, restoration=restoration, progress=progress
        )
        return map(upscaled, source) if _are_several(source) else upscaled(source)

    def _upscaled(
        self,
        source: object,
        *,
        scale: float | None,
        size: Size | None,
        conditions: Conditions,
        restoration: Restoration,
        progress: Progress | None,
    ) -> Picture:
        with _CPU:  # in place of a default device that torch was given: what is computed elsewhere says so
            picture = picture_from(cast(Any, source))
            sizes = sizes_of_passes(self.model, (picture.height, picture.width), scale=scale, size=size)
            _require_room(picture, sizes)
            pixels = picture.pixels if picture.alpha is None else fill_transparent(picture.pixels, picture.alpha)
            if self.model.restoring:
                amount, why = decided_restoration(replace(picture, pixels=pixels), restoration)
                conditions = replace(conditions, restoration=amount)
                picture = _told(picture, amount, why)
            final = self._passes(_Planes(pixels, picture.alpha), sizes, conditions, progress)
        return replace(picture, pixels=final.pixels, alpha=final.alpha, compression=None)

    def _passes(self, source: _Planes, sizes: list[Size], conditions: Conditions, progress: Progress | None) -> _Planes:
        """The model over a picture, and over its own results, which have 16 bits between passes."""
        work = [height * width for height, width in [source.size, *sizes[:-1]]]
        final = _empty(source, sizes[-1], source.pixels.dtype)
        for number, reached in enumerate(sizes):
            last = number == len(sizes) - 1
            result = final if last else _empty(source, reached, np.dtype(np.uint16))

            def report(share: float, number: int = number) -> None:
                if progress is not None:
                    progress((sum(work[:number]) + share * work[number]) / sum(work))

            try:
                self._run(source, result, conditions, report)
            except (MemoryError, RuntimeError) as error:
                if memory.is_out_of_memory(error):
                    raise ModelError(self._too_large(source)) from error
                raise
            source, conditions = result, replace(conditions, restoration=0.0)  # what was made of it is clean
        return final

    def result_size(self, picture: Picture, scale: float | None = None, *, size: Size | None = None) -> Size:
        """The (height, width) that `upscale` gives a picture.

        Raises:
            SettingError: the factor or the size is not possible, or both are given.
        """
        return sizes_of_passes(self.model, (picture.height, picture.width), scale=scale, size=size)[-1]

    @torch.inference_mode()
    def _run(self, source: _Planes, result: _Planes, conditions: Conditions, report: Progress) -> None:
        """One pass of the model over a picture, resized where `result` has not the size that the model makes."""
        channels = source.pixels.shape[2]
        tile = self._tile(source, result)
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
            for length, target in zip(source.pixels.shape[:2], result.pixels.shape[:2], strict=True)
        )

        def emit(row: slice, column: slice, values: Tensor) -> None:
            levels = _quantised(values, result.pixels.dtype)
            result.pixels[row, column] = levels[..., :channels]
            if result.alpha is not None:
                result.alpha[row, column] = levels[..., channels]

        planes = channels + (source.alpha is not None)
        sink = Cropped(emit) if bounded else Blended(emit, width=columns.size, planes=planes)
        run_tiles(
            lambda row, column: self._result(source, rows, row, columns, column, conditions),
            rows,
            columns,
            tile=tile,
            smallest=tile if self._sees_whole_pictures else memory.MINIMUM_TILE,
            sink=sink,
            before_retry=lambda: release(self.device),
            report=report,
        )

    def _result(
        self, source: _Planes, rows: Axis, row: Span, columns: Axis, column: Span, conditions: Conditions
    ) -> Tensor:
        """One tile of the final picture, (K, rows, columns) in [0, 1]: colour, then alpha."""
        pixels = self._as_input(source.pixels[row.window, column.window])
        grey = source.pixels.shape[2] == 1
        batch = [pixels]
        opacity = None if source.alpha is None else source.alpha[row.window, column.window]
        flat = opacity is None or bool(opacity.min() == opacity.max())
        if opacity is not None and not flat:
            batch.append(self._as_input(opacity[..., None]))
        sr = self._window(torch.cat(batch), conditions.at(row.window.start, column.window.start))
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
        return torch.cat(planes)

    def _window(self, lr: Tensor, conditions: Conditions) -> Tensor:
        """All that happens to a window: (N, 3, h, w) to (N, 3, scale * h, scale * w), float32 in [0, 1]."""
        restoration = lr.new_zeros(len(lr))  # of the alpha plane, which follows the colours
        restoration[0] = conditions.restoration
        conditions = replace(conditions, restoration=restoration)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            ordered = lr.contiguous(memory_format=torch.channels_last)
            sr = run_padded(self.model, ordered, conditions=conditions, ensemble=self.ensemble).float()
        if not torch.isfinite(sr.sum()):
            raise ModelError(
                f"The model {self.model.name} gave values that are not finite; choose dtype float32 or another model."
            )
        if not self.consistent:
            return sr
        share = None if self._always_consistent else consistency.share_at(restoration)
        return consistency.project(sr, lr, share=share)

    def _as_input(self, levels: Pixels) -> Tensor:
        """(h, w, 1 or 3) integers to (1, 3, h, w) in [0, 1] on the device."""
        values = torch.from_numpy(levels.astype(np.float32)).to(self.device) / np.iinfo(levels.dtype).max
        return values.permute(2, 0, 1)[None].expand(1, 3, -1, -1)

    @property
    def _sees_whole_pictures(self) -> bool:
        return self.tile is None and not self.model.tiled

    def _tile(self, source: _Planes, result: _Planes) -> int:
        """LR pixels a side of the tiles to begin with.

        Raises:
            ModelError: the model has to see the whole picture, for which there is not enough memory.
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
        """What one LR pixel takes, measured once."""
        if self._pixel_bytes is None:
            side, _ = padded_size(32, 32, self.model.size_requirements)
            self._pixel_bytes = self.model.hidden_bytes_per_pixel + bytes_per_pixel(
                lambda side: self._window(_pattern(side, self.device), Conditions()), side=side
            )
        return self._pixel_bytes

    def _too_large(self, source: _Planes) -> str:
        if self._sees_whole_pictures:
            return (
                f"The model {self.model.name} has to see pictures whole, and one of {source.size[1]}x{source.size[0]} "
                f"pixels does not fit into the memory of {self.device}; give a smaller picture, or a tile of "
                "256 pixels all the same."
            )
        return (
            f"Not even small tiles fit into the memory of {self.device} with the model {self.model.name}; "
            "close other programs, or choose dtype float16, another device or another model."
        )


def _are_several(source: object) -> TypeGuard[Iterable[object]]:
    """Whether something holds pictures and is none itself."""
    one = str | bytes | bytearray | memoryview | os.PathLike | np.ndarray | Tensor | Picture | Mapping
    return isinstance(source, Iterable) and not isinstance(source, one) and not hasattr(source, "read")


def _told(picture: Picture, restoration: float, why: str) -> Picture:
    """A picture that is restored says so, in a note and in its text."""
    if not restoration:
        return picture
    metadata = replace(picture.metadata, text={**picture.metadata.text, f"{OWN_TEXT}restoration": why})
    return replace(picture, metadata=metadata, notes=(*picture.notes, f"Restoration {why}."))


def _require_room(picture: Picture, sizes: list[Size]) -> None:
    """Make sure that the result, and what lies between passes, fits into the memory that is free.

    Raises:
        PictureError: it does not.
    """
    planes = picture.channels + (picture.alpha is not None)
    final, *between = [planes * height * width for height, width in (sizes[-1], *sizes[:-1])]
    held = max([sum(pair) for pair in pairwise([0, *between, 0])])
    needed = final * picture.pixels.dtype.itemsize + held * np.dtype(np.uint16).itemsize
    if needed > memory.free_bytes(_CPU):
        raise PictureError(_beyond_memory(sizes[-1]))


def _beyond_memory(size: Size) -> str:
    return f"A result of {size[1]}x{size[0]} pixels does not fit into memory; choose a smaller scale or size."


def _empty(like: _Planes, size: Size, dtype: np.dtype) -> _Planes:
    """Planes for a result, not filled."""
    try:
        pixels = np.empty((*size, like.pixels.shape[2]), dtype)
        return _Planes(pixels, None if like.alpha is None else np.empty(size, dtype))
    except (MemoryError, ValueError) as error:
        raise PictureError(_beyond_memory(size)) from error


def _quantised(values: Tensor, dtype: np.dtype) -> Pixels:
    """(K, rows, columns) in [0, 1] to (rows, columns, K), rounded to the nearest level."""
    levels = (values * np.iinfo(dtype).max).round_().permute(1, 2, 0)
    integers = torch.uint8 if dtype == np.uint8 else torch.int32
    result: Pixels = levels.to(integers).contiguous().cpu().numpy().astype(dtype, copy=False)
    return result


def _pattern(side: int, device: torch.device) -> Tensor:
    """(1, 3, side, side): something that is not flat."""
    return (torch.arange(3 * side * side, device=device) % 7 / 6).reshape(1, 3, side, side)
