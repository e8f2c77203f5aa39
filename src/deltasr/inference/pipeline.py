"""Many files, overlapped: while one picture is computed, the next is read and the one before is written.

Reading and writing have a thread each; computing stays in the caller's. At most one picture is read ahead, and one
result waits to be written, so memory is bounded. Results, messages and their order are as without threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from deltasr import interruption
from deltasr.errors import DeltasrError, SettingError
from deltasr.planning import Existing, Job, Outcome, failed, run_jobs, settled

Source = TypeVar("Source")
Result = TypeVar("Result")
Value = TypeVar("Value")

_GLANCE = 0.2
"""Seconds after which a thread that waits looks whether Ctrl-C was pressed."""


@dataclass(frozen=True)
class Stages(Generic[Source, Result]):
    """The work on a file in three parts; each raises what is wrong with the file.

    Attributes:
        read: makes the picture of a job.
        compute: makes the result of a job's picture.
        write: writes the result.
    """

    read: Callable[[Job], Source]
    compute: Callable[[Job, Source], Result]
    write: Callable[[Job, Result], Outcome]

    def all(self, job: Job) -> Outcome:
        """The whole work on a file, in this thread; the outcome has the seconds that it took."""
        started = time.monotonic()
        outcome = self.write(job, self.compute(job, self.read(job)))
        return replace(outcome, seconds=time.monotonic() - started)


def run_overlapped(
    jobs: Iterable[Job], stages: Stages[Source, Result], *, existing: Existing = "fail"
) -> Iterator[Outcome]:
    """As `planning.run_jobs`, with one file read and one written while another is computed.

    A file that cannot be read or computed beside others is tried again alone, since memory may have been short. The
    seconds of an outcome are those of the work on its file; the sum of all is more than the clock shows.

    Args:
        jobs: from `plan_jobs`.
        stages: the work.
        existing: what happens if a result already exists.

    Yields:
        One outcome per job, in order: when the result is written, and the next one computed.

    Raises:
        SettingError: a setting is wrong for every file.
        KeyboardInterrupt: Ctrl-C was pressed. A result that is being written then appears whole, or not at all.
    """
    with _threads() as (reader, writer):
        line = _Line(stages, existing, reader, writer)
        files = map(line.begin, jobs)
        before, following = None, next(files, None)
        while before is not None or following is not None:
            current, following = following, None if following is None else next(files, None)
            try:
                if current is not None and current.outcome is None:
                    line.compute(current, before, following)
            except (SettingError, KeyboardInterrupt):
                if before is not None:
                    yield line.finish(before)
                raise
            if before is not None:
                yield line.finish(before)
            before = current


@dataclass
class _File(Generic[Source]):
    """A file on its way: its picture, which is being read, or its outcome, which is being made."""

    job: Job
    picture: Future[Source] | None = None
    outcome: Future[Outcome] | None = None
    seconds: float = 0.0

    def timed(self, stage: Callable[..., Value], *arguments: object) -> Value:
        """What a stage returns; its time is added to the file's."""
        started = time.monotonic()
        try:
            return stage(*arguments)
        finally:
            self.seconds += time.monotonic() - started


class _Line(Generic[Source, Result]):
    """What is done with one file after the other, by the caller's thread and two more."""

    def __init__(
        self, stages: Stages[Source, Result], existing: Existing, reader: ThreadPoolExecutor, writer: ThreadPoolExecutor
    ) -> None:
        self._stages, self._existing, self._reader, self._writer = stages, existing, reader, writer

    def begin(self, job: Job) -> _File[Source]:
        """Begin to read a job's picture, unless its result is there."""
        outcome = settled(job, self._existing)
        if outcome is not None:
            return _File(job, outcome=_done(outcome))
        file: _File[Source] = _File(job)
        self._read(file)
        return file

    def compute(self, file: _File[Source], before: _File[Source] | None, following: _File[Source] | None) -> None:
        """Compute a file's result and begin to write it; alone, if it fails beside the two other files."""
        assert file.picture is not None
        try:
            picture = _result_of(file.picture)
            result = file.timed(self._stages.compute, file.job, picture)
        except SettingError:
            raise
        except (DeltasrError, OSError, MemoryError):
            file.picture = None
        else:
            file.outcome = self._writer.submit(file.timed, self._stages.write, file.job, result)
            file.picture = None
            return
        if before is not None and before.outcome is not None:
            _wait(before.outcome)
        if following is not None and following.picture is not None:
            _wait(following.picture)
            following.picture = None
        alone = run_jobs([file.job], self._stages.all, existing=self._existing)
        file.outcome = _done(file.timed(next, alone))
        if following is not None and following.outcome is None:
            self._read(following)

    def finish(self, file: _File[Source]) -> Outcome:
        """The outcome of a file, when it is there."""
        assert file.outcome is not None
        try:
            outcome = file.outcome.result()
        except SettingError:
            raise
        except (DeltasrError, OSError, MemoryError) as error:
            outcome = failed(file.job.source, str(error) or type(error).__name__)
        return replace(outcome, seconds=file.seconds) if outcome.status == "done" else outcome

    def _read(self, file: _File[Source]) -> None:
        file.picture = self._reader.submit(file.timed, self._stages.read, file.job)


@contextmanager
def _threads() -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
    """One thread to read and one to write; at the end what is being written is finished, and nothing else is begun."""
    reader, writer = ThreadPoolExecutor(1, "reader"), ThreadPoolExecutor(1, "writer")
    try:
        yield reader, writer
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
        writer.shutdown(wait=True, cancel_futures=True)


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future


def _result_of(future: Future[Value]) -> Value:
    _wait(future)
    return future.result()


def _wait(future: Future) -> None:
    """Wait for a future, and raise KeyboardInterrupt as soon as Ctrl-C was pressed."""
    while wait([future], timeout=_GLANCE).not_done:
        interruption.check()
