"""Ctrl-C ends a command soon, also where something on the way swallows it, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from PIL import Image

from deltasr import interruption
from deltasr.inference.runner import run_tiles
from deltasr.inference.tiling import Axis

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")

COMMAND = """
import atexit, os, signal, sys
from contextlib import suppress
from deltasr.cli import main
from deltasr.inference import upscaler
from deltasr.inference.blending import Cropped

class Interrupted(Cropped):
    def add(self, *arguments):
        super().add(*arguments)
        with suppress(*({swallowed})):
            os.kill(os.getpid(), signal.SIGINT)

upscaler.Cropped = Interrupted
atexit.register(print, "taken apart")
main()
"""


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C is listened to, and forgotten afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interruption.listen()
    yield
    signal.signal(signal.SIGINT, before)
    interruption._asked.clear()


class Nowhere:
    """A sink that keeps the number of tiles."""

    tiles = 0

    def start_row(self, row):
        pass

    def add(self, row, column, values):
        self.tiles += 1

    def end_row(self, row):
        pass


@pytest.mark.usefixtures("listening")
def test_a_swallowed_interrupt_stops_the_work_after_the_tile():
    axis = Axis(length=100, size=100, scale=1, overlap=0, multiple_of=1, fade=0)
    sink = Nowhere()

    def compute(row, column):
        if sink.tiles == 2:
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        return torch.zeros(1, 10, 10)

    with pytest.raises(KeyboardInterrupt):
        run_tiles(
            compute, axis, axis, tile=10, smallest=10, sink=sink, before_retry=lambda: None, report=lambda share: None
        )
    assert sink.tiles == 3


@pytest.mark.usefixtures("listening")
def test_it_raises_what_it_always_did():
    interruption.check()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_handler_of_someone_elses_stays(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interruption.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("swallowed", ["[]", "[KeyboardInterrupt]"])
def test_an_interrupted_command_ends_at_once_and_leaves_nothing(tmp_path: Path, swallowed: str):
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "in.png")
    program = COMMAND.format(swallowed=swallowed)
    arguments = ["upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / "out"), "--tile", "10", "--model", "nearest"]
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert ended.returncode == 130
    assert ended.stderr == "deltasr: interrupted\n"
    assert ended.stdout == ""
    assert list((tmp_path / "out").glob("*")) == []


def test_an_interrupt_that_turned_into_another_error_is_still_one(tmp_path: Path):
    """As Python 3.11 does while a class is being made."""
    program = """
from deltasr import cli
def command(*arguments, **options):
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise RuntimeError("Error calling __set_name__ on an instance") from error
cli.app = command
cli.main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "deltasr: interrupted\n")
