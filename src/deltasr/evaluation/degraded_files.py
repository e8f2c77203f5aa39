"""The work on one file of a set: make its LR picture, or compare it with a list."""

from __future__ import annotations

from pathlib import Path

from deltasr.errors import PictureError, SettingError
from deltasr.evaluation.degraded import Degraded, Line, degrade_picture
from deltasr.evaluation.degraded_list import difference
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.planning import Job, Outcome


def name_in_set(job: Job, output: Path) -> str:
    """The name of a job's picture in its set: its path below the input folder, without suffix.

    Args:
        job: from `planning.plan_jobs`.
        output: the output that the jobs were planned for.
    """
    relative = Path(job.source.name) if job.target == output else job.target.relative_to(output)
    return relative.with_suffix("").as_posix()


def degrade_file(
    job: Job, *, name: str, kind: str, scale: int, seed: int, strength: float | None, output_format: str | None
) -> tuple[Outcome, Line]:
    """Write the LR picture of one file into another, whose folder is made.

    Args:
        job: the two files.
        name, kind, scale, seed, strength: as `degraded.degrade_picture` takes them.
        output_format: as `imaging.write_picture` takes it.

    Returns:
        The outcome, and the line about the LR picture.

    Raises:
        PictureError: the picture cannot be read or written, or the scale is not possible for it.
        OSError: the folder cannot be made.
    """
    picture = read_picture(job.source)
    made = _degraded(picture, name, kind, scale, seed, strength)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    lost = write_picture(made.picture, job.target, format=output_format)
    notes = (*picture.notes, *made.notes, *lost)
    size = made.line.height, made.line.width
    return Outcome(source=job.source, target=job.target, status="done", notes=notes, size=size), made.line


def compare_file(job: Job, *, line: Line) -> Outcome:
    """Degrade one file again as a list says, without writing; a difference is the outcome's only note.

    Raises:
        PictureError: the picture cannot be read, or the list's scale is not possible for it.
    """
    made = _degraded(read_picture(job.source), line.name, line.kind, line.scale, line.seed, line.strength)
    differs = difference(line, made.line)
    return Outcome(source=job.source, status="done", notes=() if differs is None else (differs,))


def _degraded(picture: Picture, name: str, kind: str, scale: int, seed: int, strength: float | None) -> Degraded:
    try:
        return degrade_picture(picture, name=name, kind=kind, scale=scale, seed=seed, strength=strength)
    except SettingError as error:  # the scale is not possible for this picture; it may be for others
        raise PictureError(str(error)) from error
