"""The worker's tasks: upscale a whole picture, or the part of it that the page shows."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from deltasr.errors import one_line
from deltasr.imaging import Picture, encode_picture, fill_transparent, read_picture, write_picture
from deltasr.imaging.formats import HEAD_SIZE, READABLE_TITLES, WRITABLE_FORMATS, format_named, format_of_content
from deltasr.imaging.picture import OWN_TEXT, Metadata
from deltasr.inference.batch import upscale_picture
from deltasr.inference.sizes import sizes_of_passes
from deltasr.models.facts import Facts
from deltasr.web import names, views
from deltasr.web.failures import WebError
from deltasr.web.jobs import Progress
from deltasr.web.layers import PICTURE_OF, Layer, Levels, layers_of, levels_of
from deltasr.web.models import Models
from deltasr.web.options import Options
from deltasr.web.storage import Space, Storage, StoredFile

if TYPE_CHECKING:
    from deltasr.inference.upscaler import Upscaler


class _Named(io.BytesIO):
    """The bytes of a file, under the name that messages call it."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Output:
    """A finished result.

    Attributes:
        file: what `deltasr upscale` would have written.
        pixels: the same for views, if they were requested.
        maps: the files of the map that was asked for, under the names that `deltasr upscale` gives them.
        layers: the pictures among them that the page shows, for views, if they were requested.
        levels: how wrong its pixels may be, if that was asked for.
        name: to offer the file under.
        format: of the file, as `imaging.formats.FORMATS` names it.
        width, height: of the result.
        fidelity, restoration: what was used; None for models that have no such dial.
        seconds: from reading to writing.
        notes: what had to be converted or left out, a sentence each.
    """

    file: StoredFile
    pixels: StoredFile | None
    maps: tuple[tuple[str, StoredFile], ...]
    layers: dict[Layer, StoredFile]
    levels: Levels | None
    name: str
    format: str
    width: int
    height: int
    model: str
    fidelity: float | None
    restoration: float | None
    seconds: float
    notes: tuple[str, ...]
    icc: bytes | None

    @property
    def files(self) -> list[tuple[str, Path]]:
        """The result and its maps: names to offer them under, and where they are."""
        return [(self.name, self.file.path), *((name, file.path) for name, file in self.maps)]

    @property
    def archive_name(self) -> str:
        """To offer all of its files under."""
        return f"{PurePosixPath(self.name).stem}.zip"

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return self.file.size + sum(file.size for _, file in self.maps)

    def delete(self) -> None:
        """Remove its files, and those of its views."""
        for file in (self.file, self.pixels, *(file for _, file in self.maps), *self.layers.values()):
            if file is not None:
                file.delete()


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A part of a result, or of a layer over it, as PNG; with the levels of that part if it is the error map's."""

    content: bytes
    levels: Levels | None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How degraded a picture seems to be, and a few words on why."""

    strength: float
    why: str


def require_picture_file(path: Path) -> str:
    """The format of a file, by its first bytes.

    Raises:
        WebError: it is none that is read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_SIZE)
    if not head:
        raise WebError(400, "There is no picture in this request; send a file's bytes.")
    found = format_of_content(head)
    if found is None:
        raise WebError(415, f"This file is not a {READABLE_TITLES} picture.")
    return found


def read(path: Path, name: str, *, max_pixels: int) -> tuple[Picture, str]:
    """An uploaded picture and its format.

    Raises:
        WebError: the file is of no format that is read.
        PictureError: it cannot be read, or is too large.
    """
    kind = require_picture_file(path)
    file = _Named(path.read_bytes())
    file.name = one_line(name, longest=60)
    return read_picture(file, max_pixels=max_pixels), kind


def estimate(picture: Picture) -> Estimate:
    """How degraded a picture seems to be."""
    from deltasr.inference.conditions import decided_restoration

    pixels = picture.pixels if picture.alpha is None else fill_transparent(picture.pixels, picture.alpha)
    strength, why = decided_restoration(replace(picture, pixels=pixels), "auto")
    return Estimate(strength=strength, why=why.partition(": ")[2])


