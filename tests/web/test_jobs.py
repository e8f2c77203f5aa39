"""The queue: fair, bounded, and never in doubt about what became of a job."""

from __future__ import annotations

import threading

import pytest

from deltasr.errors import PictureError
from deltasr.web.failures import CancelledError, WebError
from deltasr.web.jobs import Queue


@pytest.fixture
def queue():
    made = Queue(waiting=5, waiting_per_owner=3, seconds=1000)
    yield made
    made.close()


class Held:
    """Work that goes on, tile after tile, until it is let go."""

    def __init__(self) -> None:
        self.began, self.released, self.tiles = threading.Event(), threading.Event(), 0

    def __call__(self, progress):
        self.began.set()
        while not self.released.wait(0.002):
            self.tiles += 1
            progress(0.5)
        return "held"


def test_each_user_comes_in_turn(queue):
    held, order = Held(), []
    first = queue.submit(held, owner="first")
    held.began.wait(30)
    jobs = [
        queue.submit(lambda _, name=name: order.append(name), owner=name[0]) for name in ("a1", "a2", "a3", "b1", "c1")
    ]
    assert [queue.position(job) for job in jobs] == [1, 4, 5, 2, 3]
    assert queue.position(first) == 0
    held.released.set()
    for job in jobs:
        job.future.result(30)
    assert order == ["a1", "b1", "c1", "a2", "a3"]


def test_it_is_bounded_for_all_and_for_each(queue):
    held = Held()
    queue.submit(held, owner="a")
    held.began.wait(30)
    for _ in range(3):
        queue.submit(lambda _: None, owner="a")
    with pytest.raises(WebError, match="You have 3 pictures waiting") as refused:
        queue.submit(lambda _: None, owner="a")
    assert refused.value.status == 429
    for owner in "bc":
        queue.submit(lambda _: None, owner=owner)
    with pytest.raises(WebError, match="queue is full") as refused:
        queue.submit(lambda _: None, owner="d")
    assert refused.value.headers["Retry-After"].isdigit()
    held.released.set()


def test_a_running_job_ends_at_its_next_tile(queue):
    held = Held()
    job = queue.submit(held, owner="a")
    held.began.wait(30)
    queue.cancel(job)
    with pytest.raises(CancelledError):
        job.future.result(30)
    assert job.state == "cancelled"
    assert queue.submit(lambda _: 7, owner="a").future.result(30) == 7


def test_a_waiting_job_ends_at_once(queue):
    held, ran = Held(), []
    queue.submit(held, owner="a")
    held.began.wait(30)
    job = queue.submit(lambda _: ran.append(1), owner="a")
    queue.cancel(job)
    assert job.state == "cancelled"
    held.released.set()
    queue.submit(lambda _: None, owner="a").future.result(30)
    assert not ran


def test_urgent_work_runs_between_two_tiles(queue):
    held = Held()
    job = queue.submit(held, owner="a")
    held.began.wait(30)
    assert queue.submit_urgent(lambda _: "seen", owner="b").future.result(30) == "seen"
    assert job.state == "running"
    held.released.set()
    assert job.future.result(30) == "held"


def test_a_newer_preview_replaces_what_waits_and_what_runs(queue):
    blocked, go = threading.Event(), threading.Event()

    def uninterrupted(_):
        blocked.set()
        go.wait(30)

    queue.submit(uninterrupted, owner="x")
    blocked.wait(30)
    waiting = queue.submit_urgent(lambda _: 1, owner="a")
    other = queue.submit_urgent(lambda _: "other", owner="b")
    running = Held()
    newer = queue.submit_urgent(running, owner="a")
    assert waiting.state == "cancelled"
    go.set()
    running.began.wait(30)
    newest = queue.submit_urgent(lambda _: 3, owner="a")
    assert newest.future.result(30) == 3
    assert newer.state == "cancelled"
    assert other.future.result(30) == "other"


def test_a_preview_that_is_cancelled_does_not_end_the_job_around_it(queue):
    held, inner = Held(), Held()
    job = queue.submit(held, owner="a")
    held.began.wait(30)
    preview = queue.submit_urgent(inner, owner="a")
    inner.began.wait(30)
    queue.cancel(preview)
    with pytest.raises(CancelledError):
        preview.future.result(30)
    assert job.state == "running"
    held.released.set()
    assert job.future.result(30) == "held"


def test_time_runs_out():
    queue = Queue(waiting=2, waiting_per_owner=2, seconds=0.01)
    job = queue.submit(Held(), owner="a")
    with pytest.raises(WebError, match="longer than the server allows") as ended:
        job.future.result(30)
    assert ended.value.status == 504
    queue.close()


def test_failures_are_kept_as_sentences_and_the_worker_goes_on(queue):
    def unreadable(_):
        raise PictureError("This is no picture.")

    failed = queue.submit(unreadable, owner="a")
    with pytest.raises(WebError, match="This is no picture") as error:
        failed.future.result(30)
    assert error.value.status == 422
    assert (failed.state, failed.error) == ("failed", "This is no picture.")
    inside = queue.submit(lambda _: 1 / 0, owner="a")
    with pytest.raises(WebError, match="An internal error") as error:
        inside.future.result(30)
    assert error.value.status == 500
    assert queue.alive


def test_closing_ends_everything(queue):
    held = Held()
    running = queue.submit(held, owner="a")
    held.began.wait(30)
    waiting = queue.submit(lambda _: 1, owner="a")
    queue.close()
    for job in (running, waiting):
        with pytest.raises(CancelledError, match="shutting down") as ended:
            job.future.result(30)
        assert ended.value.status == 503
    with pytest.raises(CancelledError):
        queue.submit(lambda _: 1, owner="a")
