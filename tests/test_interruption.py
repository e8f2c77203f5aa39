"""Ctrl-C ends a command soon, also where something on the way swallows it, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr import interruption
from deltasr.imaging import Picture, write_picture
from deltasr.inference.runner import run_tiles
from deltasr.inference.tiling import Axis

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")

COMMAND = """
import atexit, os, signal, sys
from contextlib import suppress
from deltasr.cli import main
from deltasr.inference import tiled_model
from deltasr.inference.blending import Cropped

class Interrupted(Cropped):
    def add(self, *arguments):
        super().add(*arguments)
        with suppress(*({swallowed})):
            os.kill(os.getpid(), signal.SIGINT)

tiled_model.Cropped = Interrupted
atexit.register(print, "taken apart")
main()
"""


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C is listened to, and forgotten afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(interruption, "_asked", False)
    monkeypatch.setattr(interruption, "_received", None)
    interruption.listen()
    yield
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, before)


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


@pytest.mark.usefixtures("listening")
def test_where_c_code_called_python_it_is_remembered_and_not_raised():
    names = {"__name__": "pyvips.gobject", "os": os, "signal": signal}
    exec("def called_back():\n    os.kill(os.getpid(), signal.SIGINT)\n    return 1", names)
    assert names["called_back"]() == 1
    assert interruption.asked()


@pytest.mark.usefixtures("listening")
def test_it_is_known_before_python_can_act_on_it():
    """As in another thread, while the main one is inside a C library."""
    known: list[bool] = []

    def ask() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        known.append(interruption.asked())

    thread = threading.Thread(target=ask)
    try:
        thread.start()
        thread.join()
    except KeyboardInterrupt:
        thread.join()
    assert known == [True]


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_writing_stops_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    monkeypatch.setattr(interruption, "_asked", True)
    with pytest.raises(KeyboardInterrupt):
        write_picture(Picture(pixels=noise), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


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
