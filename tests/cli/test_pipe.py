"""`deltasr upscale` with a picture on standard input, on standard output, or both."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deltasr.cli import main
from deltasr.imaging import Picture, read_picture, write_picture


def _save(path: Path, *, bits: int = 8) -> Path:
    levels = np.linspace(0, 2**bits - 1, 12 * 10 * 3).astype(f"uint{bits}")
    write_picture(Picture(pixels=levels.reshape(12, 10, 3)), path)
    return path


@pytest.fixture
def pipe(capfdbinary, monkeypatch) -> Callable[..., tuple[int, bytes, str]]:
    """Runs `deltasr upscale --model nearest` on bytes; its status, standard output and standard error."""

    def run(content: bytes, *arguments: object) -> tuple[int, bytes, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        with pytest.raises(SystemExit) as stopped:
            main(["upscale", *map(str, arguments), "--model", "nearest"])
        printed = capfdbinary.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err.decode()

    return run


@pytest.mark.parametrize("arguments", [("-",), ("-", "-o", "-"), ("-", "--output", "-", "-s", "4")])
def test_a_picture_through_a_pipe_is_that_of_files(tmp_path, pipe, arguments):
    source = _save(tmp_path / "a.jpg")
    assert pipe(b"", source, "-o", tmp_path / "b.jpg")[0] == 0
    status, result, said = pipe(source.read_bytes(), *arguments)
    assert (status, said) == (0, "- -> - (40x48)\n")
    assert result == (tmp_path / "b.jpg").read_bytes()


def test_one_end_of_a_pipe_may_be_a_file(tmp_path, pipe):
    source = _save(tmp_path / "a.png", bits=16)
    status, result, said = pipe(b"", source, "-o", "-", "--output-format", "webp")
    assert status == 0
    assert result[8:12] == b"WEBP"
    assert "16 bits were rounded" in said
    status, printed, said = pipe(source.read_bytes(), "-", "-o", tmp_path / "new/b.tif")
    assert (status, said) == (0, "")
    assert printed.startswith(b"- -> ")
    assert read_picture(tmp_path / "new/b.tif").bits == 16
    status, _, said = pipe(source.read_bytes(), "-", "-o", tmp_path / "new/b.tif")
    assert status == 1
    assert "b.tif already exists" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-",), "Standard input is empty."),
        (("-", "-"), "name a single input"),
        (("-", "a.png"), "name a single input"),
        ((".", "-o", "-"), "name a single input"),
        (("-", "-o", "folder"), "so folder cannot be a folder for it; name a file"),
        (("-", "--dry-run"), "--dry-run is for files"),
        (("gone.png", "-o", "-"), "gone.png does not exist"),
    ],
)
def test_what_cannot_go_through_a_pipe_is_one_sentence(pipe, arguments, message):
    status, result, said = pipe(b"", *arguments)
    assert (status, result) == (1, b"")
    assert message in said
    assert said.count("\n") == 1


def test_no_picture_is_printed_on_a_terminal(tmp_path, command_line, monkeypatch):
    source = _save(tmp_path / "a.png")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    status, _, error = command_line("upscale", source, "-o", "-", "--model", "nearest")
    assert (status, error.count("\n")) == (1, 1)
    assert "cannot be printed on a terminal" in error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file that is always full")
def test_a_result_that_standard_output_does_not_take_is_a_failure(tmp_path):
    command = [sys.executable, "-m", "deltasr", "upscale", _save(tmp_path / "a.png"), "-o", "-", "--model", "nearest"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    assert ended.stderr == ("deltasr: Standard output cannot be written: No space left on device.\n")