def upscale(
    progress: Progress,
    *,
    content: StoredFile,
    name: str,
    options: Options,
    models: Models,
    storage: Storage,
    space: Space,
    max_result_pixels: int,
    viewed: bool,
) -> Output:
    """Upscale an uploaded picture into a file, which is what `deltasr upscale` writes with the same options.

    Args:
        progress: called with the share that is done.
        content: the upload.
        name: what its user calls it.
        options: of the request.
        models, storage: of the server.
        space: that the result counts for.
        max_result_pixels: of the result.
        viewed: whether the pixels are kept for views as well.

    Raises:
        WebError: the result would have too many pixels, or there is no room for it.
        DeltasrError: the picture cannot be read, upscaled or written.
    """
    started = time.monotonic()
    request = options.request
    picture, kind = read(content.path, name, max_pixels=request.max_pixels)
    facts = models.facts(options.model)
    _require_size(picture, facts, options, max_result_pixels)
    form = format_named(request.output_format or (kind if kind in WRITABLE_FORMATS else "png"))
    upscaler = models.upscaler(options.model)
    result = upscale_picture(picture, upscaler=upscaler, request=request, format_name=form.name, progress=progress)
    output_name = names.result_name(name, request.mark(facts.scale), WRITABLE_FORMATS[form.name])
    shown = {} if request.map is None else _map_of(picture, result, options, upscaler)
    with storage.all_or_none(space) as new_file:
        file, lost = _written(
            result, new_file(WRITABLE_FORMATS[form.name]), form.name, quality=request.quality, strip=request.strip
        )
        map_files = tuple(
            (f"{PurePosixPath(output_name).stem}{ending}", _written(part, new_file(".png"), "png")[0])
            for ending, part in shown.items()
        )
        pixels = views.keep(result, new_file("")) if viewed else None
        layers: dict[Layer, StoredFile] = {}
        if viewed and request.map is not None:
            parts = list(shown.values())
            layers = {one: views.keep(parts[PICTURE_OF[one][1]], new_file("")) for one in layers_of(request.map)}
    return Output(
        file=file,
        pixels=pixels,
        maps=map_files,
        layers=layers,
        levels=None if result.error_map is None else levels_of(result.error_map),
        name=output_name,
        format=form.name,
        width=result.width,
        height=result.height,
        model=options.model,
        fidelity=_fidelity(facts, options),
        restoration=_restoration(result) if facts.restoring else None,
        seconds=time.monotonic() - started,
        notes=(*result.notes, *lost),
        icc=result.metadata.icc,
    )


