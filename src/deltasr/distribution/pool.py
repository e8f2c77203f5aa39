"""A pool of workers: pictures go to whichever is free, and a worker that dies is replaced.

The pools of `concurrent.futures` and of loky break as a whole when one of their processes dies.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from deltasr.errors import DeltasrError, SettingError
from deltasr.planning import Job, Outcome, failed

_T = TypeVar("_T")
_ATTEMPTS = 2
"""How often a picture is given to a worker."""
_STARTS = 3
"""How often in a row a worker may end before it is ready."""
_QUEUED = 2
"""Pictures per worker that are handed out and not finished."""


class WorkerEndedError(Exception):
    """A worker ended before it answered; the message says how."""


class Worker(Protocol):
    """A process that upscales one file at a time, here or elsewhere. It is started when the object is made."""

    def ready(self) -> str | None:
        """Wait until the model is loaded; a note for the user, or None.

        Raises:
            WorkerEndedError: the process ended.
            ModelError, SettingError: the model cannot be loaded as it should be.
        """

    def work(self, job: Job, *, replace_maps: bool) -> Outcome:
        """Upscale a file, and wait for it.

        Raises:
            WorkerEndedError: the process ended.
            SettingError: a setting is wrong for every file.
        """

    def kill(self) -> None:
        """End the process, from any thread; what waits for it then raises WorkerEndedError."""

    def close(self) -> None:
        """Wait until the process has been ended, and free what belongs to it."""


@dataclass(kw_only=True, eq=False)
class _Task:
    job: Job
    future: Future[Outcome] = field(default_factory=Future)
    attempts: int = 0


class Pool:
    """Workers, each with a thread of this process that gives it pictures. At the end of a `with` all are ended.

    Attributes:
        size: how many workers there are.
    """

    def __init__(
        self,
        starts: Sequence[Callable[[], Worker]],
        *,
        settled: Callable[[Job], Outcome | None],
        replace_maps: bool = False,
    ) -> None:
        """Start workers.

        Args:
            starts: one function per worker, which starts it, and starts another when that one has died.
            settled: the outcome of a job that there is nothing to do for, else None; called once per job.
            replace_maps: whether files of a result's map may be there already.
        """
        self.size = len(starts)
        self._settled = settled
        self._replace_maps = replace_maps
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._note: Future[str | None] = Future()
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._closed = threading.Event()
        self._failure: DeltasrError | None = None
        self._serving = len(starts)
        self._threads = [threading.Thread(target=self._serve, args=(start,), daemon=True) for start in starts]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._closed.set()
            workers = list(self._workers)
        for worker in workers:
            worker.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def note(self) -> str | None:
        """The note of the first worker that is ready; waits for it.

        Raises:
            ModelError, SettingError: the model cannot be loaded as it should be.
        """
        _await({self._note})
        return self._note.result()

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand a picture to the next free worker.

        The future's exception is a SettingError if a setting is wrong for every file, or if there is no worker left.
        """
        task = _Task(job=job)
        with self._lock:
            if self._failure is not None:
                task.future.set_exception(self._failure)
            else:
                self._tasks.put(task)
        return task.future

    def outcomes(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Upscale many files.

        Yields:
            One outcome per job, in the order of the jobs.

        Raises:
            ModelError, SettingError: as in `submit`.
        """
        left = iter(jobs)
        ordered: deque[Future[Outcome]] = deque()
        unfinished: set[Future[Outcome]] = set()
        while True:
            for job in islice(left, _QUEUED * self.size - len(unfinished)):
                future = self.submit(job)
                ordered.append(future)
                unfinished.add(future)
            if not ordered:
                return
            unfinished = _await(unfinished)
            while ordered and ordered[0].done():
                yield ordered.popleft().result()

    def _serve(self, start: Callable[[], Worker]) -> None:
        """The work of a thread: keep a worker alive, and give it pictures until the pool is closed."""
        if hasattr(signal, "pthread_sigmask"):  # Ctrl-C is for the main thread, and not for processes started here
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        ends = 0
        while (worker := self._started(start)) is not None:
            try:
                self._announce(worker.ready())
                ends = 0
                self._give_work(worker)
                return
            except WorkerEndedError as end:
                ends += 1
                if ends == _STARTS:
                    self._give_up(
                        SettingError(f"A worker ended while it loaded the model ({end}); ask for fewer workers.")
                    )
                    return
            except DeltasrError as error:
                self._fail(error)
                return
            finally:
                with self._lock:
                    self._workers.discard(worker)
                worker.kill()
                worker.close()
            self._closed.wait((ends - 1) ** 2)

    def _started(self, start: Callable[[], Worker]) -> Worker | None:
        """A new worker, or None if the pool is closed or has failed."""
        with self._lock:
            if self._closed.is_set() or self._failure is not None:
                return None
            worker = start()
            self._workers.add(worker)
            return worker

    def _give_work(self, worker: Worker) -> None:
        """Give a worker pictures until the pool is closed.

        Raises:
            WorkerEndedError: the worker ended; the picture that it had is handed out again or has failed.
        """
        while (task := self._tasks.get()) is not None and not self._closed.is_set():
            try:
                outcome = None if task.attempts else self._settled(task.job)
                task.attempts += 1
                if outcome is None:
                    outcome = worker.work(task.job, replace_maps=self._replace_maps or task.attempts > 1)
            except WorkerEndedError as end:
                self._hand_out_again(task, end)
                raise
            except Exception as error:
                task.future.set_exception(error)
            else:
                task.future.set_result(outcome)

    def _hand_out_again(self, task: _Task, end: WorkerEndedError) -> None:
        if task.attempts < _ATTEMPTS:
            self._tasks.put(task)
            return
        reason = f"{task.job.source}: its worker ended {task.attempts} times ({end}); if memory is short, use fewer."
        task.future.set_result(failed(task.job.source, reason))

    def _announce(self, note: str | None) -> None:
        with self._lock:
            if not self._note.done():
                self._note.set_result(note)

    def _give_up(self, error: DeltasrError) -> None:
        """Go on with one worker fewer; without any, fail."""
        with self._lock:
            self._serving -= 1
            last = self._serving == 0
        if last:
            self._fail(error)

    def _fail(self, error: DeltasrError) -> None:
        """Let everything that waits, and will wait, have an error."""
        with self._lock:
            self._failure = self._failure or error
            if not self._note.done():
                self._note.set_exception(error)
            while True:
                try:
                    task = self._tasks.get_nowait()
                except Empty:
                    return
                if task is not None:
                    task.future.set_exception(error)


def _await(futures: set[Future[_T]]) -> set[Future[_T]]:
    """Wait until one of the futures is done, and give those that are not; on Windows, too, Ctrl-C ends it soon."""
    while not (waited := wait(futures, timeout=1, return_when=FIRST_COMPLETED)).done:
        pass
    return waited.not_done
