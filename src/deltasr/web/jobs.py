"""The queue and its worker: one job at a time, and short urgent ones between two tiles of a long one."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal

from deltasr.errors import DeltasrError
from deltasr.web.failures import CancelledError, WebError, as_web_error

Progress = Callable[[float], None]
"""Told the share of the work that is done; raises where the job is to end."""

Work = Callable[[Progress], Any]
State = Literal["waiting", "running", "done", "failed", "cancelled"]

_log = logging.getLogger("deltasr.web")
_REMEMBERED = 8
_LONGEST_RETRY = 60


class Job:
    """A piece of work, from its place in the queue to its result.

    Attributes:
        owner: whose it is, for the order of the queue.
        place: its turn and the number of its arrival, by which jobs run.
        urgent: whether it goes before those that are not.
        share: of the work, in [0, 1], that is done.
        future: its result, or the `WebError` with the reason why there is none.
    """

    def __init__(self, work: Work, *, owner: str, place: tuple[int, int] = (0, 0), urgent: bool = False) -> None:
        self.owner = owner
        self.place = place
        self.urgent = urgent
        self.share = 0.0
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # so that only the queue ends it
        self.ends_at = float("inf")
        self._work = work
        self._running = False
        self._cancelled: CancelledError | None = None

    @property
    def state(self) -> State:
        if not self.future.done():
            return "running" if self._running else "waiting"
        error = self.future.exception()
        if error is None:
            return "done"
        return "cancelled" if isinstance(error, CancelledError) else "failed"

    @property
    def error(self) -> str:
        """The reason why it failed, if it did, as a sentence."""
        return str(self.future.exception() or "") if self.future.done() else ""

    def ask_to_end(self, reason: CancelledError) -> None:
        """Let it end at its next tile, or before it begins."""
        self._cancelled = self._cancelled or reason

    def check(self, share: float) -> None:
        """Note how far it is.

        Raises:
            CancelledError: it is to end.
            WebError: its time is up.
        """
        if self._cancelled is not None:
            raise self._cancelled
        if time.monotonic() > self.ends_at:
            raise WebError(504, "This picture takes longer than the server allows; give a smaller one, or part of it.")
        self.share = share

    def run(self, progress: Progress, *, seconds: float) -> None:
        """Do the work; whatever happens, the future is then settled."""
        self._running = True
        self.ends_at = time.monotonic() + seconds
        try:
            self.check(0.0)
            result = self._work(progress)
        except BaseException as error:
            if not isinstance(error, DeltasrError | MemoryError):
                _log.error("A job failed.", exc_info=error)
            self.future.set_exception(as_web_error(error))
        else:
            self.share = 1.0
            self.future.set_result(result)

    def abandon(self, reason: CancelledError) -> None:
        """Settle a job that never began."""
        self.future.set_exception(reason)


class Queue:
    """Jobs in a fair order: however many one user has waiting, the next one's first job comes after the one that runs.

    Each job has a turn, one after that of its user's last job, and none before the turn that is on (start-time fair
    queueing, P. Goyal et al., 1996, with jobs of one length); jobs of one turn run as they came.

    Args:
        waiting: jobs at most, of all users together.
        waiting_per_owner: of one user.
        seconds: that a job may take.
    """

    def __init__(self, *, waiting: int, waiting_per_owner: int, seconds: float) -> None:
        self._limit = waiting
        self._limit_per_owner = waiting_per_owner
        self._seconds = seconds
        self._numbers = itertools.count()
        self._turn = 0
        self._last_turns: dict[str, int] = {}
        self._waiting: list[Job] = []
        self._urgent: dict[str, Job] = {}
        self._current: set[Job] = set()
        self._took: deque[float] = deque([5.0], maxlen=_REMEMBERED)
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="deltasr-web-worker", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, owner: str) -> Job:
        """Queue some work.

        Raises:
            WebError: the queue, or the user's part of it, is full.
        """
        with self._changed:
            self._require_open()
            self._require_place(owner)
            turn = max(self._last_turns.get(owner, -1) + 1, self._turn)
            job = Job(work, owner=owner, place=(turn, next(self._numbers)))
            self._last_turns[owner] = turn
            self._waiting.append(job)
            self._changed.notify_all()
            return job

    def submit_urgent(self, work: Work, *, owner: str) -> Job:
        """Queue short work that goes first, even between two tiles of a running job.

        Each user has one at most: a new one replaces what still waits, and ends what is running.

        Raises:
            WebError: too many users have one waiting.
        """
        with self._changed:
            self._require_open()
            if owner not in self._urgent and len(self._urgent) >= self._limit:
                raise self._full()
            job = Job(work, owner=owner, urgent=True)
            replaced = CancelledError("A newer preview has taken its place.")
            if (earlier := self._urgent.pop(owner, None)) is not None:
                earlier.abandon(replaced)
            for running in self._current:
                if running.urgent and running.owner == owner:
                    running.ask_to_end(replaced)
            self._urgent[owner] = job
            self._changed.notify_all()
            return job

    def require_place(self, owner: str) -> None:
        """Refuse early, before an upload is read.

        Raises:
            WebError: the queue, or the user's part of it, is full.
        """
        with self._changed:
            self._require_place(owner)

    def cancel(self, job: Job) -> None:
        """End a job: at once if it waits, after its tile if it runs."""
        with self._changed:
            reason = CancelledError()
            if job in self._waiting:
                self._waiting.remove(job)
                job.abandon(reason)
            elif self._urgent.get(job.owner) is job:
                del self._urgent[job.owner]
                job.abandon(reason)
            else:
                job.ask_to_end(reason)

    def position(self, job: Job) -> int:
        """How many jobs come before it, and one: 1 for the next; 0 where it does not wait."""
        with self._changed:
            order = self._order()
            return order.index(job) + 1 if job in order else 0

    @property
    def alive(self) -> bool:
        """Whether the worker is running."""
        return self._thread.is_alive()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def close(self) -> None:
        """End everything; what waits fails with 503."""
        reason = CancelledError("The server is shutting down; try again later.", status=503)
        with self._changed:
            self._closed = True
            for job in (*self._waiting, *self._urgent.values()):
                job.abandon(reason)
            self._waiting.clear()
            self._urgent.clear()
            for job in self._current:
                job.ask_to_end(reason)
            self._changed.notify_all()

    def _require_open(self) -> None:
        if self._closed:
            raise CancelledError("The server is shutting down; try again later.", status=503)

    def _require_place(self, owner: str) -> None:
        if len(self._waiting) >= self._limit:
            raise self._full()
        if sum(job.owner == owner for job in self._waiting) >= self._limit_per_owner:
            raise WebError(
                429,
                f"You have {self._limit_per_owner} pictures waiting already; wait until one is done.",
                headers=self._retry_after(),
            )

    def _full(self) -> WebError:
        return WebError(429, "The queue is full; try again in a few seconds.", headers=self._retry_after())

    def _retry_after(self) -> dict[str, str]:
        """About when one of the waiting jobs will have begun."""
        mean = sum(self._took) / len(self._took)
        return {"Retry-After": str(min(max(round(mean), 1), _LONGEST_RETRY))}

    def _order(self) -> list[Job]:
        """The waiting jobs in the order in which they will run."""
        return sorted(self._waiting, key=lambda job: job.place)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._urgent or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                urgent = self._take_urgent()
                if urgent is None:
                    job = self._next()
            if urgent is not None:
                self._run(urgent, urgent.check)
            else:
                started = time.monotonic()
                self._run(job, partial(self._progress, job))
                self._took.append(time.monotonic() - started)

    def _next(self) -> Job:
        job = self._order()[0]
        self._waiting.remove(job)
        self._current.add(job)
        self._turn = job.place[0]
        self._last_turns = {owner: turn for owner, turn in self._last_turns.items() if turn >= self._turn}
        return job

    def _take_urgent(self) -> Job | None:
        for owner in self._urgent:
            job = self._urgent.pop(owner)
            self._current.add(job)
            return job
        return None

    def _run(self, job: Job, progress: Progress) -> None:
        try:
            job.run(progress, seconds=self._seconds)
        finally:
            with self._changed:
                self._current.discard(job)

    def _progress(self, job: Job, share: float) -> None:
        """After each tile of a job: urgent work that has come in meanwhile, in time that the job is given back."""
        job.check(share)
        began = time.monotonic()
        for _ in range(len(self._urgent)):
            with self._changed:
                urgent = self._take_urgent()
            if urgent is not None:
                self._run(urgent, urgent.check)
        job.ends_at += time.monotonic() - began
        job.check(share)
