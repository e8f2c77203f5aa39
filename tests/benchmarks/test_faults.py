"""The trials with faults run, and notice a command that goes wrong."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="is written for Linux")

COPIES = """
import shutil, sys
from pathlib import Path
source, output = Path(sys.argv[2]), Path(sys.argv[4])
output.mkdir()
def decodes(path):
    from PIL import Image
    try:
        Image.open(path).load()
    except Exception:
        return False
    return True
"""
BROKEN = {
    "raise ValueError('broken')": "traceback",
    "sys.exit(0)": "0 results, named in 0 lines",
    "[shutil.copy(path, output) for path in source.iterdir()]": "is broken",
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "0 results, named in 0 lines",
    "print('chatter', file=sys.stderr)": "printed on standard error: ['chatter']",
    """
for path in source.iterdir():
    if decodes(path):
        shutil.copy(path, output)
    else:
        print(f"deltasr: {path.name} is broken", file=sys.stderr)
(output / ".left.part").touch()
sys.exit(1)
""": "left behind: .left.part",
    """
for path in source.iterdir():
    print(f"deltasr: {path.name} is broken", file=sys.stderr)
sys.exit(1)
""": "is sound, and was not done",
    """
for path in source.iterdir():
    if decodes(path):
        shutil.copy(path, output)
    else:
        print(f"deltasr: {path.name} is broken", file=sys.stderr)
""": "ended with 0 where",
    """
from PIL import Image
for path in source.iterdir():
    Image.new("RGB", (4, 4)).save(output / f"{path.stem}.png")
""": "truncated, and taken for whole",
}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("faults")


def test_two_kinds_of_trials_find_nothing(faults: ModuleType, capsys: pytest.CaptureFixture[str]):
    status = faults.main(["--trials", "1", "--only", "malformed", "output-full"])
    printed = capsys.readouterr()
    assert printed.out.splitlines()[2:] == ["| malformed | 1 | 0 |  |", "| output-full | 1 | 0 |  |"], printed.out
    assert status == 0


@pytest.mark.parametrize(("program", "noticed"), BROKEN.items(), ids=BROKEN.values())
def test_a_broken_command_is_a_failure_with_its_seed(
    faults: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    noticed: str,
):
    monkeypatch.setattr(faults, "DELTASR", [sys.executable, "-c", COPIES + program])
    status = faults.main(["--trials", "1", "--seed", "7", "--only", "malformed"])
    *_, row, failure = capsys.readouterr().out.splitlines()
    assert status == 1
    assert row == "| malformed | 1 | 1 |  |"
    assert failure.startswith("malformed, seed 7: ")
    assert noticed in failure


def test_what_cannot_be_tried_is_skipped_with_a_reason(
    faults: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(faults.os, "geteuid", lambda: 1000)
    assert faults.main(["--only", "disk-full"]) == 0
    row = "| disk-full | 0 | 0 | skipped: only the superuser can mount a small file system |"
    assert capsys.readouterr().out.splitlines()[2:] == [row]
