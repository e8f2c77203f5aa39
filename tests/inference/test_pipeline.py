"""Files one after the other, with the next one read and the last one written beside the present one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from deltasr.errors import ModelError, PictureError, SettingError
from deltasr.inference.pipeline import Stages, run_overlapped
from deltasr.planning import Job, Outcome

PATIENCE = 30.0


class Work:
    """Stages that pass a job's name on, and keep what is done and which pictures are held.

    Attributes:
        done: `read a`, `compute a`, `write a` and so on, in the order in which they ended.
        held: names whose picture or result is in memory.
        most: the most of these at one time.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.held: set[str] = set()
        self.most = 0
        self.before: dict[str, Callable[[str], None]] = {}
        self._lock = threading.Lock()

    def _step(self, step: str, name: str) -> None:
        if step in self.before:
            self.before[step](name)
        with self._lock:
            self.done.append(f"{step} {name}")
            (self.held.discard if step == "write" else self.held.add)(name)
            self.most = max(self.most, len(self.held))

    def stages(self) -> Stages[str, str]:
        def read(job: Job) -> str:
            self._step("read", job.source.name)
            return job.source.name

        def compute(job: Job, picture: str) -> str:
            assert threading.current_thread() is threading.main_thread()
            self._step("compute", picture)
            return picture.upper()

        def write(job: Job, result: str) -> Outcome:
            self._step("write", result.lower())
            return Outcome(source=job.source, target=job.target, status="done")

        return Stages(read, compute, write)


@pytest.fixture
def work() -> Work:
    return Work()


def jobs(names: str) -> list[Job]:
    return [Job(source=Path(name), target=Path("nowhere") / name) for name in names]


def told(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.source.name, outcome.status) for outcome in outcomes]


def test_outcomes_come_in_order_and_few_pictures_are_held(work: Work):
    found = list(run_overlapped(jobs("abcdefgh"), work.stages()))
    assert told(found) == [(name, "done") for name in "abcdefgh"]
    assert [step for step in work.done if step.startswith("compute")] == [f"compute {name}" for name in "abcdefgh"]
    assert work.most <= 3
    assert work.held == set()
    assert list(run_overlapped([], work.stages())) == []


def test_the_seconds_of_a_file_are_those_of_its_own_work(work: Work, monkeypatch: pytest.MonkeyPatch):
    """Each thread has its clock here, which moves on where a stage of a picture takes time."""
    clock = threading.local()
    cost = {"a": 1.0, "b": 20.0, "c": 300.0}

    def take(name: str) -> None:
        clock.now = getattr(clock, "now", 0.0) + cost[name]

    work.before = dict.fromkeys(("read", "compute", "write"), take)
    monkeypatch.setattr(
        "deltasr.inference.pipeline.time", SimpleNamespace(monotonic=lambda: getattr(clock, "now", 0.0))
    )
    found = list(run_overlapped(jobs("abc"), work.stages()))
    assert [outcome.seconds for outcome in found] == [3.0, 60.0, 900.0]


def test_the_next_is_read_and_the_last_is_written_while_one_is_computed(work: Work):
    """Each waits for the others here: one after the other they would not get on."""
    read_c, computing_b = threading.Event(), threading.Event()

    def compute(name: str) -> None:
        if name == "b":
            computing_b.set()
            assert read_c.wait(PATIENCE)

    def write(name: str) -> None:
        assert name != "a" or computing_b.wait(PATIENCE)

    def read(name: str) -> None:
        if name == "c":
            assert computing_b.wait(PATIENCE)
            read_c.set()

    work.before = {"compute": compute, "write": write, "read": read}
    assert told(list(run_overlapped(jobs("abc"), work.stages()))) == [(name, "done") for name in "abc"]


@pytest.mark.parametrize("step", ["read", "compute", "write"])
@pytest.mark.parametrize("error", [PictureError("no picture"), OSError("no disk"), MemoryError()], ids=repr)
def test_a_failure_is_the_outcome_of_its_file(work: Work, step: str, error: Exception):
    def fail(name: str) -> None:
        if name in "bd":
            raise error

    work.before[step] = fail
    found = list(run_overlapped(jobs("abcd"), work.stages()))
    assert told(found) == [("a", "done"), ("b", "failed"), ("c", "done"), ("d", "failed")]
    assert found[1].reason == f"b: {str(error) or 'MemoryError'}"


@pytest.mark.parametrize("step", ["read", "compute"])
def test_what_fails_beside_others_is_done_alone(work: Work, step: str):
    """The last result is written before, and the next picture is let go and read again."""
    attempts = []

    def fail_once(name: str) -> None:
        if name == "b":
            attempts.append(list(work.done))
            if len(attempts) == 1:
                raise ModelError("not enough memory")

    work.before[step] = fail_once
    found = told(list(run_overlapped(jobs("abcd"), work.stages())))
    assert found == [(name, "done") for name in "abcd"]
    assert len(attempts) == 2
    assert "write a" in attempts[1]
    assert work.done.count("read c") == 2
    assert work.done[work.done.index("write b") :].count("read c") == 1


def test_a_wrong_setting_ends_everything_after_what_is_finished_was_told(work: Work):
    def refuse(name: str) -> None:
        if name == "b":
            raise SettingError("no such setting")

    work.before["compute"] = refuse
    outcomes = run_overlapped(jobs("abcd"), work.stages())
    assert next(outcomes).source.name == "a"
    with pytest.raises(SettingError, match="no such setting"):
        next(outcomes)
    assert "compute c" not in work.done


def test_ctrl_c_waits_for_the_file_that_is_being_written_and_begins_no_other(work: Work):
    def press(name: str) -> None:
        if name == "b":
            raise KeyboardInterrupt

    work.before["compute"] = press
    outcomes = run_overlapped(jobs("abcd"), work.stages())
    assert next(outcomes).status == "done"
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert "write a" in work.done
    assert not {"compute b", "compute c", "write b", "read d"} & set(work.done)


def test_whoever_stops_asking_gets_no_more(work: Work):
    outcomes = run_overlapped(jobs("abcdefgh"), work.stages())
    next(outcomes)
    outcomes.close()
    assert "compute d" not in work.done
    assert work.done.count("write a") == 1


def test_results_that_are_there_keep_their_place(work: Work, tmp_path: Path):
    listed = [Job(source=Path(name), target=tmp_path / name) for name in "abcd"]
    for name in "ad":
        (tmp_path / name).touch()
    found = list(run_overlapped(listed, work.stages(), existing="skip"))
    assert told(found) == [("a", "skipped"), ("b", "done"), ("c", "done"), ("d", "skipped")]
    found = list(run_overlapped(listed, work.stages()))
    assert told(found) == [("a", "failed"), ("b", "done"), ("c", "done"), ("d", "failed")]
    assert "--overwrite" in found[0].reason
