"""What a trial in a child process finds out of a processor, also one that kills or hangs it, and what is remembered."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from deltasr import processor

BEGIN = """
import os, signal, sys, time
for name in sys.argv[1:]:
"""
DIES = "    if name == 'bfloat16': os.kill(os.getpid(), signal.SIGILL)\n"
DIES_WITH_AMX = (
    "    if name == 'bfloat16' and 'ONEDNN_MAX_CPU_ISA' not in os.environ: os.kill(os.getpid(), signal.SIGILL)\n"
)
HANGS = "    if name == 'bfloat16': time.sleep(600)\n"
ALL_DIE = "    os.kill(os.getpid(), signal.SIGILL)\n"
END = """
    print(name, {"float32": 2.0, "bfloat16": 1.0, "float16": 9.0}[name], flush=True)
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where things are remembered: a folder of the test's own, with nothing in it; and nothing is known either."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.startswith(("ATEN_", "DNNL_", "ONEDNN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(processor, "_known", {})
    return tmp_path / "cache" / "deltasr" / "processor.json"


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a trial in place of the true one, and counts the children that run it."""

    def use(fault: str) -> Path:
        log = tmp_path / "children"
        log.touch()
        counted = f"open({str(log)!r}, 'a').write('child\\n')\n"
        monkeypatch.setattr(processor, "_TRIAL", counted + BEGIN + fault + END)
        return log

    return use


def children(log: Path) -> int:
    return log.read_text().count("child")


def test_the_true_trial_computes_in_float32_here():
    seconds = processor.tried()["float32"]
    assert isinstance(seconds, float)
    assert 0 < seconds < 60


def test_a_type_that_kills_the_child_does_not_run_and_the_others_do(trial):
    log = trial(DIES)
    assert processor.tried() == {"float32": 2.0, "bfloat16": "SIGILL", "float16": 9.0}
    assert children(log) == 2


def test_a_type_that_hangs_does_not_run(trial, monkeypatch):
    trial(HANGS)
    monkeypatch.setattr(processor, "_PATIENCE", 5.0)
    assert processor.tried() == {"float32": 2.0, "bfloat16": "it hangs", "float16": 9.0}


def test_a_type_that_torch_refuses_does_not_run(trial):
    trial("    if name == 'float16': print(name, 'RuntimeError', flush=True); continue\n")
    assert processor.tried() == {"float32": 2.0, "bfloat16": 1.0, "float16": "RuntimeError"}


def test_it_is_tried_once_and_remembered_by_later_processes(trial, file, monkeypatch):
    log = trial(DIES)
    first = processor.tried()
    assert processor.tried() == first
    assert file.exists()
    written = file.stat().st_mtime_ns
    monkeypatch.setattr(processor, "_known", {})
    assert processor.tried() == first
    assert children(log) == 2
    assert file.stat().st_mtime_ns == written
    assert {path.name for path in file.parent.iterdir()} - {f"{file.name}.lock"} == {file.name}


def test_the_results_are_written_whole(trial, file, monkeypatch):
    """By the one writer of files: a process that is killed meanwhile leaves no half of them under their name."""
    trial("")
    written = []
    replace = Path.replace

    def watch(self: Path, target: Path) -> Path:
        written.append((self.name, target.exists(), json.loads(self.read_bytes()) != {}))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    processor.tried()
    ((name, there_before, complete),) = written
    assert name.startswith(".deltasr-")
    assert (there_before, complete) == (False, True)


def test_other_instructions_are_another_question(trial):
    trial(DIES_WITH_AMX)
    assert processor.tried()["bfloat16"] == "SIGILL"
    assert processor.tried({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"})["bfloat16"] == 1.0
    assert processor.tried()["bfloat16"] == "SIGILL"


def test_a_trial_in_which_not_even_float32_runs_is_not_remembered(trial, file):
    log = trial(ALL_DIE)
    assert processor.tried() == dict.fromkeys(["float32", "bfloat16", "float16"], "SIGILL")
    assert children(log) == 1
    assert not file.exists()


def test_a_child_that_someone_else_ended_is_not_remembered(trial, file):
    trial(DIES.replace("SIGILL", "SIGKILL"))
    assert processor.tried()["bfloat16"] == "SIGKILL"
    assert not file.exists()


def test_a_damaged_file_and_one_that_cannot_be_written_are_no_errors(trial, file, monkeypatch):
    log = trial("")
    file.parent.mkdir(parents=True)
    file.write_bytes(b'{"a": [')
    assert processor.tried()["bfloat16"] == 1.0
    file.unlink()
    shutil.rmtree(file.parent)
    file.parent.write_text("a file where the folder should be")
    monkeypatch.setattr(processor, "_known", {})
    assert processor.tried()["bfloat16"] == 1.0
    assert children(log) == 2


def test_without_a_python_to_start_nothing_is_known_to_run(monkeypatch, tmp_path):
    monkeypatch.setattr(processor.sys, "executable", str(tmp_path / "absent"))
    assert set(processor.tried().values()) == {"FileNotFoundError"}
