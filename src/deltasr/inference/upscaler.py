"""`Upscaler`: from any picture to a larger one, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeGuard, cast, overload

import numpy as np
from numpy.typing import NDArray

from deltasr.arguments import is_whole, shown
from deltasr.arrays import is_tensor
from deltasr.devices import CPU, DTYPES, find_device, has_torch, order_channels_last, usable
from deltasr.diffusion.noise import NoiseField
from deltasr.engines import choice
from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Picture, fill_transparent, picture_from
from deltasr.inference import memory
from deltasr.inference.conditions import (
    Conditions,
    Restoration,
    decided_restoration,
    require_fidelity,
    require_restoration,
    with_restoration_noted,
)
from deltasr.inference.sizes import Size, require_one_pass, require_possible, sizes_of_passes
from deltasr.inference.tiled_model import Planes, TiledModel
from deltasr.models.interface import ModelInterface

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

    from deltasr.devices import Device
    from deltasr.models.base import Model
    from deltasr.models.error_map_interface import ErrorMapInterface

    Source: TypeAlias = (
        str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image | NDArray[np.generic] | Tensor | Picture
    )
    """One picture, in any form that `imaging.picture_from` takes."""

Progress = Callable[[float], None]
"""Called after every tile with the share of the work that is finished, in (0, 1]."""


class Upscaler:
    """Upscales pictures with one model.

    It can be used by several threads, copied, and pickled; the model is part of it.

    Attributes:
        model: the model, on the device and in evaluation mode.
        device: where the network computes; pictures stay in main memory.
        dtype: what the network computes in, by its name.
        note: a sentence if the device cannot compute in the requested type, or `auto` found no engine to use,
            else None.
        tile: LR pixels per side of a tile; 0 for whole pictures, None for what fits into the free memory.
        consistent: whether results are projected so that they downscale to the input.
        ensemble: whether each tile is the mean over its eight orientations.
        reference: whether pictures are run as ResShift's released program runs them.
    """

    def __init__(
        self,
        model: ModelInterface,
        *,
        device: str | torch.device = "auto",
        dtype: str = "float32",
        tile: int | None = None,
        consistency: bool | None = None,
        ensemble: bool = False,
        engine: str | None = None,
        map_file: str | os.PathLike[str] | None = None,
        reference: bool = False,
    ) -> None:
        """Take a model.

        Args:
            model: from `deltasr.load`; it is moved to the device and put into evaluation mode.
            device: `auto` (CUDA, else MPS, else the CPU), or any name of a device in torch.
            dtype: what the network computes in: `float32`, or `bfloat16` or `float16` by autocast, for models that
                support it; float32 where the device cannot compute in it.
            tile: LR pixels per side of a tile, without its overlap; 0 for the whole picture at once; None for what
                fits into the free memory, and the whole picture for models that need all of it. If memory runs out,
                the tile is halved, except for those models.
            consistency: whether results are projected so that they downscale to the input; None for the model's own
                default, with which the projection gets weaker the more a picture is restored.
            ensemble: whether each tile is the mean over its eight orientations, which takes eight times as long and
                is slightly more accurate (`inference.ensemble`); for models without noise.
            engine: what runs the network: `torch`; `onnxruntime` or `openvino`, on the CPU, within one 8-bit level of
                torch's float32; or `auto`, the fastest that is installed and was tried on this machine
                (`engines.choice`), torch on other devices than the CPU. None is torch, or for a model that was loaded
                without torch the fastest of the others.
            map_file: the file of the model's error map, which is read when a map is first asked for, for the engine
                torch; None for the one that comes with the model.
            reference: whether pictures are run as ResShift's released program runs them, to one 8-bit level: its
                padding, its tiles and its noise (`inference.reference`), at the model's own factor. For imported
                ResShift checkpoints.

        Raises:
            SettingError: `model` is not a model, this machine does not have the device, or another setting has a
                wrong value or does not apply to this model.
            ModelError: the engine is not installed, or gives wrong results with this model on this machine.
        """
        if not isinstance(model, ModelInterface):
            raise SettingError(f"{shown(model)} is not a model of deltasr; give what deltasr.load returns.")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise SettingError(f"There is no dtype '{shown(dtype)}'; choose one of {', '.join(DTYPES)}.")
        if engine is not None:
            choice.require_engine(engine)
        choice.require_dtype(model, engine, dtype)
        if tile is not None and not (is_whole(tile) and tile >= 0):
            raise SettingError(
                f"A tile of {shown(tile)} pixels is not possible; give 1 or more, or 0 for the whole picture."
            )
        for name, value in (("consistency", consistency), ("ensemble", ensemble), ("reference", reference)):
            if not isinstance(value, bool | None):
                raise SettingError(f"The setting {name} is {shown(value)}; give True or False.")
        if ensemble and model.stochastic:
            raise SettingError(
                f"The model {model.name} uses noise, which an ensemble would average out; leave the ensemble out."
            )
        if reference:
            from deltasr.inference.reference import require_reference

            require_reference(model, tile=tile, consistency=consistency, engine=engine)
        without_torch = (model.takes_arrays or engine in choice.RUNTIMES) and str(device) in ("auto", "cpu")
        self.device: Device = CPU if without_torch else find_device(device)
        self.dtype, cannot = usable(dtype, self.device) if has_torch() else (dtype, None)
        model, kept = choice.run_by(model, engine, device=self.device, dtype=self.dtype)
        self.note = None if cannot is None and kept is None else ". ".join(filter(None, (cannot, kept)))
        self.model = model if model.takes_arrays else _placed(cast("Model", model), self.device)
        self.tile = tile
        self.consistent = model.consistent if consistency is None else consistency
        self.ensemble = ensemble
        self.reference = reference
        self._map_file = None if map_file is None else Path(map_file)
        self._error_map: ErrorMapInterface | None = None
        self._tiled = TiledModel(
            self.model,
            device=self.device,
            dtype=self.dtype,
            tile=tile,
            consistent=self.consistent,
            always_consistent=consistency is True,
            ensemble=ensemble,
        )

    @property
    def overlap(self) -> int:
        """LR pixels on each side of a tile that the model also sees."""
        return self._tiled.overlap

    @overload
    def upscale(  # type: ignore[overload-overlap]  # a path or an array is one picture, though it can be iterated over
        self,
        source: Source,
        *,
        scale: float | None = None,
        size: Size | None = None,
        seed: int | None = None,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        error_map: bool = False,
        progress: Progress | None = None,
    ) -> Picture: ...

    @overload
    def upscale(
        self,
        source: Iterable[Source],
        *,
        scale: float | None = None,
        size: Size | None = None,
        seed: int | None = None,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        error_map: bool = False,
        progress: Progress | None = None,
    ) -> Iterator[Picture]: ...

    def upscale(
        self,
        source: Source | Iterable[Source],
        *,
        scale: float | None = None,
        size: Size | None = None,
        seed: int | None = None,
        fidelity: float | None = None,
        restoration: Restoration = "auto",
        error_map: bool = False,
        progress: Progress | None = None,
    ) -> Picture | Iterator[Picture]:
        """Upscale one picture or many; grey, alpha, 16 bits and metadata are kept.

        Memory is needed for the result and for one tile. A model without a receptive field also needs a row of tiles,
        and a factor above the model's own the picture between two passes.

        Args:
            source: a path, a file's bytes, an open file, a Pillow image, an array or a tensor as
                `imaging.picture_from` takes them, or a `Picture`; or a list or any other iterable of these.
            scale: any factor above 0; None for the model's own. For a smaller one the model's result is resized with
                anti-aliasing, for a larger one the model runs again on its own result.
            size: (height, width) of the result in pixels, of any aspect ratio, instead of `scale`; each side is
                then scaled as above.
            seed: of the noise, for models that use noise; None for 0, or for that of the released program in a
                reference run. There is one noise field for the whole picture, so it does not depend on the tiles,
                except in a reference run.
            fidelity: for models with a dial, from 0 (most natural) to 1 (most faithful); None for the model's
                `default_fidelity`.
            restoration: for models that restore, how degraded the picture is, from 0 (clean: the result is projected)
                to 1 (`degradation.web`); `auto` estimates it from the file and the pixels. Unless it is 0,
                `Picture.notes` and the text metadata of the result say which value was used.
            error_map: whether the result has an `error_map`, which says how wrong each pixel may be. It changes no
                pixel of the result, and is for factors up to the model's own.
            progress: called after every tile with the share of the picture that is finished, in (0, 1].

        Returns:
            The picture, of `size`, or `round(scale * height)` by `round(scale * width)` pixels, at least 1 by 1. For
            several sources, an iterator of such pictures: each is made when it is requested, and after one that
            raises, the next can still be requested.

        Raises:
            PictureError: the source is not a picture, the result does not fit into memory, or the model fills in what
                is transparent, and nothing is.
            ModelError: not even small tiles fit into memory, or the whole picture for a model that needs all of it;
                the model's values are not finite; or it has no error map.
            SettingError: the factor, the size, the seed, the fidelity or the restoration is not possible, both a factor
                and a size are given, the model has no such setting, or an error map is not possible with the others.
        """
        require_possible(scale, size)
        require_fidelity(self.model, fidelity)
        require_restoration(self.model, restoration)
        conditions = Conditions(noise=NoiseField(seed=self._usual_seed if seed is None else seed), fidelity=fidelity)
        upscaled = partial(
            self._upscaled,
            scale=scale,
            size=size,
            conditions=conditions,
            restoration=restoration,
            error_map=self.load_error_map() if error_map else None,
            progress=progress,
        )
        return map(upscaled, source) if _are_several(source) else upscaled(source)

    def load_error_map(self) -> ErrorMapInterface:
        """The model's error map, from its file the first time.

        Raises:
            ModelError: the model has none, or the file cannot be read or belongs to other weights.
            SettingError: this upscaler takes the mean over orientations, which has no map; or a file of a map was
                given, and the engine is another than torch.
        """
        if self.ensemble:
            raise SettingError("An error map is for single results, not for an ensemble; leave one of them out.")
        if self._error_map is None and self.model.takes_arrays:
            from deltasr.models import exported_error_map

            self._error_map = exported_error_map.load(self.model, self._map_file)
        elif self._error_map is None:
            from deltasr.models import error_map

            self._error_map = error_map.load(cast("Model", self.model), self._map_file)
        return self._error_map

    def result_size(self, picture: Picture, scale: float | None = None, *, size: Size | None = None) -> Size:
        """The (height, width) in pixels of what `upscale` returns for a picture.

        Raises:
            SettingError: the factor or the size is not possible, or both are given.
        """
        return sizes_of_passes(self.model, (picture.height, picture.width), scale=scale, size=size)[-1]

    def _upscaled(
        self,
        source: object,
        *,
        scale: float | None,
        size: Size | None,
        conditions: Conditions,
        restoration: Restoration,
        error_map: ErrorMapInterface | None,
        progress: Progress | None,
    ) -> Picture:
        with self._tiled.on_cpu():
            picture = picture_from(cast(Any, source))
            sizes = sizes_of_passes(self.model, (picture.height, picture.width), scale=scale, size=size)
            if error_map is not None:
                require_one_pass(sizes, scale=self.model.scale)
            memory.require_room(picture, sizes)
            if self.model.inpaints:
                source_planes = self._to_fill_in(picture)
            elif picture.alpha is None:
                source_planes = Planes(picture.pixels, None)
            else:
                source_planes = Planes(fill_transparent(picture.pixels, picture.alpha), picture.alpha)
            if self.model.restoring:
                strength, why = decided_restoration(replace(picture, pixels=source_planes.pixels), restoration)
                conditions = replace(conditions, restoration=strength)
                picture = with_restoration_noted(picture, strength, why)
            if self.reference:
                final = self._as_released(source_planes, sizes[-1], conditions.noise.seed, progress)
            else:
                final = self._passes(source_planes, sizes, conditions, error_map, progress)
        return replace(picture, pixels=final.pixels, alpha=final.alpha, compression=None, error_map=final.error_map)

    @property
    def _usual_seed(self) -> int:
        if not self.reference:
            return 0
        from deltasr.inference.reference import SEED

        return SEED

    def _to_fill_in(self, picture: Picture) -> Planes:
        """The planes of a picture for a model that inpaints: what is transparent is what it fills in."""
        if picture.alpha is None or picture.alpha.min() == np.iinfo(picture.alpha.dtype).max:
            raise PictureError(
                f"The model {self.model.name} fills in what is transparent, and nothing of this picture is; make the "
                "part to fill in transparent."
            )
        return Planes(picture.pixels, None, mask=np.iinfo(picture.alpha.dtype).max - picture.alpha)

    def _as_released(self, source: Planes, size: Size, seed: int, progress: Progress | None) -> Planes:
        """Run the model as the released program does.

        Raises:
            SettingError: the result should have another size than the model's own.
        """
        height, width = source.size
        if size != (height * self.model.scale, width * self.model.scale):
            raise SettingError(
                f"A reference run is what the released program does, at the factor {self.model.scale}; leave out the "
                "size, or the reference."
            )
        from deltasr.inference.reference import ReferenceRun

        result = source.empty(size, source.pixels.dtype)
        run = ReferenceRun(cast("Model", self.model), device=cast("torch.device", self.device), dtype=self.dtype)
        run.run(source, result, seed=seed, progress=progress or (lambda share: None))
        return result

    def _passes(
        self,
        source: Planes,
        sizes: list[Size],
        conditions: Conditions,
        error_map: ErrorMapInterface | None,
        progress: Progress | None,
    ) -> Planes:
        """Run the model over a picture, and again over its own results, which have 16 bits between passes."""
        work = [height * width for height, width in [source.size, *sizes[:-1]]]
        final = source.empty(sizes[-1], source.pixels.dtype, mapped=error_map is not None)
        for number, size in enumerate(sizes):
            last = number == len(sizes) - 1
            result = final if last else source.empty(size, np.dtype(np.uint16))

            def report(share: float, number: int = number) -> None:
                if progress is not None:
                    progress((sum(work[:number]) + share * work[number]) / sum(work))

            self._tiled.run(source, result, conditions=conditions, progress=report, error_map=error_map)
            source, conditions = result, replace(conditions, restoration=0.0)  # the model's own result is clean
        return final


def _placed(model: Model, device: Device) -> Model:
    """A model of torch, moved to a device and made ready there."""
    order_channels_last(model.to(device=device).eval())  # type: ignore[arg-type]
    return model


def _are_several(source: object) -> TypeGuard[Iterable[object]]:
    """Whether something is an iterable of pictures rather than one picture."""
    one = str | bytes | bytearray | memoryview | os.PathLike | np.ndarray | Picture | Mapping
    if isinstance(source, one) or is_tensor(source) or hasattr(source, "read"):
        return False
    return isinstance(source, Iterable)
