"""What is asked of every picture, and that one bad file stops nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.inference.batch import Request, upscale_files
from deltasr.inference.upscaler import Upscaler
from deltasr.models.interpolation import Interpolation
from deltasr.planning import Job


def _save(path: Path, height: int = 4, width: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels=np.full((height, width, 3), 100, np.uint8)), path)
    return path


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(Interpolation(method="nearest"))


def test_a_bad_file_is_an_outcome_and_the_rest_goes_on(tmp_path, upscaler):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    jobs = [
        Job(source=bad, target=tmp_path / "out/bad.png"),
        Job(source=_save(tmp_path / "good.png"), target=tmp_path / "out/good.png"),
    ]
    shares: list[float] = []
    failed, done = upscale_files(upscaler, jobs, Request(scale=2), progress=lambda job, share: shares.append(share))
    assert failed.status == "failed"
    assert str(bad) in failed.reason
    assert (done.status, done.size) == ("done", (8, 12))
    assert read_picture(tmp_path / "out/good.png").pixels.shape == (8, 12, 3)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["good.png"]
    assert shares[-1] == 1


def test_every_file_has_the_fidelity(tmp_path, conv_net):
    upscaler = Upscaler(conv_net(dial=True))
    sources = [_save(tmp_path / name) for name in ("a.png", "b.png")]
    for fidelity in (0, None):
        jobs = [Job(source=source, target=tmp_path / str(fidelity) / source.name) for source in sources]
        assert [outcome.status for outcome in upscale_files(upscaler, jobs, Request(fidelity=fidelity))] == [
            "done",
            "done",
        ]
        for job in jobs:
            expected = upscaler.upscale(job.source, fidelity=fidelity).pixels
            assert np.array_equal(read_picture(job.target).pixels, expected)
    first, other = (read_picture(tmp_path / name / "a.png").pixels for name in ("0", "None"))
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("existing", "status", "height"), [("fail", "failed", 1), ("skip", "skipped", 1), ("overwrite", "done", 16)]
)
def test_results_that_are_there_already(tmp_path, upscaler, existing, status, height):
    job = Job(source=_save(tmp_path / "a.png"), target=_save(tmp_path / "out/a.png", 1, 1))
    (outcome,) = upscale_files(upscaler, [job], Request(), existing=existing)
    assert outcome.status == status
    assert read_picture(job.target).height == height
    if status == "failed":
        assert "--overwrite" in outcome.reason


def test_a_result_too_large_for_its_format_fails_before_the_work(tmp_path, upscaler):
    job = Job(source=_save(tmp_path / "a.webp", 2, 5000), target=tmp_path / "out/a.webp")
    shares: list[float] = []
    (outcome,) = upscale_files(upscaler, [job], Request(), progress=lambda job, share: shares.append(share))
    assert outcome.status == "failed"
    assert "16383" in outcome.reason
    assert str(job.source) in outcome.reason
    assert shares == []


def test_notes_say_what_a_format_could_not_hold(tmp_path, upscaler):
    picture = Picture(pixels=np.zeros((3, 3, 3), np.uint16), alpha=np.zeros((3, 3), np.uint16))
    write_picture(picture, tmp_path / "a.png")
    (outcome,) = upscale_files(upscaler, [Job(source=tmp_path / "a.png", target=tmp_path / "a.jpg")], Request())
    assert len(outcome.notes) >= 2
