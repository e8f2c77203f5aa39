"""`deltasr degrade`: LR pictures from HR ones, for test pairs; and a sheet that shows what each degradation does."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from deltasr.cli.messages import complain, plain, tell

if TYPE_CHECKING:
    from deltasr.evaluation.degraded import Line
    from deltasr.planning import Existing, Job, Outcome

_LARGEST_SHEET_SIDE = 224
_KIND, _SCALE, _SEED = "realesrgan", 4, 0
_LISTED_FORMATS = ("png", "tiff")
"""Those that keep every pixel, of 8 and of 16 bits, so that a list's SHA-256 is the file's too."""


def degrade_command(
    *inputs: Path,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    kind: str | None = None,
    scale: int | None = None,
    seed: int | None = None,
    strength: float | None = None,
    list_: Annotated[Path | None, Parameter(name="--list")] = None,
    check: Path | None = None,
    sheet: Path | None = None,
    output_format: str | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Make LR pictures from HR ones, with a list of what each went through; or a sheet of all degradations.

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
        bicubic, bicubic-aliased, bilinear, bilinear-aliased, area, lanczos, resshift-test, realesrgan, bsrgan or
        web. By default realesrgan.
    scale
        Whole factor to shrink by. By default 4.
    seed
        Of the random kinds: resshift-test, realesrgan, bsrgan and web. By default 0.
    strength
        Of the kind web: 0 is clean, 0.07 a JPEG of quality 90, 0.5 one of quality 30, 1 as realesrgan. By default
        each picture has one of its own, drawn from the seed.
    list_
        Also write a list of the LR pictures, as CSV: what each went through, with the values drawn for it, and the
        SHA-256 of its pixels, which PNG and TIFF keep as they are. It appears when every picture is made.
    check
        Instead of writing LR pictures, tell whether those that are made now are those of a list, and which are not.
        Kind, scale and seed are the list's.
    sheet
        Instead of LR pictures, write a picture of what every kind does to the middle of a single input.
    output_format
        png, jpeg, webp, tiff or bmp.
    overwrite
        Replace files that are there already.
    """
    from deltasr.errors import PictureError, SettingError

    if not inputs:
        raise SettingError("There is nothing to degrade; name pictures or folders.")
    if [output, sheet, check].count(None) != 2:
        raise SettingError(
            "Name one of: an --output for LR pictures, a --check of a list, or a --sheet for samples of all kinds."
        )
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
            raise SettingError("A sheet shows every kind, each with its own draws; leave out --strength.")
        _write_sheet(inputs[0], sheet, scale=scale, seed=seed, overwrite=overwrite)
        return 0
    assert output is not None
    if list_ is not None and list_.exists() and not overwrite:
        raise PictureError(f"{list_} exists already; choose --overwrite, or another name.")
    lines, status = _degrade_files(
        inputs,
        output,
        output_format,
        kind=kind,
        scale=scale,
        seed=seed,
        strength=strength,
        listed=list_ is not None,
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
    overwrite: bool,
) -> tuple[list[Line], int]:
    """Degrade one file after the other; what goes wrong with one is told and stops nothing. Lines and the status."""
    from deltasr.degradation.kinds import degradation_of
    from deltasr.errors import PictureError, SettingError
    from deltasr.evaluation.degraded import degrade_picture
    from deltasr.imaging import READABLE_SUFFIXES, read_picture, write_picture
    from deltasr.imaging.formats import format_named
    from deltasr.planning import Outcome, plan_jobs, run_jobs

    degradation_of(kind, strength)
    if scale < 1:
        raise SettingError(f"--scale {scale} is out of range; it is a whole factor of at least 1.")
    if output_format is None and output.suffix.lower() not in READABLE_SUFFIXES:
        output_format = "png"
    plan = plan_jobs(inputs, output, output_format=output_format)
    formats = {format_named(output_format or job.target.suffix).name for job in plan.jobs}
    if listed and not formats <= set(_LISTED_FORMATS):
        raise SettingError(f"A --list needs LR pictures that keep every pixel; write {' or '.join(_LISTED_FORMATS)}.")
    for failure in plan.failures:
        tell(failure)
    lines: list[Line] = []

    def degraded(job: Job) -> Outcome:
        picture = read_picture(job.source)
        try:
            made = degrade_picture(
                picture, name=_name_below(job, output), kind=kind, scale=scale, seed=seed, strength=strength
            )
        except SettingError as error:  # the scale is not possible for this picture; it may be for others
            raise PictureError(str(error)) from error
        job.target.parent.mkdir(parents=True, exist_ok=True)
        lost = write_picture(made.picture, job.target, format=output_format)
        lines.append(made.line)
        notes = (*picture.notes, *made.notes, *lost)
        size = made.line.height, made.line.width
        return Outcome(source=job.source, target=job.target, status="done", notes=notes, size=size)

    existing: Existing = "overwrite" if overwrite else "fail"
    for outcome in run_jobs(plan.jobs, degraded, existing=existing, advice="--overwrite"):
        tell(outcome, detail=kind)
    failed = len(plan.jobs) + len(plan.failures) - len(lines)
    print(f"{len(lines)} done, {failed} failed" + (f", {plan.ignored} not pictures" if plan.ignored else ""))
    return lines, int(failed > 0)


