"""Upscaling files: the settings for all of them, and the work on one, from a file to a file.

Other processes can do this work: `Request`, `Job` and `Upscaler` can be pickled, and `upscale_file` is a module-level
function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from deltasr.arguments import is_number, is_whole, shown
from deltasr.errors import PictureError, SettingError
from deltasr.imaging import limits
from deltasr.imaging.formats import format_named
from deltasr.inference import sizes
from deltasr.inference.pipeline import Stages, run_overlapped
from deltasr.planning import Existing, Job, Outcome

if TYPE_CHECKING:
    from deltasr.imaging import Picture
    from deltasr.inference.maps import Map
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.facts import Facts
    from deltasr.models.interface import ModelInterface


@dataclass(frozen=True, kw_only=True)
class Request:
    """The settings for every picture of an upscale.

    At most one of a scale, a size (width, height or both) and a longest side; without any, the model's own factor.

    Attributes:
        scale: a factor above 0.
        width, height: of the result, in pixels. With only one of them the aspect ratio is kept; with both the result
            has exactly that size.
        max_side: the result's longer side in pixels; the aspect ratio is kept.
        seed: of the noise, for models that use noise; None for the usual one.
        fidelity: for models with a dial, in [0, 1]; None for the model's own.
        restoration: for models that restore, how degraded pictures are, in [0, 1], or `auto`.
        output_format, quality, strip: as `imaging.write_picture` takes them.
        max_pixels: the most pixels that an input may have, as `imaging.read_picture` takes it.
        map: what is written beside each result: `error` for how wrong its pixels may be, `determined` for the part of
            it that the input determines and the part that was added; None for nothing (`inference.maps`).

    Raises:
        SettingError: a value is out of its range, or two of them exclude each other.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    max_side: int | None = None
    seed: int | None = None
    fidelity: float | None = None
    restoration: float | Literal["auto"] = "auto"
    output_format: str | None = None
    quality: int | None = None
    strip: bool = False
    max_pixels: int = limits.DEFAULT_MAX_PIXELS
    map: Map | None = None

    def __post_init__(self) -> None:
        sized = self.width is not None or self.height is not None
        if [self.scale is not None, sized, self.max_side is not None].count(True) > 1:
            raise SettingError(
                "A scale, a longest side, and a width or height exclude each other; ask for one of the three."
            )
        sizes.require_possible(self.scale, None)
        for name, side in (("width", self.width), ("height", self.height), ("longest side", self.max_side)):
            if side is not None and not (is_whole(side) and side >= 1):
                raise SettingError(f"A {name} of {shown(side)} pixels is not possible; give 1 or more.")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SettingError(f"A quality of {self.quality} is out of range; it goes from 1 to 100.")
        if self.fidelity is not None and not (is_number(self.fidelity) and 0 <= self.fidelity <= 1):
            raise SettingError(f"A fidelity of {shown(self.fidelity)} is not possible; give a number from 0 to 1.")
        if self.restoration != "auto" and not (is_number(self.restoration) and 0 <= self.restoration <= 1):
            raise SettingError(
                f"A restoration of {shown(self.restoration)} is not possible; give a number from 0 to 1, or auto."
            )
        if self.output_format is not None:
            format_named(self.output_format)
        limits.require_possible(self.max_pixels)

    def size_of(self, height: int, width: int) -> tuple[int, int] | None:
        """The result's (height, width) for a picture of that height and width; None where a factor determines it."""
        if self.width is not None and self.height is not None:
            return self.height, self.width
        if self.width is not None:
            return _in_proportion(height, self.width, width), self.width
        if self.height is not None:
            return self.height, _in_proportion(width, self.height, height)
        if self.max_side is None:
            return None
        if width >= height:
            return _in_proportion(height, self.max_side, width), self.max_side
        return self.max_side, _in_proportion(width, self.max_side, height)

    def mark(self, own_scale: int) -> str:
        """What names of results end in: `x4`, `x1.5`, `w1920`, `h1080`, `1920x1080` or `max4096`."""
        if self.width is not None and self.height is not None:
            return f"{self.width}x{self.height}"
        sides = {"w": self.width, "h": self.height, "max": self.max_side}
        named = [f"{name}{side}" for name, side in sides.items() if side is not None]
        return named[0] if named else f"x{own_scale if self.scale is None else self.scale:g}"


def upscale_files(
    upscaler: Upscaler,
    jobs: Iterable[Job],
    request: Request,
    *,
    existing: Existing = "fail",
    progress: Callable[[Job, float], None] = lambda job, share: None,
) -> Iterator[Outcome]:
    """Upscale files in order; an error with one file is its outcome, and the others go on.

    While one is computed, the next is read and the one before is written (`inference.pipeline`).

    Args:
        upscaler: used for all files.
        jobs: from `planning.plan_jobs`.
        request: the settings for every file.
        existing: what happens if a result already exists.
        progress: called with a job and the share of it that is finished, in (0, 1].

    Yields:
        One outcome per job, when it is finished.

    Raises:
        SettingError: a setting is wrong for every file.
    """
    stages = stages_of(upscaler, request, progress=progress, replace_maps=existing == "overwrite")
    return run_overlapped(jobs, stages, existing=existing)


def upscale_file(
    job: Job,
    *,
    upscaler: Upscaler,
    request: Request,
    progress: Callable[[Job, float], None] = lambda job, share: None,
    replace_maps: bool = False,
) -> Outcome:
    """Upscale the picture of one file into another; the folder of the result is made.

    Args:
        job: the two files.
        upscaler, request: what to upscale with.
        progress: called with the job and the share of it that is finished, in (0, 1].
        replace_maps: whether files of the result's map may be there already.

    Raises:
        PictureError, ModelError, SettingError, OSError, MemoryError: the picture cannot be read, upscaled or written.
    """
    return stages_of(upscaler, request, progress=progress, replace_maps=replace_maps).all(job)


