"""The project's own way of running tests ends, with a failure, whatever a test does to its worker."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SETTINGS = Path(__file__).parents[1] / "pyproject.toml"

OTHERS = """
import pytest
@pytest.mark.parametrize("number", range(5))
def test_after(number): pass
"""
KILLED = """
import os, signal
def test_before(): pass
def test_killed(): os.kill(os.getpid(), signal.SIGILL)
def test_after(): pass
"""
SLEEPS = "import time\ndef test_sleeps(): time.sleep(600)\n"
OUT_OF_REACH = """
import ctypes
def test_waits_where_no_signal_reaches():
    c, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(128)
    c.pthread_mutex_lock(mutex)
    c.pthread_mutex_lock(mutex)
"""


def run(folder: Path, files: dict[str, str], *options: str) -> tuple[int, str]:
    """Exit status and output of these test files under the project's settings."""
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    command = [sys.executable, "-m", "pytest", "-c", str(SETTINGS), "--rootdir", str(folder), "-p", "no:cacheprovider"]
    ended = subprocess.run([*command, *options, str(folder)], cwd=folder, capture_output=True, text=True, timeout=240)
    return ended.returncode, ended.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="is written for Linux")
def test_workers_that_die_end_the_run_with_a_failure(tmp_path: Path):
    files = {f"test_{name}.py": KILLED if name in "ab" else OTHERS for name in "abcdef"}
    status, printed = run(tmp_path, files)
    assert status == 1
    assert "crashed while running" in printed


@pytest.mark.skipif(sys.platform != "linux", reason="is written for Linux")
def test_tests_that_wait_for_ever_fail(tmp_path: Path):
    files = {"test_a.py": SLEEPS + OTHERS, "test_b.py": OUT_OF_REACH + OTHERS}
    limits = ("-o", "timeout=2", "-o", "faulthandler_timeout=6")
    status, printed = run(tmp_path, files, *limits)
    assert status == 1
    assert "Timeout" in printed
    assert "crashed while running" in printed