def _write_list(lines: list[Line], path: Path, *, status: int) -> int:
    """Write the list of a run in which nothing failed. Returns the run's status."""
    from deltasr.evaluation.degraded_list import to_csv
    from deltasr.evaluation.report import write_report

    if status:
        complain(f"{path} was not written, since pictures are missing.")
        return status
    write_report(to_csv(lines), path)
    print(plain(f"{path}: what each went through"))
    return status


def _check_files(inputs: tuple[Path, ...], path: Path) -> int:
    """Make every picture of a list again, tell which differ, and write none. Returns the status."""
    from deltasr.errors import DeltasrError
    from deltasr.evaluation.degraded import degrade_picture
    from deltasr.evaluation.degraded_list import difference, read_list
    from deltasr.imaging import read_picture
    from deltasr.planning import failed, plan_jobs

    listed = {line.name: (number, line) for number, line in enumerate(read_list(path), start=2)}
    with TemporaryDirectory(prefix="deltasr-") as nowhere:
        plan = plan_jobs(inputs, Path(nowhere), output_format="png")
        jobs = {_name_below(job, Path(nowhere)): job for job in plan.jobs}
    for failure in plan.failures:
        tell(failure)
    for name in sorted(jobs.keys() - listed.keys()):
        complain(f"{jobs[name].source} is not in the list.")
    same = 0
    for name, (number, line) in listed.items():
        if name not in jobs:
            print(plain(f"{path}, line {number}, {name}: there is no HR picture of that name"))
            continue
        try:
            picture = read_picture(jobs[name].source)
            made = degrade_picture(
                picture, name=name, kind=line.kind, scale=line.scale, seed=line.seed, strength=line.strength
            )
        except (DeltasrError, OSError, MemoryError) as error:
            tell(failed(jobs[name].source, str(error) or type(error).__name__))
            continue
        differs = difference(line, made.line)
        same += differs is None
        if differs is not None:
            print(plain(f"{path}, line {number}, {name}: {differs}"), flush=True)
    print(f"{same} of {len(listed)} pictures are those of the list")
    if same < len(listed):
        print(f"Made here with {_libraries()}; other versions and other processors may round otherwise.")
    return int(same < len(listed) or bool(jobs.keys() - listed.keys()) or bool(plan.failures))


def _libraries() -> str:
    """What the pixels depend on, with versions."""
    import PIL
    import torch
    from PIL import features

    turbo = features.version("libjpeg_turbo")
    codec = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"torch {torch.__version__}, Pillow {PIL.__version__} and {codec}"


def _name_below(job: Job, output: Path) -> str:
    """What a picture is called in a set, wherever the set lies: its path below the input folder, without suffix."""
    relative = Path(job.source.name) if job.target == output else job.target.relative_to(output)
    return relative.with_suffix("").as_posix()


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
        print(plain(note))
    print(plain(f"{sheet}: every degradation of the middle {width}x{height} pixels of {source}"))
