"""What is asked of every picture, and that one bad file stops nothing."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Metadata, Picture, read_picture, write_picture
from deltasr.inference.batch import Request, foresee_file, upscale_file, upscale_files
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
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


def test_a_request_travels_to_other_processes(tmp_path):
    request = Request(max_side=12, quality=80, output_format="jpeg", strip=True)
    assert pickle.loads(pickle.dumps(request)) == request
    work = partial(upscale_file, upscaler=Upscaler(Interpolation(method="nearest")), request=request)
    outcome = pickle.loads(pickle.dumps(work))(Job(source=_save(tmp_path / "a.png"), target=tmp_path / "deep/a.jpg"))
    assert (outcome.status, outcome.size) == ("done", (8, 12))
    assert (tmp_path / "deep/a.jpg").exists()


def test_another_process_makes_the_same_bytes(tmp_path):
    """What a process that shares nothing with this one gets, and what it returns, is pickled."""
    source = tmp_path / "a.png"
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    write_picture(Picture(pixels=pixels, metadata=Metadata(text={"Author": "somebody"})), source)
    upscaler, request = Upscaler(catalogue.load("deltadiff-x4")), Request(scale=3, fidelity=0.5)
    here, there = (Job(source=source, target=tmp_path / name / "a.png") for name in ("here", "there"))
    work = partial(upscale_file, upscaler=upscaler, request=request)
    expected = work(here)
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
    ) as processes:
        outcome = processes.submit(work, there).result()
        with pytest.raises(PictureError, match=r"absent\.png does not exist"):
            processes.submit(work, Job(source=tmp_path / "absent.png", target=there.target)).result()
    assert there.target.read_bytes() == here.target.read_bytes()
    assert (outcome.status, outcome.size, outcome.notes) == ("done", (72, 60), expected.notes)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, None),
        ({"scale": 2}, None),
        ({"width": 9}, (6, 9)),
        ({"height": 9}, (9, 14)),
        ({"width": 1000, "height": 1}, (1, 1000)),
        ({"max_side": 3}, (2, 3)),
        ({"width": 1}, (1, 1)),
    ],
)
def test_the_size_asked_for(asked, size):
    assert Request(**asked).size_of(4, 6) == size


@pytest.mark.parametrize(
    ("asked", "mark"),
    [
        ({}, "x3"),
        ({"scale": 2.0}, "x2"),
        ({"scale": 1.5}, "x1.5"),
        ({"width": 1920}, "w1920"),
        ({"height": 1080}, "h1080"),
        ({"width": 1920, "height": 1080}, "1920x1080"),
        ({"max_side": 4096}, "max4096"),
    ],
)
def test_results_beside_their_sources_are_marked(asked, mark):
    assert Request(**asked).mark(3) == mark


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scale": 0}, "factor above 0"),
        ({"scale": float("nan")}, "factor above 0"),
        ({"scale": 2, "max_side": 100}, "exclude each other"),
        ({"height": 2, "max_side": 100}, "exclude each other"),
        ({"height": 0}, "A height of 0 pixels"),
        ({"quality": 0}, "from 1 to 100"),
        ({"fidelity": 1.5}, "from 0 to 1"),
        ({"output_format": "gif"}, "gif"),
        ({"max_pixels": 0}, "above 0"),
    ],
)
def test_a_request_that_is_not_possible_is_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        Request(**wrong)


def test_what_is_foreseen_is_what_comes(tmp_path, upscaler):
    facts = catalogue.facts("nearest")
    assert facts is not None
    for number, request in enumerate((Request(), Request(scale=1.3), Request(max_side=50), Request(width=9, height=9))):
        job = Job(source=_save(tmp_path / "a.png"), target=tmp_path / f"{number}.png")
        foreseen = foresee_file(job, model=facts, request=request)
        assert foreseen.status == "planned"
        assert not job.target.exists()
        (done,) = upscale_files(upscaler, [job], request)
        assert done.size == foreseen.size == read_picture(job.target).pixels.shape[:2]


def test_a_result_too_large_for_its_format_is_foreseen(tmp_path):
    facts = catalogue.facts("nearest")
    assert facts is not None
    job = Job(source=_save(tmp_path / "a.webp", 2, 5000), target=tmp_path / "out.webp")
    with pytest.raises(PictureError, match="16383"):
        foresee_file(job, model=facts, request=Request())


def test_a_size_that_one_picture_cannot_have_stops_no_other(tmp_path, conv_net):
    """A model that does not enlarge can make one of them smaller."""
    sources = [_save(tmp_path / "small.png", 2, 2), _save(tmp_path / "large.png", 9, 6)]
    jobs = [Job(source=source, target=tmp_path / "out" / source.name) for source in sources]
    failed, done = upscale_files(Upscaler(conv_net(scale=1)), jobs, Request(max_side=6))
    assert failed.status == "failed"
    assert "small.png" in failed.reason
    assert "does not enlarge" in failed.reason
    assert (done.status, done.size) == ("done", (6, 4))
