"""Which result goes where, and that one bad file stops nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deltasr.errors import SettingError
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.inference.batch import Job, plan_jobs, run_jobs
from deltasr.inference.upscaler import Upscaler
from deltasr.models.interpolation import Interpolation


def _save(path: Path, height: int = 4, width: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels=np.full((height, width, 3), 100, np.uint8)), path)
    return path


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(Interpolation(method="nearest"))


def _targets(plan) -> dict[str, str]:
    return {job.source.name: job.target.as_posix() for job in plan.jobs}


def test_a_folders_tree_is_mirrored_and_other_files_are_counted(tmp_path):
    for name in ("in/b.png", "in/a.JPG", "in/sub/deep/c.webp", "in/.hidden.png", "in/.cache/d.png"):
        _save(tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("not a picture")
    plan = plan_jobs([tmp_path / "in"], tmp_path / "out")
    assert [job.source.name for job in plan.jobs] == ["a.JPG", "b.png", "c.webp"]
    assert [job.target.relative_to(tmp_path / "out").as_posix() for job in plan.jobs] == [
        "a.JPG",
        "b.png",
        "sub/deep/c.webp",
    ]
    assert plan.ignored == 2
    assert plan.failures == []


def test_an_output_folder_inside_the_input_is_not_read_again(tmp_path):
    _save(tmp_path / "in/a.png")
    _save(tmp_path / "in/out/a.png")
    plan = plan_jobs([tmp_path / "in"], tmp_path / "in" / "out")
    assert [job.source for job in plan.jobs] == [tmp_path / "in/a.png"]


def test_a_single_picture_may_name_its_result(tmp_path):
    picture = _save(tmp_path / "a.png")
    assert _targets(plan_jobs([picture], tmp_path / "b.webp")) == {"a.png": f"{tmp_path.as_posix()}/b.webp"}
    assert _targets(plan_jobs([picture], tmp_path / "b")) == {"a.png": f"{tmp_path.as_posix()}/b/a.png"}
    (tmp_path / "folder.png").mkdir()
    plan = plan_jobs([picture], tmp_path / "folder.png")
    assert _targets(plan) == {"a.png": f"{tmp_path.as_posix()}/folder.png/a.png"}


def test_a_result_in_a_format_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(SettingError, match="gif"):
        plan_jobs([_save(tmp_path / "a.png")], tmp_path / "b.gif")
    with pytest.raises(SettingError, match="heic"):
        plan_jobs([_save(tmp_path / "a.png")], tmp_path / "b", output_format="heic")


def test_many_pictures_cannot_go_to_one_file(tmp_path):
    pictures = [_save(tmp_path / "a.png"), _save(tmp_path / "b.png")]
    for inputs in (pictures, [tmp_path]):
        with pytest.raises(SettingError, match="name a folder"):
            plan_jobs(inputs, tmp_path / "out.png")


def test_the_output_format_names_all_results_and_others_keep_their_suffix(tmp_path):
    pictures = [_save(tmp_path / "a.jpeg"), _save(tmp_path / "b.png").rename(tmp_path / "b.unknown")]
    plan = plan_jobs(pictures, tmp_path / "out")
    assert [job.target.name for job in plan.jobs] == ["a.jpeg", "b.png"]
    plan = plan_jobs(pictures, tmp_path / "out", output_format="JPG")
    assert [job.target.name for job in plan.jobs] == ["a.jpg", "b.jpg"]


def test_two_inputs_for_one_result_fail_the_second_by_name(tmp_path):
    first, second = _save(tmp_path / "a.jpg"), _save(tmp_path / "a.png")
    plan = plan_jobs([first, second, first], tmp_path / "out", output_format="png")
    assert [job.source for job in plan.jobs] == [first]
    (failure,) = plan.failures
    assert failure.source == second
    assert str(first) in failure.reason
    assert str(tmp_path / "out" / "a.png") in failure.reason


def test_no_result_replaces_an_input(tmp_path):
    pictures = [_save(tmp_path / "a.png"), _save(tmp_path / "b.png")]
    plan = plan_jobs(pictures, tmp_path)
    assert plan.jobs == []
    assert all("is an input" in failure.reason for failure in plan.failures)


def test_missing_inputs_are_named_and_the_rest_goes_on(tmp_path):
    plan = plan_jobs([tmp_path / "gone.png", _save(tmp_path / "a.png")], tmp_path / "out")
    assert [failure.reason for failure in plan.failures] == [f"{tmp_path / 'gone.png'} does not exist."]
    assert len(plan.jobs) == 1


def test_a_bad_file_is_an_outcome_and_the_rest_goes_on(tmp_path, upscaler):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    jobs = [
        Job(source=bad, target=tmp_path / "out/bad.png"),
        Job(source=_save(tmp_path / "good.png"), target=tmp_path / "out/good.png"),
    ]
    shares: list[float] = []
    failed, done = run_jobs(upscaler, jobs, scale=2, progress=lambda job, share: shares.append(share))
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
        assert [outcome.status for outcome in run_jobs(upscaler, jobs, fidelity=fidelity)] == ["done", "done"]
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
    (outcome,) = run_jobs(upscaler, [job], existing=existing)
    assert outcome.status == status
    assert read_picture(job.target).height == height
    if status == "failed":
        assert "--overwrite" in outcome.reason


def test_a_result_too_large_for_its_format_fails_before_the_work(tmp_path, upscaler):
    job = Job(source=_save(tmp_path / "a.webp", 2, 5000), target=tmp_path / "out/a.webp")
    shares: list[float] = []
    (outcome,) = run_jobs(upscaler, [job], progress=lambda job, share: shares.append(share))
    assert outcome.status == "failed"
    assert "16383" in outcome.reason
    assert str(job.source) in outcome.reason
    assert shares == []


def test_notes_say_what_a_format_could_not_hold(tmp_path, upscaler):
    picture = Picture(pixels=np.zeros((3, 3, 3), np.uint16), alpha=np.zeros((3, 3), np.uint16))
    write_picture(picture, tmp_path / "a.png")
    (outcome,) = run_jobs(upscaler, [Job(source=tmp_path / "a.png", target=tmp_path / "a.jpg")])
    assert len(outcome.notes) >= 2
