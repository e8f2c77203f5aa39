"""The work on one file of a set: make its LR picture, and its HR picture where that is to be square, or compare it with
a list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deltasr.errors import PictureError, SettingError
from deltasr.evaluation.degraded import Degraded, Line, degrade_picture
from deltasr.evaluation.degraded_list import difference
from deltasr.evaluation.squares import Square
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.planning import Job, Outcome


@dataclass(frozen=True, kw_only=True)
class SquareSet:
    """A set of square HR pictures, which are written to a folder `HR` beside that of the LR pictures.

    Attributes:
        square: what HR pictures become first.
        hr: their folder.
        lr: the folder of the LR pictures, which jobs are planned for.
        overwrite: whether HR pictures that exist are replaced.
    """

    square: Square
    hr: Path
    lr: Path
    overwrite: bool = False

    def file(self, job: Job) -> Path:
        """The file of a job's HR picture.

        Raises:
            PictureError: it exists.
        """
        file = self.hr / job.target.relative_to(self.lr)
        if file.exists() and not self.overwrite:
            raise PictureError(f"{file} already exists; choose --overwrite, or another output.")
        return file


def name_in_set(job: Job, output: Path) -> str:
    """The name of a job's picture in its set: its path below the input folder, without suffix.

    Args:
        job: from `planning.plan_jobs`.
        output: the output that the jobs were planned for.
    """
    relative = Path(job.source.name) if job.target == output else job.target.relative_to(output)
    return relative.with_suffix("").as_posix()


def degrade_file(
    job: Job,
    *,
    name: str,
    kind: str,
    scale: int,
    seed: int,
    strength: float | None,
    output_format: str | None,
    squares: SquareSet | None = None,
) -> tuple[Outcome, Line]:
    """Write the LR picture of one file into another, whose folder is made.

    Args:
        job: the two files.
        name, kind, scale, seed, strength: as `degraded.degrade_picture` takes them.
        output_format: as `imaging.write_picture` takes it.
        squares: where the square HR picture is written; None leaves HR pictures as they are.

    Returns:
        The outcome, and the line about the LR picture.

    Raises:
        PictureError: the picture cannot be read or written, or the scale is not possible for it.
        OSError: the folder cannot be made.
    """
    read = read_picture(job.source)
    hr_file = None if squares is None else squares.file(job)
    hr = read if squares is None else squares.square.of(read)
    made = _degraded(hr, name, kind, scale, seed, strength)
    for file, picture in ((hr_file, hr), (job.target, made.picture)):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            lost = write_picture(picture, file, format=output_format)
    notes = (*read.notes, *made.notes, *lost)
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
