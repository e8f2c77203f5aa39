"""`deltasr degrade`: LR pictures from HR ones, for test pairs; and a sheet with examples of each degradation."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import complain, plain, tell
from deltasr.cli.parameters import OUTPUT, Flag

if TYPE_CHECKING:
    from deltasr.evaluation.degraded import Line
    from deltasr.planning import Existing, Job, Outcome

_LARGEST_SHEET_SIDE = 224
_KIND, _SCALE, _SEED = "realesrgan", 4, 0
_LISTED_FORMATS = ("png", "tiff")
"""Those that keep every pixel of 8 and 16 bits, so that the SHA-256 in a list is also that of the file's pixels."""


def degrade_command(
    *inputs: Path,
    output: Annotated[Path | None, OUTPUT] = None,
    kind: str | None = None,
    scale: int | None = None,
    seed: int | None = None,
    strength: float | None = None,
    list_: Annotated[Path | None, Parameter(name="--list")] = None,
    check: Path | None = None,
    sheet: Path | None = None,
    square: int | None = None,
    square_by: Literal["squeeze", "crop", "fit"] | None = None,
    output_format: str | None = None,
    overwrite: Flag = False,
) -> int:
    """Make small, degraded test pictures from large ones.

    Makes low-resolution (LR) pictures from high-resolution (HR) ones, or a sheet with examples of each degradation.
    Rows at the bottom and columns at the right beyond a multiple of the scale are cut off. The random kinds depend on
    the seed and on a picture's name below the given folder, not on the other pictures. Colour profile and depth are
    kept, transparency is not, and grey becomes RGB.

    Parameters
    ----------
    inputs
        Pictures, and folders, which are searched with their subfolders. PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF
        and HEIC (with the extra heic) can be read.
    output
        Folder for the LR pictures, with the same subfolders as an input folder; or, for a single picture, a file.
        They are PNG unless that file's name or --output-format says otherwise.
    kind
        bicubic, bicubic-aliased, bilinear, bilinear-aliased, area, lanczos, resshift-test, realesrgan, bsrgan, web;
        or, with the parameters of published code, resshift-code, resshift-test-code, realesrgan-x4plus or
        bsrgan-code. By default realesrgan.
    scale
        Integer factor to downscale by. By default 4.
    seed
        Seed of the random kinds: all but bicubic to lanczos. By default 0.
    strength
        Strength of the kind web: 0 is clean, 0.07 a JPEG of quality 90, 0.5 one of quality 30, 1 as realesrgan. By
        default each picture has a random strength, which the seed determines.
    list_
        Also write a list of the LR pictures, as CSV: the degradations of each, with their random values, and the
        SHA-256 of its pixels. It is written after the last picture, if none failed.
    check
        Write no pictures; make the pictures of a list again and print which ones differ. Kind, scale, seed and
        strength are taken from the list.
    sheet
        Write no LR pictures but one picture that shows what each kind does to the middle of a single input.
    square
        Make a test set of square pictures: each picture is first given this many pixels on both sides and written to
        OUTPUT/HR, its LR picture to OUTPUT/LR_x4, as deltasr evaluate reads them.
    square_by
        How a picture becomes square: squeeze resizes all of it, as DeltaDiff's released Set14 was made; crop takes the
        middle; fit makes its short side that long and takes the middle, as for ResShift's ImageNet-Test. By default
        squeeze.
    output_format
        png, jpeg, webp, tiff or bmp.
    overwrite
        Replace files that already exist.
    """
    from deltasr.errors import OutputError, SettingError

    if not inputs:
        raise SettingError("There is nothing to degrade; name pictures or folders.")
    if [output, sheet, check].count(None) != 2:
        raise SettingError(
            "Name one of: an --output for LR pictures, a --check of a list, or a --sheet for samples of all kinds."
        )
    if square is None and square_by is not None:
        raise SettingError("--square-by says how pictures become square; give their side by --square.")
    if square is not None and output is None:
        raise SettingError("--square makes a set of HR and LR pictures; name an --output folder for it.")
    if list_ is not None and output is None:
        raise SettingError("A --list is written beside LR pictures; name an --output for them.")
    if check is not None:
        if (kind, scale, seed, strength) != (None, None, None, None):
            raise SettingError("A --check takes them from the list; leave out --kind, --scale, --seed and --strength.")
        return _check_files(inputs, check)
    kind, scale, seed = kind or _KIND, _SCALE if scale is None else scale, _SEED if seed is None else seed
    if sheet is not None:
        if len(inputs) > 1 or inputs[0].is_dir():
            raise SettingError("A sheet shows one picture; name a single file.")
        if strength is not None:
            raise SettingError("A sheet shows every kind with random values; leave out --strength.")
        return _write_sheet(inputs[0], sheet, scale=scale, seed=seed, overwrite=overwrite)
    assert output is not None
    if list_ is not None and list_.exists() and not overwrite:
        raise OutputError(f"{list_} already exists; choose --overwrite, or another name.")
    lines, status = _degrade_files(
        inputs,
        output,
        output_format,
        kind=kind,
        scale=scale,
        seed=seed,
        strength=strength,
        listed=list_ is not None,
        square=square,
        square_by=square_by or "squeeze",
        overwrite=overwrite,
    )
    return status if list_ is None else _write_list(lines, list_, status=status)


