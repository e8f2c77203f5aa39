"""Which result goes where, and that one bad file stops nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Picture, write_picture
from deltasr.planning import Job, Outcome, plan_jobs, run_jobs, settled


def _save(path: Path, height: int = 4, width: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels=np.full((height, width, 3), 100, np.uint8)), path)
    return path


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


def test_without_an_output_results_lie_beside_their_inputs(tmp_path):
    pictures = [
        _save(tmp_path / "a.jpeg"),
        _save(tmp_path / "b.v2.png"),
        _save(tmp_path / "c.png").rename(tmp_path / "c"),
    ]
    for name in ("holiday/d.png", "holiday/deep/e.webp"):
        _save(tmp_path / name)
    plan = plan_jobs([*pictures, tmp_path / "holiday"], None, mark="x1.5")
    assert [job.target.relative_to(tmp_path).as_posix() for job in plan.jobs] == [
        "a-x1.5.jpeg",
        "b.v2-x1.5.png",
        "c-x1.5.png",
        "holiday-x1.5/d.png",
        "holiday-x1.5/deep/e.webp",
    ]
    plan = plan_jobs([pictures[0]], None, mark="x4", output_format="tiff")
    assert [job.target.name for job in plan.jobs] == ["a-x4.tif"]


def test_the_folder_one_is_in_gets_a_folder_beside_it(tmp_path, monkeypatch):
    _save(tmp_path / "holiday/a.png")
    (tmp_path / "holiday/deep").mkdir()
    for here, given in (("holiday", "."), ("holiday/deep", ".."), (".", "holiday/")):
        monkeypatch.chdir(tmp_path / here)
        (job,) = plan_jobs([Path(given)], None, mark="x4").jobs
        assert job.target.resolve() == tmp_path / "holiday-x4" / "a.png"
    with pytest.raises(SettingError, match="no place beside /"):
        plan_jobs([Path("/")], None, mark="x4")


def test_a_result_beside_its_input_is_never_another_input(tmp_path):
    pictures = [_save(tmp_path / "a.png"), _save(tmp_path / "a-x4.png")]
    plan = plan_jobs(pictures, None, mark="x4")
    assert [job.target.name for job in plan.jobs] == ["a-x4-x4.png"]
    (failure,) = plan.failures
    assert "a-x4.png, which is an input" in failure.reason


@pytest.mark.parametrize(("existing", "status"), [("fail", "failed"), ("skip", "skipped"), ("overwrite", None)])
def test_what_is_there_already_is_settled_without_work(tmp_path, existing, status):
    job = Job(source=tmp_path / "a.png", target=_save(tmp_path / "b.png"))
    outcome = settled(job, existing)
    assert (outcome and outcome.status) == status
    assert settled(Job(source=tmp_path / "a.png", target=tmp_path / "c.png"), existing) is None


@pytest.mark.parametrize("error", [PictureError("it is broken"), OSError(28, "No space left on device"), MemoryError()])
def test_one_failure_stops_nothing(tmp_path, error):
    jobs = [Job(source=tmp_path / f"{name}.png", target=tmp_path / f"{name}-x4.png") for name in "abc"]

    def work(job: Job) -> Outcome:
        if job.source.stem == "b":
            raise error
        return Outcome(source=job.source, target=job.target, status="done")

    outcomes = list(run_jobs(jobs, work))
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert outcomes[1].reason.startswith(f"{tmp_path / 'b.png'}: {error or 'MemoryError'}")


def test_a_wrong_setting_stops_all(tmp_path):
    def work(job: Job) -> Outcome:
        raise SettingError("nothing can be done like this")

    with pytest.raises(SettingError):
        list(run_jobs([Job(source=tmp_path / "a.png", target=tmp_path / "b.png")], work))
