"""`deltasr degrade`: LR pictures from HR ones, for test pairs; and a sheet that shows what each degradation does."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from deltasr.imaging import Picture
    from deltasr.inference.batch import Job

_LARGEST_SHEET_SIDE = 224


def degrade_command(
    *inputs: Path,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    kind: str = "realesrgan",
    scale: int = 4,
    seed: int = 0,
    sheet: Path | None = None,
    output_format: str | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Make LR pictures from HR ones, or a sheet of what each degradation does to one picture.

    Rows at the bottom and columns at the right beyond a multiple of the scale are left out. What a picture goes
    through depends on the seed and on its name below the folder given, whatever other pictures there are. Colour
    profile and depth are kept, transparency is not, and grey becomes RGB.

    Parameters
    ----------
    inputs
        Pictures and folders: PNG, JPEG, WebP, TIFF and BMP.
    output
        Folder for the LR pictures, in which the trees of input folders are mirrored; or, for a single picture,
        a file. They are PNG unless that file or --output-format says otherwise.
    kind
        bicubic, bicubic-aliased, bilinear, bilinear-aliased, area, lanczos, resshift-test, realesrgan or bsrgan.
    scale
        Whole factor to shrink by.
    seed
        Of the random kinds: resshift-test, realesrgan and bsrgan.
    sheet
        Instead of LR pictures, write a picture of what every kind does to the middle of a single input.
    output_format
        png, jpeg, webp, tiff or bmp.
    overwrite
        Replace files that are there already.
    """
    from deltasr.errors import SettingError

    if not inputs:
        raise SettingError("There is nothing to degrade; name pictures or folders.")
    if (output is None) == (sheet is None):
        raise SettingError("Name either an --output for LR pictures or a --sheet for samples of all kinds.")
    if sheet is not None:
        if len(inputs) > 1 or inputs[0].is_dir():
            raise SettingError("A sheet shows one picture; name a single file.")
        _write_sheet(inputs[0], sheet, scale=scale, seed=seed, overwrite=overwrite)
        return 0
    assert output is not None
    return _degrade_files(inputs, output, output_format, kind=kind, scale=scale, seed=seed, overwrite=overwrite)


def _degrade_files(
    inputs: tuple[Path, ...],
    output: Path,
    output_format: str | None,
    *,
    kind: str,
    scale: int,
    seed: int,
    overwrite: bool,
) -> int:
    """Degrade one file after the other; what goes wrong with one is told and stops nothing. Returns the status."""
    from deltasr.degradation.draws import derived_seed
    from deltasr.degradation.kinds import kind_named
    from deltasr.errors import DeltasrError, PictureError, SettingError
    from deltasr.imaging import READABLE_SUFFIXES, read_picture, write_picture
    from deltasr.inference.batch import plan_jobs

    kind_named(kind)
    if scale < 1:
        raise SettingError(f"--scale {scale} is out of range; it is a whole factor of at least 1.")
    if output_format is None and output.suffix.lower() not in READABLE_SUFFIXES:
        output_format = "png"
    plan = plan_jobs(inputs, output, output_format=output_format)
    failed = len(plan.failures)
    for failure in plan.failures:
        print(f"deltasr: {failure.reason}", file=sys.stderr)
    for job in plan.jobs:
        try:
            if job.target.exists() and not overwrite:
                raise PictureError(f"{job.target} exists already; choose --overwrite, or another output.")
            picture = read_picture(job.source)
            lr, cut = _degraded(picture, kind=kind, scale=scale, seed=derived_seed(seed, _name_below(job, output)))
            job.target.parent.mkdir(parents=True, exist_ok=True)
            notes = [*picture.notes, *cut, *write_picture(lr, job.target, format=output_format)]
        except (DeltasrError, OSError, MemoryError) as error:
            text = str(error) or type(error).__name__
            print(f"deltasr: {text if str(job.source) in text else f'{job.source}: {text}'}", file=sys.stderr)
            failed += 1
        else:
            print(f"{job.source} -> {job.target} ({lr.width}x{lr.height}, {kind})", flush=True)
            for note in notes:
                print(f"  note: {note}")
    done = len(plan.jobs) + len(plan.failures) - failed
    print(f"{done} done, {failed} failed" + (f", {plan.ignored} not pictures" if plan.ignored else ""))
    return int(failed > 0)


def _name_below(job: Job, output: Path) -> str:
    """What a picture is called in a set, wherever the set lies: its path below the input folder, without suffix."""
    relative = Path(job.source.name) if job.target == output else job.target.relative_to(output)
    return relative.with_suffix("").as_posix()


def _degraded(picture: Picture, *, kind: str, scale: int, seed: int) -> tuple[Picture, list[str]]:
    """The LR picture, and a sentence for each thing of the HR one that it leaves out."""
    import numpy as np

    from deltasr.degradation.kinds import degrade
    from deltasr.imaging import fill_transparent

    notes = []
    if picture.alpha is not None:
        picture = replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha), alpha=None)
        notes.append("Its transparency was left out.")
    lr = degrade(picture.to_tensor(), kind=kind, scale=scale, seed=seed)[0]
    height, width = lr.shape[-2] * scale, lr.shape[-1] * scale
    if (height, width) != (picture.height, picture.width):
        notes.append(f"It was cut to {width}x{height} pixels, multiples of {scale}.")
    largest = int(np.iinfo(picture.pixels.dtype).max)
    levels = (lr.permute(1, 2, 0) * largest).round().numpy().astype(picture.pixels.dtype)
    return replace(picture, pixels=np.ascontiguousarray(levels), notes=()), notes


def _write_sheet(source: Path, sheet: Path, *, scale: int, seed: int, overwrite: bool) -> None:
    import torch

    from deltasr.degradation.sheet import contact_sheet
    from deltasr.errors import PictureError
    from deltasr.imaging import picture_from, read_rgb8, write_picture

    if sheet.exists() and not overwrite:
        raise PictureError(f"{sheet} exists already; choose --overwrite, or another name.")
    pixels = read_rgb8(source)
    height, width = (min(side, _LARGEST_SHEET_SIDE) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    shown = torch.tensor(pixels[top : top + height, left : left + width])
    hr = shown.permute(2, 0, 1)[None].float() / 255
    for note in write_picture(picture_from(contact_sheet(hr, scale=scale, seed=seed)), sheet):
        print(note)
    print(f"{sheet}: every degradation of the middle {width}x{height} pixels of {source}")
