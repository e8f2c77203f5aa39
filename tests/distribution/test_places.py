"""Files that are named by URLs, in fsspec's store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("upath", reason="needs universal_pathlib (extra ray)")

from deltasr.distribution.places import full_name, is_remote, place, upscale_anywhere
from deltasr.errors import PictureError
from deltasr.imaging import Picture, encode_picture
from deltasr.inference.batch import Request, upscale_file
from deltasr.inference.upscaler import Upscaler
from deltasr.models.interpolation import Interpolation
from deltasr.planning import Job, plan_jobs

CONTENT = encode_picture(Picture(pixels=np.full((5, 4, 3), 100, np.uint8)))


@pytest.fixture
def bucket() -> Iterator[Path]:
    found = place("memory://bucket")
    yield found
    for file in found.fs.find(found.path):
        found.fs.rm(file)


def test_paths_are_paths_and_urls_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place("in/a.png") == Path("in/a.png")
    assert place("file:///in/a.png") == Path("/in/a.png")
    assert not is_remote(place("in/a.png"))
    assert is_remote(place("memory://bucket/a.png"))
    assert full_name(place("in/a.png")) == str(tmp_path / "in/a.png")
    assert full_name(place("memory://bucket/a.png")) == "memory://bucket/a.png"
    with pytest.raises(PictureError, match="nowhere://a cannot be opened"):
        place("nowhere://a")


def test_a_folder_is_planned_as_on_a_disk(bucket, tmp_path):
    names = ("b.png", "a.jpg", "notes.txt", ".hidden.png", "deep/c.webp", ".cache/d.png", "out/a.jpg")
    for name in names:
        (bucket / name).write_bytes(b"")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    far = plan_jobs([bucket], bucket / "out")
    near = plan_jobs([tmp_path], tmp_path / "out")
    told = str(bucket).rstrip("/")
    assert [(str(j.source), str(j.target)) for j in far.jobs] == [
        tuple(str(path).replace(str(tmp_path), told) for path in (j.source, j.target)) for j in near.jobs
    ]
    assert (len(far.jobs), far.ignored) == (3, near.ignored) == (3, 2)


def test_results_are_sent_and_are_those_of_files(bucket, tmp_path):
    (bucket / "a.png").write_bytes(CONTENT)
    (tmp_path / "a.png").write_bytes(CONTENT)
    upscaler, request = Upscaler(Interpolation(method="bicubic")), Request(map="determined")
    far = Job(source=bucket / "a.png", target=bucket / "out" / "a.png")
    near = Job(source=tmp_path / "a.png", target=tmp_path / "out" / "a.png")
    outcome = upscale_anywhere(far, upscaler=upscaler, request=request)
    upscale_file(near, upscaler=upscaler, request=request)
    assert (outcome.source, outcome.target, outcome.size) == (far.source, far.target, (20, 16))
    names = sorted(file.name for file in near.target.parent.iterdir())
    assert sorted(file.name for file in far.target.parent.iterdir()) == names
    assert len(names) == 3
    assert all((bucket / "out" / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in names)
    mixed = Job(source=far.source, target=tmp_path / "mixed" / "a.png")
    upscale_anywhere(mixed, upscaler=upscaler, request=Request())
    assert mixed.target.read_bytes() == near.target.read_bytes()


def test_errors_name_the_url(bucket):
    (bucket / "bad.png").write_bytes(b"nothing")
    upscaler = Upscaler(Interpolation(method="nearest"))
    for name, message in (("bad.png", "bad.png is not a PNG"), ("gone.png", "gone.png does not exist")):
        job = Job(source=bucket / name, target=bucket / "out" / name)
        with pytest.raises(PictureError) as error:
            upscale_anywhere(job, upscaler=upscaler, request=Request())
        assert str(error.value).startswith(f"{str(bucket).rstrip('/')}/{message}")
        assert not job.target.exists()


def test_maps_that_are_there_are_kept(bucket):
    (bucket / "a.png").write_bytes(CONTENT)
    (bucket / "out/a-added.png").write_bytes(b"kept")
    job = Job(source=bucket / "a.png", target=bucket / "out" / "a.png")
    work = {"upscaler": Upscaler(Interpolation(method="nearest")), "request": Request(map="determined")}
    with pytest.raises(PictureError, match=r"a-added\.png already exists"):
        upscale_anywhere(job, **work)
    assert (bucket / "out/a-added.png").read_bytes() == b"kept"
    assert not job.target.exists()
    assert upscale_anywhere(job, **work, replace_maps=True).status == "done"
