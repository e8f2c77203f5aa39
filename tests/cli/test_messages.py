"""What is printed: plain, whatever a file says of itself, and never at the cost of a result."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deltasr.cli import main
from deltasr.cli.messages import Unfailing, plain, unfailing_streams
from deltasr.imaging import Picture, write_picture

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a file that is always full")


class Failing(io.StringIO):
    """A stream that takes so many texts and no more."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.takes = takes

    def write(self, text: str) -> int:
        self.takes -= 1
        if self.takes < 0:
            raise OSError(28, "No space left on device")
        return super().write(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        pixels = np.full((3, 4, 3), 100, np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        write_picture(Picture(pixels=pixels), tmp_path / "in" / f"{name}.png")
    return tmp_path


def upscale(folder: Path, **streams: object) -> tuple[int, str]:
    """Upscale a folder in a process of its own; its status and what it said on standard error."""
    ended = subprocess.run(
        [sys.executable, "-m", "deltasr", "upscale", folder / "in", "-o", folder / "out", "--model", "nearest"],
        **{"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True} | streams,  # type: ignore[call-overload]
    )
    return ended.returncode, ended.stderr


def status_of(folder: Path) -> int:
    """Upscale a folder inside the test."""
    with pytest.raises(SystemExit) as stopped:
        main(["upscale", str(folder / "in"), "-o", str(folder / "out"), "--model", "nearest"])
    return int(stopped.value.code or 0)


def results(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "out").iterdir())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain line, ä and 漢", "a plain line, ä and 漢"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\n\ttab", "two\\nlines\\r\\n\\ttab"),
        ("\x9b2J\x07\x7f", "\\x9b2J\\x07\\x7f"),
    ],
)
def test_control_characters_are_shown_and_not_sent(text: str, shown: str):
    assert plain(text) == shown


def test_a_stream_takes_everything_after_its_first_failure():
    behind = Failing(takes=1)
    stream = Unfailing(behind)
    for text in ("one", "two", "three"):
        assert stream.write(text) == len(text)
    stream.flush()
    assert behind.getvalue() == "one"
    assert stream.failure is not None
    assert stream.failure.errno == 28


def test_what_an_encoding_lacks_is_escaped():
    behind = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream = Unfailing(behind)
    stream.write("ä \udcff\n")
    stream.flush()
    assert behind.buffer.getvalue() == b"\\xe4 \\udcff\n"  # type: ignore[attr-defined]
    assert stream.failure is None


def test_streams_are_given_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", None)
    before = sys.stderr
    with unfailing_streams() as (output, errors):
        assert sys.stdout is output
        assert sys.stderr is errors
        print("into nowhere")
    assert sys.stdout is None
    assert sys.stderr is before
    assert output.failure is None


@needs_full
def test_a_full_standard_output_costs_no_result(folder: Path):
    with FULL.open("w") as full:
        status, said = upscale(folder, stdout=full)
    assert results(folder) == ["a.png", "b.png", "c.png"]
    assert status == 1
    assert said == (
        "deltasr: standard output cannot be written (No space left on device), so messages are missing; "
        "all other work was done\n"
    )


def test_a_full_standard_error_costs_no_result(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "in" / "bad.png").write_bytes(b"nothing")
    monkeypatch.setattr(sys, "stderr", Failing(takes=0))
    assert status_of(folder) == 1
    assert results(folder) == ["a.png", "b.png", "c.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are POSIX's")
def test_a_reader_that_leaves_costs_no_result(folder: Path):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        status, said = upscale(folder, stdout=writing)
    finally:
        os.close(writing)
    assert results(folder) == ["a.png", "b.png", "c.png"]
    assert (status, said) == (1, "deltasr: the reader of standard output closed it before the end\n")


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_names_that_are_no_text_stop_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch):
    odd = os.fsdecode(b"\xff\x1b[31m.png")
    (folder / "in" / "a.png").rename(folder / "in" / odd)
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", output)
    assert status_of(folder) == 0
    assert len(results(folder)) == 3
    assert b"in/\\udcff\\x1b[31m.png -> " in output.buffer.getvalue()  # type: ignore[attr-defined]


def test_the_list_of_commands_fits_a_terminal_of_80x24(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert "upscale" in "".join(lines)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