def _degrade_files(
    inputs: tuple[Path, ...],
    output: Path,
    output_format: str | None,
    *,
    kind: str,
    scale: int,
    seed: int,
    strength: float | None,
    listed: bool,
    square: int | None,
    square_by: Literal["squeeze", "crop", "fit"],
    overwrite: bool,
) -> tuple[list[Line], int]:
    """Degrade files. Returns a line for each LR picture, and the exit status."""
    from deltasr.degradation.kinds import degradation_of
    from deltasr.errors import SettingError
    from deltasr.evaluation.degraded_files import SquareSet, degrade_file, name_in_set
    from deltasr.evaluation.squares import Square
    from deltasr.imaging.formats import READABLE_SUFFIXES, format_named
    from deltasr.planning import plan_jobs, run_jobs

    degradation_of(kind, strength)
    if scale < 1:
        raise SettingError(f"--scale {scale} is out of range; it is a whole factor of at least 1.")
    squares: SquareSet | None = None
    if square is not None:
        if output.suffix.lower() in READABLE_SUFFIXES:
            raise SettingError(f"{output} is a file's name, and --square makes two folders; name one to hold them.")
        hr, output = output / "HR", output / f"LR_x{scale}"
        squares = SquareSet(square=Square(side=square, way=square_by), hr=hr, lr=output, overwrite=overwrite)
    if output_format is None and output.suffix.lower() not in READABLE_SUFFIXES:
        output_format = "png"
    plan = plan_jobs(inputs, output, output_format=output_format)
    formats = {format_named(output_format or job.target.suffix).name for job in plan.jobs}
    if listed and not formats <= set(_LISTED_FORMATS):
        raise SettingError(f"A --list needs LR pictures that keep every pixel; write {' or '.join(_LISTED_FORMATS)}.")
    lines: list[Line] = []

    def degrade(job: Job) -> Outcome:
        outcome, line = degrade_file(
            job,
            name=name_in_set(job, output),
            kind=kind,
            scale=scale,
            seed=seed,
            strength=strength,
            output_format=output_format,
            squares=squares,
        )
        lines.append(line)
        return outcome

    existing: Existing = "overwrite" if overwrite else "fail"
    for failure in plan.failures:
        tell(failure)
    for outcome in run_jobs(plan.jobs, degrade, existing=existing, advice="--overwrite"):
        tell(outcome, detail=kind)
    failed = len(plan.jobs) + len(plan.failures) - len(lines)
    print(f"{len(lines)} done, {failed} failed" + (f", {plan.ignored} not pictures" if plan.ignored else ""))
    return lines, int(failed > 0)


def _write_list(lines: list[Line], path: Path, *, status: int) -> int:
    """Write the list if no picture failed. Returns the exit status, which is that of the pictures."""
    from deltasr.evaluation.degraded_list import to_csv
    from deltasr.files import write_whole

    if status:
        complain(f"{path} was not written, since pictures are missing.")
        return status
    write_whole(path, to_csv(lines), what="The list")
    print(plain(f"{path}: what each went through"))
    return status


def _check_files(inputs: tuple[Path, ...], path: Path) -> int:
    """Make the pictures of a list again, print which differ, and write none. Returns the exit status."""
    from deltasr.evaluation.degraded_files import compare_file, name_in_set
    from deltasr.evaluation.degraded_list import read_list
    from deltasr.planning import plan_jobs, run_jobs

    listed = {line.name: (number, line) for number, line in enumerate(read_list(path), start=2)}
    with TemporaryDirectory(prefix="deltasr-") as unused:  # results are planned and never written
        plan = plan_jobs(inputs, Path(unused), output_format="png")
        jobs = {name_in_set(job, Path(unused)): job for job in plan.jobs}
    names = {job: name for name, job in jobs.items()}
    for failure in plan.failures:
        tell(failure)
    for name in sorted(jobs.keys() - listed.keys()):
        complain(f"{jobs[name].source} is not in the list.")
    for name, (number, _) in listed.items():
        if name not in jobs:
            print(plain(f"{path}, line {number}, {name}: there is no HR picture of that name"))

    def check(job: Job) -> Outcome:
        return compare_file(job, line=listed[names[job]][1])

    same = 0
    checked = [name for name in listed if name in jobs]
    outcomes = run_jobs([jobs[name] for name in checked], check, existing="overwrite")
    for name, outcome in zip(checked, outcomes, strict=True):
        if outcome.status == "failed":
            tell(outcome)
            continue
        same += not outcome.notes
        for differs in outcome.notes:
            print(plain(f"{path}, line {listed[name][0]}, {name}: {differs}"), flush=True)
    print(f"{same} of {len(listed)} pictures are those of the list")
    if same < len(listed):
        print(f"Made here with {_libraries()}; other versions and other processors may round differently.")
    return int(same < len(listed) or bool(jobs.keys() - listed.keys()) or bool(plan.failures))


def _libraries() -> str:
    """The libraries that the pixels depend on, with their versions."""
    import PIL
    import torch
    from PIL import features

    turbo = features.version("libjpeg_turbo")
    codec = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"torch {torch.__version__}, Pillow {PIL.__version__} and {codec}"


def _write_sheet(source: Path, sheet: Path, *, scale: int, seed: int, overwrite: bool) -> int:
    """Write a picture of all kinds. Returns the exit status, 0."""
    import torch

    from deltasr.degradation.sheet import contact_sheet
    from deltasr.errors import PictureError
    from deltasr.imaging import picture_from, read_rgb8, write_picture

    if sheet.exists() and not overwrite:
        raise PictureError(f"{sheet} already exists; choose --overwrite, or another name.")
    pixels = read_rgb8(source)
    height, width = (min(side, _LARGEST_SHEET_SIDE) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    middle = torch.tensor(pixels[top : top + height, left : left + width])
    hr = middle.permute(2, 0, 1)[None].float() / 255
    for note in write_picture(picture_from(contact_sheet(hr, scale=scale, seed=seed)), sheet):
        print(plain(note))
    print(plain(f"{sheet}: every degradation of the middle {width}x{height} pixels of {source}"))
    return 0
