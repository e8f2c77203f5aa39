"""`deltasr upscale` for videos: names, lines and the exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three frames of 24x16 pixels."""
    av = pytest.importorskip("av", reason="needs the extra 'video'")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        for number in range(3):
            pixels = np.full((16, 24, 3), 60 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def test_a_clip_gets_a_name_beside_it(clip: Path, command_line: CommandLine):
    status, printed, errors = command_line("upscale", clip, "--model", "bicubic", "--crf", "30", "--codec", "hevc")
    assert (status, errors) == (0, "")
    assert (clip.parent / "clip-x4.mp4").stat().st_size > 0
    assert "clip-x4.mp4 (96x64" in printed
    assert "3 frames in hevc at CRF 30." in printed
    assert printed.splitlines()[-1] == "1 done, 0 skipped, 0 failed"


def test_results_are_not_replaced_unasked(clip: Path, command_line: CommandLine):
    (target := clip.with_name("large.mp4")).write_bytes(b"mine")
    status, _, errors = command_line("upscale", clip, "-o", target, "--model", "bicubic")
    assert (status, target.read_bytes()) == (1, b"mine")
    assert "already exists" in errors
    status, printed, _ = command_line("upscale", clip, "-o", target, "--skip-existing")
    assert (status, printed.splitlines()[-1]) == (0, "0 done, 1 skipped, 0 failed")
    assert command_line("upscale", clip, "-o", target, "--model", "bicubic", "--overwrite")[0] == 0
    assert target.read_bytes() != b"mine"


def test_a_dry_run_says_what_would_be_written(clip: Path, command_line: CommandLine):
    status, printed, _ = command_line("upscale", clip, "--width", "60", "--dry-run")
    assert (status, list(clip.parent.iterdir())) == (0, [clip])
    assert "clip-w60.mp4 (60x40" in printed
    assert "about 3 frames" in printed
    assert "1 to do" in printed


def test_a_dry_run_refuses_a_dial_that_the_model_has_not(clip: Path, command_line: CommandLine):
    asked = ("upscale", clip, "--model", "bicubic", "--fidelity", "0.5")
    for dry in ((), ("--dry-run",)):
        status, printed, errors = command_line(*asked, *dry)
        assert (status, printed) == (1, "")
        assert "bicubic has no fidelity dial" in errors


def test_one_bad_video_does_not_stop_the_others(clip: Path, command_line: CommandLine):
    (bad := clip.with_name("bad.mov")).write_bytes(b"no video")
    status, printed, errors = command_line("upscale", bad, clip, "-o", clip.parent / "out", "--model", "bicubic")
    assert status == 1
    assert "bad.mov cannot be read" in errors
    assert "1 done, 0 skipped, 1 failed" in printed
    assert (clip.parent / "out" / "clip.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("clip.mp4", "photo.png"), "photo.png is no video"),
        (("photo.png", "--crf", "20"), "photo.png is no video"),
        (("clip.mp4", "-o", "-"), "Videos go from files to files"),
        (("clip.mp4", "-o", "clip.png"), "clip.png cannot be written; choose a name that ends in .mp4"),
        (("clip.mp4", "-o", "clip.mp4"), "which is taken"),
        (("a/clip.mp4", "b/clip.mp4", "-o", "out"), "which is taken"),
        (("clip.mp4", "--quality", "90"), "A quality is for pictures"),
        (("clip.mp4", "--crf", "70"), "A CRF of 70 is out of range"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(command_line: CommandLine, arguments, sentence: str):
    status, printed, errors = command_line("upscale", *arguments)
    assert (status, printed) == (1, "")
    assert sentence in " ".join(errors.split())


def test_without_pyav_the_extra_is_named(tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"")
    status, _, errors = command_line("upscale", tmp_path / "clip.mp4", "--model", "bicubic")
    assert status == 1
    assert "Videos need the package PyAV: pip install -e '.[video]'." in errors