def preview(
    progress: Progress,
    *,
    pixels: Path,
    has_alpha: bool,
    icc: bytes | None,
    box: views.Box,
    options: Options,
    estimate: Estimate,
    models: Models,
    max_pixels: int,
    layer: Layer | None = None,
) -> Preview:
    """A part of a result at the model's own scale, as PNG, without the rest: the pixels that the whole will have there.

    The model's input includes as much around the part as in the whole picture. For a model without a bounded
    receptive field, and for one that draws noise, the pixels are only similar.

    Args:
        pixels: of the source, as `views.keep` wrote them.
        has_alpha: whether the last of their channels is alpha.
        icc: the profile of the source.
        box: whole pixels of the source.
        estimate: of the whole source.
        max_pixels: of the source, in the box.
        layer: what is shown in place of the result.

    Raises:
        WebError: the box is too large, or outside.
        DeltasrError: as `Upscaler.upscale`.
    """
    samples = views.kept(pixels)
    height, width = samples.shape[:2]
    left, top, right, bottom = box.within(width, height).whole()
    if (right - left) * (bottom - top) > max_pixels:
        raise WebError(400, f"A preview shows {max_pixels:,} pixels of a picture at most.")
    from deltasr.inference import consistency, maps

    facts, upscaler = models.facts(options.model), models.upscaler(options.model)
    step = upscaler.model.size_requirements.multiple_of
    kind = None if layer is None else PICTURE_OF[layer][0]
    seen = max(upscaler.overlap, consistency.DETERMINED_REACH) if kind == "determined" else upscaler.overlap
    reach = ceil(seen / step) * step
    first_row, first_column = max(top // step * step - reach, 0), max(left // step * step - reach, 0)
    last_row, last_column = min(bottom + reach, height), min(right + reach, width)
    window = np.ascontiguousarray(samples[first_row:last_row, first_column:last_column])
    source = Picture(
        pixels=window[..., :-1] if has_alpha else window, alpha=window[..., -1].copy() if has_alpha else None
    )
    asked = options.request.restoration
    amount = asked if asked != "auto" else estimate.strength
    result = upscaler.upscale(
        source,
        fidelity=options.request.fidelity,
        restoration=amount if facts.restoring else "auto",
        seed=options.request.seed,
        error_map=kind == "error",
        progress=progress,
    )
    scale = upscaler.model.scale
    rows = slice((top - first_row) * scale, (bottom - first_row) * scale)
    columns = slice((left - first_column) * scale, (right - first_column) * scale)
    whole = result
    if layer is not None:
        map_kind, place = PICTURE_OF[layer]
        whole = maps.pictures_of(source, result, map_kind, scale=scale)[place]
    shown = Picture(
        pixels=whole.pixels[rows, columns],
        alpha=None if whole.alpha is None else whole.alpha[rows, columns],
        metadata=Metadata(icc=icc if layer != "error" else None),
    )
    part = None if result.error_map is None else result.error_map[rows, columns]
    return Preview(content=encode_picture(shown, "png"), levels=None if part is None else levels_of(part))


def _map_of(picture: Picture, result: Picture, options: Options, upscaler: Upscaler) -> dict[str, Picture]:
    """The pictures of the map that was asked for, by what the names of their files end in."""
    from deltasr.inference import maps

    kind = options.request.map
    assert kind is not None
    pictures = maps.pictures_of(picture, result, kind, scale=upscaler.model.scale, tile=upscaler.tile)
    return dict(zip(maps.SUFFIXES[kind], pictures, strict=True))


def _written(
    picture: Picture, file: StoredFile, format_name: str, *, quality: int | None = None, strip: bool = False
) -> tuple[StoredFile, list[str]]:
    """Write a picture; the file, and what its format could not hold.

    Raises:
        WebError: there is no room for it.
    """
    file.reserve(picture.pixels.nbytes)
    lost = write_picture(picture, file.path, format=format_name, quality=quality, strip=strip)
    file.settle()
    return file, lost


def _require_size(picture: Picture, facts: Facts, options: Options, limit: int) -> None:
    """Refuse results that are too large before they are made.

    Raises:
        WebError: the result has more pixels than allowed.
        SettingError: the size is not possible with the model.
    """
    request, size = options.request, (picture.height, picture.width)
    passes = sizes_of_passes(facts, size, scale=request.scale, size=request.size_of(*size))
    height, width = max(passes, key=lambda pair: pair[0] * pair[1])
    if height * width > limit:
        raise WebError(
            413,
            f"A result of {width} x {height} pixels is over this server's limit of {limit:,}; choose a smaller size.",
        )


def _fidelity(facts: Facts, options: Options) -> float | None:
    if not facts.dial:
        return None
    asked = options.request.fidelity
    return facts.default_fidelity if asked is None else asked


def _restoration(result: Picture) -> float:
    """The restoration that was used, from the result's text metadata; without such a text it is 0."""
    return float(result.metadata.text.get(f"{OWN_TEXT}restoration", "0").partition(",")[0])
