"""`deltasr upscale` for videos: which result goes where, and what is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deltasr.cli.messages import file_bars, tell
from deltasr.cli.pipe import STANDARD

if TYPE_CHECKING:
    from deltasr.inference.batch import Request
    from deltasr.inference.upscaler import Upscaler
    from deltasr.planning import Existing, Job
    from deltasr.video.formats import Encoding


def upscale_videos(
    inputs: Sequence[Path],
    output: Path | None,
    request: Request,
    encoding: Encoding,
    existing: Existing,
    model: str,
    load_upscaler: Callable[[], Upscaler] | None,
) -> int:
    """Upscale videos, or print what would be done if there is no `load_upscaler`. Returns the exit status.

    Raises:
        SettingError: there are other inputs than videos, or a setting is wrong for all of them.
        ModelError: the model cannot be loaded.
    """
    from deltasr.inference.batch import require_possible
    from deltasr.models import catalogue
    from deltasr.models.facts import told_by
    from deltasr.planning import run_jobs, settled
    from deltasr.video.upscaling import foresee_clip, require_for_videos, upscale_clip

    require_for_videos(request)
    facts = catalogue.facts(model) or told_by(catalogue.load(model))
    if load_upscaler is None:
        require_possible(facts, request)
    jobs = _jobs(inputs, output, mark=request.mark(facts.scale))
    to_do = [job for job in jobs if settled(job, existing) is None]
    upscaler = load_upscaler() if load_upscaler is not None and to_do else None
    if upscaler is not None and upscaler.note is not None:
        print(f"note: {upscaler.note}")
    statuses = []
    with file_bars(len(jobs)) as (advance, next_file):
        if upscaler is not None:
            work = partial(upscale_clip, upscaler=upscaler, request=request, encoding=encoding, progress=advance)
        else:
            work = partial(foresee_clip, model=facts, request=request, encoding=encoding)
        for outcome in run_jobs(jobs, work, existing=existing):
            tell(outcome)
            statuses.append(outcome.status)
            next_file(outcome)
    begun = "to do" if load_upscaler is None else "done"
    done = sum(status in ("done", "planned") for status in statuses)
    print(f"{done} {begun}, {statuses.count('skipped')} skipped, {statuses.count('failed')} failed")
    return int("failed" in statuses)


def _jobs(inputs: Sequence[Path], output: Path | None, *, mark: str) -> list[Job]:
    """A job for each video.

    Raises:
        SettingError: an input is no video, or two results would be one file, or one that is an input.
    """
    from deltasr.errors import SettingError
    from deltasr.planning import Job
    from deltasr.video.formats import container_of, is_video, result_suffix

    for path in (*inputs, *([] if output is None else [output])):
        if path == STANDARD:
            raise SettingError("Videos go from files to files; name them in place of standard input and output.")
    for path in inputs:
        if not is_video(path):
            raise SettingError(f"{path} is no video; upscale pictures, and folders of them, by a command of their own.")
    names_a_file = output is not None and len(inputs) == 1 and bool(output.suffix) and not output.is_dir()
    jobs = []
    for source in inputs:
        name = source.with_suffix(result_suffix(source)).name
        if output is None:
            target = source.with_name(f"{source.stem}-{mark}{Path(name).suffix}")
        else:
            target = output if names_a_file else output / name
        container_of(target)
        jobs.append(Job(source=source, target=target))
    taken = [job.target.resolve() for job in jobs]
    for job in jobs:
        resolved = job.target.resolve()
        if taken.count(resolved) > 1 or resolved in [source.resolve() for source in inputs]:
            raise SettingError(
                f"The result of {job.source} would be {job.target}, which is taken; name another output."
            )
    return jobs