@dataclass(frozen=True)
class _Upscaled:
    """A result, and the pictures of its map, if one is asked for."""

    result: Picture
    maps: list[Picture]


def stages_of(
    upscaler: Upscaler, request: Request, *, progress: Callable[[Job, float], None], replace_maps: bool
) -> Stages[Picture, _Upscaled]:
    """The parts of the work on a file."""

    def read(job: Job) -> Picture:
        from deltasr.imaging.read import read_picture

        if request.map is not None:
            from deltasr.inference import maps

            taken = [file for file in maps.files_of(job.target, request.map) if file.exists() and not replace_maps]
            if taken:
                raise PictureError(f"{taken[0]} already exists; choose --overwrite, or another output.")
        return read_picture(job.source, max_pixels=request.max_pixels)

    def compute(job: Job, picture: Picture) -> _Upscaled:
        result = upscale_picture(
            picture,
            upscaler=upscaler,
            request=request,
            format_name=request.output_format or job.target.suffix,
            progress=partial(progress, job),
        )
        if request.map is None:
            return _Upscaled(result, [])
        from deltasr.inference import maps

        scale = upscaler.model.scale
        return _Upscaled(result, maps.pictures_of(picture, result, request.map, scale=scale, tile=upscaler.tile))

    def write(job: Job, made: _Upscaled) -> Outcome:
        from deltasr.imaging.write import write_picture

        job.target.parent.mkdir(parents=True, exist_ok=True)
        if request.map is not None:
            from deltasr.inference import maps

            maps.write_maps(made.maps, job.target, request.map)
        result = made.result
        lost = write_picture(
            result, job.target, format=request.output_format, quality=request.quality, strip=request.strip
        )
        return Outcome(
            source=job.source,
            target=job.target,
            status="done",
            notes=(*result.notes, *lost),
            size=(result.height, result.width),
        )

    return Stages(read, compute, write)


def upscale_picture(
    picture: Picture,
    *,
    upscaler: Upscaler,
    request: Request,
    format_name: str,
    progress: Callable[[float], None] | None = None,
) -> Picture:
    """Upscale a picture, if the format that it will be written in can hold the result.

    Args:
        picture: any.
        upscaler, request: what to upscale with.
        format_name: a format or a file suffix, as `imaging.formats.format_named` takes it.
        progress: called with the share that is finished, in (0, 1].

    Raises:
        PictureError: the result is too large for the format, or does not fit into memory.
        ModelError, SettingError: as `Upscaler.upscale`.
    """
    size = _result_size(upscaler.model, picture, request, format_name)
    asked = None if request.size_of(picture.height, picture.width) is None else size
    return upscaler.upscale(
        picture,
        scale=request.scale,
        size=asked,
        seed=request.seed,
        fidelity=request.fidelity,
        restoration=request.restoration,
        error_map=request.map == "error",
        progress=progress,
    )


def require_possible(model: Facts, request: Request) -> None:
    """Make sure that a model, which is not loaded for that, can do what a request asks of every picture.

    Raises:
        ModelError: it has no error map, and one is asked for.
        SettingError: it has no fidelity or restoration dial, and one is set; or the setting is out of range.
    """
    from deltasr.inference.conditions import require_fidelity, require_restoration
    from deltasr.models import catalogue
    from deltasr.models.error_map_interface import no_map

    require_fidelity(model, request.fidelity)
    require_restoration(model, request.restoration)
    if request.map == "error" and not catalogue.has_error_map(model.name):
        raise no_map(model.name, catalogue.with_error_maps())


def foresee_file(job: Job, *, model: Facts, request: Request) -> Outcome:
    """The outcome that `upscale_file` would have, without upscaling and without torch; the picture is read.

    Raises:
        PictureError, SettingError, OSError, MemoryError: the picture cannot be read, or the result not be written.
    """
    from deltasr.imaging.read import read_picture

    picture = read_picture(job.source, max_pixels=request.max_pixels)
    size = _result_size(model, picture, request, request.output_format or job.target.suffix)
    return Outcome(source=job.source, target=job.target, status="planned", notes=picture.notes, size=size)


def _in_proportion(side: int, asked: int, of: int) -> int:
    """The new length of a side that keeps the aspect ratio when another side, of length `of`, becomes `asked`."""
    return max(1, round(side * asked / of))


def _result_size(
    model: ModelInterface | Facts, picture: Picture, request: Request, format_name: str
) -> tuple[int, int]:
    """The (height, width) of a picture's result.

    Raises:
        PictureError: the format cannot hold it, or the requested size is not possible for this picture, or not with
            the map.
        SettingError: the factor is not possible with this model, or not with the map.
    """
    source = (picture.height, picture.width)
    asked = request.size_of(*source)
    try:
        passes = sizes.sizes_of_passes(model, source, scale=request.scale, size=asked)
        if request.map == "error":
            sizes.require_one_pass(passes, scale=model.scale)
        elif request.map == "determined":
            from deltasr.inference import maps

            maps.require_splittable(source, passes[-1], scale=model.scale)
    except SettingError as error:
        if asked is None:
            raise
        raise PictureError(str(error)) from error
    size = passes[-1]
    format_ = format_named(format_name)
    if max(size) > format_.largest_side:
        raise PictureError(
            f"A result of {size[1]}x{size[0]} pixels is too large for {format_.title}, which holds "
            f"{format_.largest_side} per side; choose --output-format png."
        )
    return size
