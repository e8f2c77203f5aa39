"""The work on one file of a degraded set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deltasr.errors import PictureError
from deltasr.evaluation.degraded_files import compare_file, degrade_file, name_in_set
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.planning import Job

SETTINGS = {"name": "deep/a", "kind": "bsrgan", "seed": 3, "strength": None, "output_format": None}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 42, 3), dtype=np.uint8)
    write_picture(Picture(pixels=pixels, alpha=np.full((40, 42), 200, np.uint8)), tmp_path / "a.png")
    return Job(source=tmp_path / "a.png", target=tmp_path / "lr/deep/a.png")


def test_a_file_is_degraded_into_a_folder_that_is_made(job: Job):
    outcome, line = degrade_file(job, scale=4, **SETTINGS)
    assert (outcome.status, outcome.size, outcome.target) == ("done", (10, 10), job.target)
    assert len(outcome.notes) == 2, "transparency, and two columns that are cut off"
    assert read_picture(job.target).pixels.shape == (10, 10, 3)
    assert (line.name, line.width, line.height) == ("deep/a", 10, 10)


def test_a_file_is_compared_with_its_line_and_nothing_is_written(job: Job):
    _, line = degrade_file(job, scale=4, **SETTINGS)
    job.target.unlink()
    assert compare_file(job, line=line).notes == ()
    (differs,) = compare_file(job, line=replace(line, seed=4)).notes
    assert "went through something else" in differs
    assert not job.target.exists()


def test_a_scale_that_one_picture_cannot_have_is_an_error_of_that_picture(job: Job):
    with pytest.raises(PictureError, match="too small"):
        degrade_file(job, scale=50, **SETTINGS)
    assert not job.target.exists()


def test_the_name_of_a_picture_in_its_set(tmp_path: Path):
    below = Job(source=tmp_path / "hr/deep/a.jpg", target=tmp_path / "lr/deep/a.png")
    assert name_in_set(below, tmp_path / "lr") == "deep/a"
    single = Job(source=tmp_path / "b.v2.jpg", target=tmp_path / "out.png")
    assert name_in_set(single, tmp_path / "out.png") == "b.v2"
