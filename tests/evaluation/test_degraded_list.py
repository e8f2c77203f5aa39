"""Lists of degraded pictures, to CSV and back, and what differs; and the lists that come with the documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deltasr.errors import PictureError, SettingError
from deltasr.evaluation.degraded import Line, degrade_picture
from deltasr.evaluation.degraded_list import difference, read_list, to_csv
from deltasr.imaging import read_picture

LISTS = Path(__file__).parents[2] / "docs" / "experiments" / "photo"
SETS = {"Set5": 5, "Set14": 14, "BSD100": 100, "DeltaDiffSet14": 14}

A = Line(
    name="deep/a, b",
    kind="realesrgan",
    scale=4,
    seed=-3,
    width=5,
    height=4,
    operations="blur shape=iso side=7 sigma=1.5; jpeg quality=30",
    sha256="0" * 64,
    hr_sha256="1" * 64,
)
B = replace(A, name="b", seed=2**70)


def test_there_and_back(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text(to_csv([A, B]), encoding="utf-8")
    assert read_list(path) == [B, A]
    assert path.read_text().splitlines()[0] == "name,kind,scale,seed,width,height,operations,sha256,hr_sha256"


def test_the_order_is_that_of_the_names():
    assert to_csv([A, B]) == to_csv([B, A])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "columns"),
        ("name,kind\n", "columns"),
        (to_csv([A]).replace(",4,-3,", ",four,-3,"), "line 2"),
        (to_csv([A]) + "b,bicubic\n", "line 3"),
        (to_csv([A]).rstrip("\n") + ",more\n", "line 2"),
        (to_csv([A, A]), "deep/a, b twice"),
        (to_csv([]), "lists no pictures"),
    ],
)
def test_what_is_no_list(tmp_path: Path, text: str, said: str):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError) as raised:
        read_list(path)
    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(PictureError, match="cannot be read"):
        read_list(tmp_path / "missing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="not text"):
        read_list(tmp_path / "binary.csv")


def test_differences_name_their_cause():
    assert difference(A, A) is None
    other = replace(A, sha256="2" * 64)
    assert difference(A, other) == "the same HR picture came out with other pixels"
    assert "jpeg quality=31" in str(difference(A, replace(other, operations="jpeg quality=31")))
    assert difference(A, replace(other, hr_sha256="2" * 64)) == "the HR picture is another one"


@pytest.mark.parametrize(("name", "count"), SETS.items())
def test_the_committed_lists(name: str, count: int):
    lines = read_list(LISTS / f"{name}.csv")
    assert len(lines) == count
    assert {(line.kind, line.scale, line.seed) for line in lines} == {("realesrgan", 4, 1)}
    assert all("/" not in line.name for line in lines)
    assert len({line.sha256 for line in lines}) == count


@pytest.mark.parametrize("name", ["Set5", "DeltaDiffSet14"])
def test_the_committed_lists_are_of_these_sets(name: str, shared: Path):
    """All but the LR pixels, whose last bits are the libraries' and the processor's."""
    for line in read_list(LISTS / f"{name}.csv"):
        hr = read_picture(shared / "data" / "eval" / name / "HR" / f"{line.name}.png")
        made = degrade_picture(hr, name=line.name, kind=line.kind, scale=line.scale, seed=line.seed).line
        assert replace(made, sha256=line.sha256) == line
