"""Workers that are processes of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast

from deltasr.distribution.places import is_remote
from deltasr.distribution.pool import Pool, WorkerEndedError
from deltasr.distribution.settings import UpscalerSettings
from deltasr.distribution.worker import Upscaling
from deltasr.errors import DeltasrError, reason
from deltasr.files import clear_leftovers
from deltasr.inference.batch import Request
from deltasr.planning import Job, Outcome
from deltasr.processor import end_of

_CONTEXT = get_context("spawn")


def local_pool(
    settings: UpscalerSettings,
    request: Request,
    *,
    devices: list[str],
    workers: int,
    settled: Callable[[Job], Outcome | None],
    progress: Callable[[Job, float], None],
    replace_maps: bool,
) -> Pool:
    """A pool of processes on this machine, which share its cores.

    Args:
        settings: of every worker, but for the device.
        request: for every picture.
        devices: each worker has one of them, in turn.
        workers: how many.
        settled, replace_maps: as `Pool` takes them.
        progress: called with a job and the share of it that is finished, in (0, 1], from several threads.
    """
    threads = max(1, _cores() // workers)
    starts = [
        partial(
            ProcessWorker,
            replace(settings, device=devices[number % len(devices)]),
            request,
            threads=threads,
            progress=progress,
        )
        for number in range(workers)
    ]
    return Pool(starts, settled=settled, replace_maps=replace_maps)


class ProcessWorker:
    """A `Worker` in a process of its own, which shares nothing with this one."""

    def __init__(
        self,
        settings: UpscalerSettings,
        request: Request,
        *,
        threads: int,
        progress: Callable[[Job, float], None],
    ) -> None:
        """Start it, with so many threads."""
        self._progress = progress
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, settings, request, threads), daemon=True)
        self._process.start()
        theirs.close()

    def ready(self) -> str | None:
        return cast("str | None", self._answer())

    def work(self, job: Job, *, replace_maps: bool) -> Outcome:
        with suppress(OSError):  # of a process that has ended, which the answer shows
            self._connection.send((job, replace_maps))
        try:
            return cast(Outcome, self._answer(job))
        except WorkerEndedError:
            self._process.kill()
            self._process.join()
            if not is_remote(job.target):
                clear_leftovers(job.target.parent)
            raise

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.join()
        self._connection.close()

    def _answer(self, job: Job | None = None) -> object:
        """What the process answers; the shares of a job that it finishes before that are passed on."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError) as error:
                self._process.join()
                raise WorkerEndedError(end_of(self._process.exitcode or 0)) from error
            if isinstance(message, _Share) and job is not None:
                self._progress(job, message.share)
            elif isinstance(message, _Crash):
                raise WorkerEndedError(message.text)
            elif isinstance(message, DeltasrError):
                raise message
            else:
                return message


@dataclass(frozen=True)
class _Share:
    share: float


@dataclass(frozen=True)
class _Crash:
    text: str


def _serve(connection: Connection, settings: UpscalerSettings, request: Request, threads: int) -> None:
    """What the process does: answer with the upscaler's note, and then each job with its outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):  # the other process has ended
        try:
            upscaling = Upscaling(settings, request, threads=threads)
            connection.send(upscaling.note)
            while True:
                job, replace_maps = connection.recv()
                outcome = upscaling.outcome(
                    job, replace_maps=replace_maps, progress=lambda _, share: connection.send(_Share(share))
                )
                connection.send(outcome)
        except DeltasrError as error:
            connection.send(error)
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            connection.send(_Crash(f"{type(error).__name__}: {reason(error)}"))


def _cores() -> int:
    """How many threads this machine's processes may have at once: OMP_NUM_THREADS, or else the cores."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdecimal():
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
