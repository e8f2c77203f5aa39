"""The pool, with workers that are objects of this process: order, deaths, errors, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deltasr.distribution.pool import Pool, WorkerEndedError
from deltasr.errors import ModelError, SettingError
from deltasr.planning import Job, Outcome

JOBS = [Job(source=Path(f"{number}.png"), target=Path("out", f"{number}.png")) for number in range(9)]


class Fake:
    """A worker without a process; `act` is called with each job and whether maps may be replaced."""

    def __init__(self, act: Callable[[Job, bool], None], load: Callable[[], str | None] = lambda: None) -> None:
        self._act, self._load = act, load
        self.killed = threading.Event()
        self.closed = False

    def ready(self) -> str | None:
        return self._load()

    def work(self, job: Job, *, replace_maps: bool) -> Outcome:
        self._act(job, replace_maps)
        return Outcome(source=job.source, target=job.target, status="done")

    def kill(self) -> None:
        self.killed.set()

    def close(self) -> None:
        self.closed = True


def nothing(job: Job, replace_maps: bool) -> None:
    pass


def unsettled(job: Job) -> None:
    return None


def test_outcomes_have_the_order_of_the_jobs():
    """The first picture is finished when all others are."""
    others = threading.Semaphore(0)

    def act(job: Job, replace_maps: bool) -> None:
        if job == JOBS[0]:
            for _ in JOBS[1:4]:
                assert others.acquire(timeout=10)
        else:
            others.release()

    with Pool([lambda: Fake(act)] * 2, settled=unsettled) as pool:
        assert [outcome.source for outcome in pool.outcomes(JOBS)] == [job.source for job in JOBS]
    assert all(not thread.is_alive() for thread in pool._threads)


def test_a_worker_that_dies_costs_one_retry_of_one_picture():
    given: list[tuple[Job, bool]] = []
    workers: list[Fake] = []

    def act(job: Job, replace_maps: bool) -> None:
        given.append((job, replace_maps))
        if job == JOBS[2] and len(workers) == 1:
            raise WorkerEndedError("SIGKILL")

    def start() -> Fake:
        workers.append(Fake(act))
        return workers[-1]

    with Pool([start], settled=unsettled) as pool:
        outcomes = list(pool.outcomes(JOBS))
    assert [outcome.status for outcome in outcomes] == ["done"] * len(JOBS)
    assert sorted(job.source for job, _ in given) == sorted([JOBS[2].source, *(job.source for job in JOBS)])
    assert [again for job, again in given if job == JOBS[2]] == [False, True]  # the first may have left maps
    assert len(workers) == 2
    assert all(worker.killed.is_set() and worker.closed for worker in workers)


def test_a_picture_that_kills_two_workers_fails_and_the_rest_goes_on():
    def act(job: Job, replace_maps: bool) -> None:
        if job == JOBS[1]:
            raise WorkerEndedError("SIGKILL")

    with Pool([lambda: Fake(act)] * 2, settled=unsettled) as pool:
        outcomes = list(pool.outcomes(JOBS))
    assert [outcome.status == "failed" for outcome in outcomes] == [number == 1 for number in range(len(JOBS))]
    assert outcomes[1].reason.startswith("1.png: its worker ended 2 times (SIGKILL)")


def test_what_is_settled_reaches_no_worker_and_is_asked_once():
    asked: list[Job] = []
    given: list[Job] = []

    def settled(job: Job) -> Outcome | None:
        asked.append(job)
        return Outcome(source=job.source, target=job.target, status="skipped") if job in JOBS[:3] else None

    def act(job: Job, replace_maps: bool) -> None:
        given.append(job)
        if job == JOBS[4] and given.count(job) == 1:
            raise WorkerEndedError("SIGKILL")

    with Pool([lambda: Fake(act)], settled=settled) as pool:
        statuses = [outcome.status for outcome in pool.outcomes(JOBS)]
    assert statuses == ["skipped"] * 3 + ["done"] * 6
    assert asked == JOBS
    assert not set(given) & set(JOBS[:3])


def test_a_model_that_cannot_be_loaded_stops_all():
    def load() -> str | None:
        raise ModelError("There is no such model.")

    with Pool([lambda: Fake(nothing, load)] * 2, settled=unsettled) as pool:
        with pytest.raises(ModelError, match="no such model"):
            pool.note()
        with pytest.raises(ModelError, match="no such model"):
            list(pool.outcomes(JOBS))


def test_a_wrong_setting_stops_all():
    def act(job: Job, replace_maps: bool) -> None:
        raise SettingError("Nothing can be done like this.")

    with Pool([lambda: Fake(act)] * 2, settled=unsettled) as pool, pytest.raises(SettingError, match="like this"):
        list(pool.outcomes(JOBS))


def test_workers_that_always_end_while_they_load_are_given_up(monkeypatch: pytest.MonkeyPatch):
    started: list[Fake] = []

    def load() -> str | None:
        raise WorkerEndedError("SIGKILL")

    def start() -> Fake:
        started.append(Fake(nothing, load))
        return started[-1]

    monkeypatch.setattr(threading.Event, "wait", lambda self, timeout=None: None)
    with Pool([start] * 2, settled=unsettled) as pool, pytest.raises(SettingError, match=r"\(SIGKILL\).*fewer"):
        list(pool.outcomes(JOBS))
    assert len(started) == 6


def test_the_note_is_that_of_a_worker():
    with Pool([lambda: Fake(nothing, lambda: "float32 is used")], settled=unsettled) as pool:
        assert pool.note() == "float32 is used"


def test_the_end_does_not_wait_for_what_is_in_work():
    begun = threading.Event()

    class Stuck(Fake):
        def work(self, job: Job, *, replace_maps: bool) -> Outcome:
            begun.set()
            assert self.killed.wait(timeout=10)
            raise WorkerEndedError("SIGKILL")

    started: list[Stuck] = []

    def start() -> Stuck:
        started.append(Stuck(nothing))
        return started[-1]

    with Pool([start], settled=unsettled) as pool:
        future = pool.submit(JOBS[0])
        assert begun.wait(timeout=10)
    assert not future.done()
    assert len(started) == 1
    assert all(not thread.is_alive() for thread in pool._threads)
