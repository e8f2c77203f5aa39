"""Sets: which pictures belong together, and what is said where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from deltasr.errors import PictureError
from deltasr.evaluation.sets import find_set, partners


def files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("baby.png", "baby.png"),
        ("baby.png", "baby.bmp"),
        ("baby.png", "babyx4.png"),
        ("0801.png", "0801x4.png"),
        ("img_001.png", "img_001_LRBI_x4.png"),
        ("img_001_HR.png", "img_001_LR.png"),
        ("img_001_SRF_4_HR.png", "img_001_SRF_4_LR.png"),
        ("a.b.png", "a.b_x4.jpg"),
        ("x4.png", "x4_lr.png"),
    ],
)
def test_marks_of_scale_and_role_do_not_matter(hr: str, lr: str, tmp_path: Path):
    truths = files(tmp_path / "HR", hr)
    expected = files(tmp_path / "LR", lr)
    assert partners(truths, tmp_path / "LR") == expected


def test_an_equal_name_goes_before_a_similar_one(tmp_path: Path):
    truths = files(tmp_path / "HR", "car.png", "car_x2.png")
    assert partners(truths, tmp_path / "HR") == truths
    files(tmp_path / "LR", "car_x2.png", "car_LR.png")
    assert [path.name for path in partners(truths, tmp_path / "LR")] == ["car_LR.png", "car_x2.png"]


@pytest.mark.parametrize(
    ("hr", "lr", "words"),
    [
        (["a.png", "b.png"], ["a.png"], r"b\.png has no partner in .*LR"),
        (["a.png"], ["a.png", "b.png"], r"holds b\.png without an HR picture"),
        (["a.png"], ["ax2.png", "ax4.png"], r"a\.png could belong to ax2\.png, ax4\.png"),
        (["a_x2.png", "a_x4.png"], ["a.png"], r"a\.png is the only partner of several"),
        (["a.png"], ["a.png", "a.jpg"], r"a\.jpg and a\.png differ only in their suffix"),
        (["a.png"], ["a.txt"], "holds no pictures"),
    ],
)
def test_what_does_not_pair_is_named(hr: list[str], lr: list[str], words: str, tmp_path: Path):
    truths = files(tmp_path / "HR", *hr)
    files(tmp_path / "LR", *lr)
    with pytest.raises(PictureError, match=words):
        partners(truths, tmp_path / "LR")


def test_a_set_folder_brings_its_own_lr(tmp_path: Path):
    files(tmp_path / "Set9" / "HR", "b.png", "a.png", ".hidden.png", "notes.txt")
    files(tmp_path / "Set9" / "LR_bicubic_x4", "a.png", "b.png")
    benchmark = find_set(tmp_path / "Set9")
    assert benchmark.name == "Set9"
    assert [pair.name for pair in benchmark.pairs] == ["a", "b"]
    assert [pair.lr for pair in benchmark.pairs] == sorted((tmp_path / "Set9" / "LR_bicubic_x4").iterdir())


def test_separate_folders_and_hr_alone(tmp_path: Path):
    files(tmp_path / "Set9" / "HR", "a.png")
    files(tmp_path / "small", "a.png")
    benchmark = find_set(tmp_path / "Set9" / "HR", tmp_path / "small")
    assert (benchmark.name, benchmark.pairs[0].lr) == ("Set9", tmp_path / "small" / "a.png")
    assert find_set(tmp_path / "Set9" / "HR").pairs[0].lr is None
    assert find_set(tmp_path / "small").name == "small"


def test_a_set_is_named_by_the_way_that_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files(tmp_path / "a" / "Set14" / "HR", "x.png")
    files(tmp_path / "store" / "images", "x.png")
    (tmp_path / "b" / "Set5").mkdir(parents=True)
    (tmp_path / "b" / "Set5" / "HR").symlink_to(tmp_path / "store" / "images")
    (tmp_path / "Mine").symlink_to(tmp_path / "store" / "images")
    for given, name in (
        ("a/Set14/HR", "Set14"),
        ("a/Set14", "Set14"),
        ("b/Set5/HR", "Set5"),
        ("b/Set5", "Set5"),
        ("Mine", "Mine"),
    ):
        assert find_set(tmp_path / given).name == name
    monkeypatch.chdir(tmp_path / "a" / "Set14" / "HR")
    assert {find_set(given).name for given in (".", "../HR", "..")} == {"Set14"}


def test_several_lr_folders_need_a_choice(tmp_path: Path):
    files(tmp_path / "HR", "a.png")
    files(tmp_path / "LR_x2", "a.png")
    files(tmp_path / "LR_x4", "a.png")
    with pytest.raises(PictureError, match=r"holds LR_x2, LR_x4; name one with --lr"):
        find_set(tmp_path)
    assert find_set(tmp_path, tmp_path / "LR_x2").pairs[0].lr == tmp_path / "LR_x2" / "a.png"


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(PictureError, match=r"There is no folder .*absent"):
        find_set(tmp_path / "absent")
