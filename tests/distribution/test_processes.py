"""Workers that are processes: the bytes of one process, one that is killed, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import psutil
import pytest

from deltasr.distribution.processes import local_pool
from deltasr.distribution.settings import UpscalerSettings
from deltasr.errors import ModelError
from deltasr.imaging import Picture, encode_picture, read_picture, write_picture
from deltasr.inference.batch import Request, upscale_files
from deltasr.planning import Job

PATIENCE = 120

fifos = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")


def _pixels(seed: int) -> Picture:
    return Picture(pixels=np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8))


def _pool(settings: UpscalerSettings, workers: int, shares: list[float] | None = None):
    return local_pool(
        settings,
        Request(),
        devices=["cpu"],
        workers=workers,
        settled=lambda job: None,
        progress=lambda job, share: None if shares is None else shares.append(share),
        replace_maps=False,
    )


def _opened_for_writing(fifo: Path) -> int:
    """A descriptor of a named pipe, once another process has opened it for reading."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing reads {fifo}")


def test_two_processes_write_the_bytes_of_one(tmp_path):
    settings, shares = UpscalerSettings(model="deltadiff-x4", tile=8), []
    sources = [tmp_path / f"{number}.png" for number in range(3)]
    for number, source in enumerate(sources):
        write_picture(_pixels(number), source)
    sources.insert(1, tmp_path / "bad.png")
    sources[1].write_bytes(b"nothing")
    alone, shared = ([Job(source=s, target=tmp_path / name / s.name) for s in sources] for name in ("one", "two"))
    expected = list(upscale_files(settings.load(Request()), alone, Request()))
    with _pool(settings, 2, shares) as pool:
        assert pool.note() is None
        outcomes = list(pool.outcomes(shared))
        assert len(active_children()) == 2
    assert active_children() == []
    assert [(o.source, o.status, o.size, o.notes) for o in outcomes] == [
        (o.source, o.status, o.size, o.notes) for o in expected
    ]
    assert [o.status for o in outcomes] == ["done", "failed", "done", "done"]
    assert all(
        (tmp_path / "one" / s.name).read_bytes() == (tmp_path / "two" / s.name).read_bytes()
        for s in sources
        if s.name != "bad.png"
    )
    assert sorted(shares)[-3:] == [1, 1, 1]


@fifos
def test_a_process_that_is_killed_is_replaced_and_its_picture_done(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    job = Job(source=tmp_path / "a.png", target=tmp_path / "out" / "a.png")
    with _pool(UpscalerSettings(model="nearest"), 1) as pool:
        future = pool.submit(job)
        first = _opened_for_writing(job.source)
        (killed,) = active_children()
        leftover = _leave_half_a_result(job.target.parent, killed.pid)
        killed.kill()
        killed.join()
        os.close(first)
        second = _opened_for_writing(job.source)
        os.write(second, encode_picture(_pixels(0)))
        os.close(second)
        outcome = future.result(timeout=PATIENCE)
    assert (outcome.status, outcome.size) == ("done", (36, 28))
    assert read_picture(job.target).height == 36
    assert not leftover.exists()
    assert active_children() == []


def _leave_half_a_result(folder: Path, process: int | None) -> Path:
    """A file like those that `files.whole` writes, of a process."""
    from deltasr.files import _place

    folder.mkdir()
    leftover = folder / f".deltasr-{_place()}-{process}-{'0' * 16}.part"
    leftover.write_bytes(b"half")
    return leftover


def test_a_model_that_is_not_there_is_told_as_by_one_process(tmp_path):
    settings = UpscalerSettings(model=str(tmp_path / "gone.safetensors"))
    with pytest.raises(ModelError) as expected:
        settings.load(Request())
    with _pool(settings, 1) as pool, pytest.raises(ModelError) as error:
        pool.note()
    assert str(error.value) == str(expected.value)


@fifos
def test_ctrl_c_ends_all_processes_and_leaves_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        os.mkfifo(tmp_path / "in" / name)
    arguments = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", "nearest", "--jobs", "2"]
    child = subprocess.Popen(
        [sys.executable, "-m", "deltasr", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        writers = [_opened_for_writing(tmp_path / "in" / name) for name in ("a.png", "b.png")]
        processes = psutil.Process(child.pid).children(recursive=True)
        assert len(processes) >= 2
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the workers too
        out, err = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
        child.wait()
    for writer in writers:
        os.close(writer)
    assert (child.returncode, out, err) == (130, "", "deltasr: interrupted\n")
    assert psutil.wait_procs(processes, timeout=PATIENCE)[1] == []
    assert not (tmp_path / "out").exists()
