"""`deltasr upscale` by other processes: its options, its messages, and the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deltasr.imaging import Picture, write_picture

OPTIONS = ("--model", "nearest")


def _save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels=np.full((5, 4, 3), 100, np.uint8)), path)
    return path


def test_two_workers_say_and_write_what_one_process_does(tmp_path, command_line):
    """And the command itself does not load torch for that."""
    for name in ("a.png", "b.png", "sub/c.png"):
        _save(tmp_path / "in" / name)
    (tmp_path / "in/bad.png").write_bytes(b"nothing")
    status, out, err = command_line("upscale", tmp_path / "in", "-o", tmp_path / "one", *OPTIONS)
    arguments = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "two"), *OPTIONS, "--device", "cpu,cpu"]
    program = f"""
import sys
from deltasr.cli import main
if __name__ == "__main__":
    try:
        main({arguments!r})
    finally:
        print("torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    *lines, torch = ended.stdout.replace(str(tmp_path / "two"), str(tmp_path / "one")).splitlines()
    assert torch == "False"
    assert (ended.returncode, ended.stderr) == (status, err) == (1, err)
    assert [line.partition(" (")[0].partition(" in ")[0] for line in lines] == [
        line.partition(" (")[0].partition(" in ")[0] for line in out.splitlines()
    ]
    assert lines[-1].startswith("3 done, 0 skipped, 1 failed; ")
    for name in ("a.png", "b.png", "sub/c.png"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_a_run_goes_on_by_its_ledger_without_looking_for_results(tmp_path, command_line):
    for name in ("a.png", "b.png"):
        _save(tmp_path / "in" / name)
    bad = tmp_path / "in/c.png"
    bad.write_bytes(b"nothing")
    ledger = tmp_path / "run.jsonl"
    command = ("upscale", tmp_path / "in", "-o", tmp_path / "out", *OPTIONS, "--ledger", ledger)
    assert command_line(*command, "--dry-run")[0] == 1
    assert not ledger.exists()
    assert command_line(*command)[0] == 1
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [(Path(line["source"]).name, line["status"]) for line in lines] == [
        ("a.png", "done"), ("b.png", "done"), ("c.png", "failed"),
    ]  # fmt: skip
    (tmp_path / "out/a.png").unlink()
    bad.unlink()
    status, out, _ = command_line(*command, "--skip-existing")
    assert (status, out.splitlines()[-1]) == (0, "0 done, 2 skipped, 0 failed; 0.0 megapixels in 0.0 s")
    assert not (tmp_path / "out/a.png").exists()
    assert "1 to do, 1 skipped" in command_line(*command[:-2], "--skip-existing", "--dry-run")[1]
    assert "0 to do, 2 skipped" in command_line(*command, "--skip-existing", "--dry-run")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.png", "--jobs", "0"), "--jobs is 0; give 1 or more"),
        (("a.png", "--worker-gpus", "-1"), "below 0"),
        (("a.png", "--cluster", "auto", "--device", "cuda:0,cuda:1"), "--worker-gpus"),
        (("a.png", "--cluster", "auto"), "needs Ray: pip install"),
        (("a.png", "-o", "-", "--jobs", "2"), "hold one picture"),
        (("s3://bucket/a.png",), "s3://bucket/a.png cannot be opened"),
        (("a.png", "--ledger", "a.png"), "a.png is no ledger"),
    ],
)
def test_what_is_not_possible_is_one_line(tmp_path, command_line, monkeypatch, arguments, message):
    for package in ("ray", "upath"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    content = _save(tmp_path / "a.png").read_bytes()
    status, out, err = command_line("upscale", *arguments, *OPTIONS)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == content


def test_a_dry_run_is_not_for_urls(command_line):
    pytest.importorskip("upath", reason="needs universal_pathlib (extra ray)")
    status, _, err = command_line("upscale", "memory://bucket/a.png", *OPTIONS, "--dry-run")
    assert (status, "not for URLs" in err) == (1, True)
