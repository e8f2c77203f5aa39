"""What a ledger keeps from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deltasr.distribution.ledger import Ledger
from deltasr.errors import OutputError, SettingError
from deltasr.planning import Job, Outcome, failed


def _job(folder: Path, name: str) -> Job:
    return Job(source=folder / name, target=folder / "out" / name)


def _done(job: Job) -> Outcome:
    return Outcome(source=job.source, target=job.target, status="done", size=(8, 12), seconds=0.5)


def test_what_is_done_is_known_to_the_next_run_and_what_failed_is_not(tmp_path, monkeypatch):
    first, second, third = (_job(tmp_path, name) for name in ("a.png", "b.png", "c.png"))
    with Ledger(tmp_path / "deep/run.jsonl") as ledger:
        assert ledger.skipped(first) is None
        ledger.record(_done(first))
        ledger.record(failed(second.source, "it is broken"))
    monkeypatch.chdir(tmp_path)
    with Ledger(Path("deep/run.jsonl")) as ledger:
        outcome = ledger.skipped(Job(source=Path("a.png"), target=Path("out/a.png")))  # named from another folder
        assert outcome == Outcome(source=Path("a.png"), target=Path("out/a.png"), status="skipped")
        assert ledger.skipped(second) is None
        assert ledger.skipped(third) is None
        ledger.record(outcome)
    lines = (tmp_path / "deep/run.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert "it is broken" in lines[1]


def test_half_a_line_of_a_killed_run_is_not_counted_and_spoils_no_other(tmp_path):
    jobs = [_job(tmp_path, name) for name in ("a.png", "b.png", "c.png")]
    path = tmp_path / "run.jsonl"
    with Ledger(path) as ledger:
        ledger.record(_done(jobs[0]))
        ledger.record(_done(jobs[1]))
    path.write_bytes(path.read_bytes()[:-20])
    with Ledger(path) as ledger:
        assert [ledger.skipped(job) is None for job in jobs] == [False, True, True]
        ledger.record(_done(jobs[2]))
    with Ledger(path) as ledger:
        assert [ledger.skipped(job) is None for job in jobs] == [False, True, False]


def test_another_file_is_refused_and_kept(tmp_path):
    (tmp_path / "notes.txt").write_text("buy milk\n")
    with pytest.raises(SettingError, match=r"notes\.txt is no ledger"):
        Ledger(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "buy milk\n"
    with pytest.raises(OutputError, match="cannot be written"):
        Ledger(tmp_path)
