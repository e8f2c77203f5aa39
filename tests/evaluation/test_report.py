"""The CSV file and the table."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from deltasr.errors import OutputError
from deltasr.evaluation.benchmark import Measurement
from deltasr.evaluation.report import to_csv, to_markdown, write_report


def measurement(
    model: str, dataset: str, image: str, psnr: float, *, lpips: float | None = 0.25, **others: object
) -> Measurement:
    given = {"height": 40, "width": 48, "scale": 4, "border": 4, "ssim_y": 0.8, "lr_psnr": 51.0, **others}
    perceptual = {} if lpips is None else {"LPIPS-alex": lpips}
    return Measurement(model=model, dataset=dataset, image=image, psnr_y=psnr, perceptual=perceptual, **given)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_csv_has_a_line_an_image_with_all_scores():
    text = to_csv([measurement("a, b", "Set5", "baby", 28.5, seconds=1.25), measurement("c", "Set5", "bird", math.inf)])
    rows = list(csv.DictReader(text.splitlines()))
    assert rows[0] == {
        "model": "a, b",
        "set": "Set5",
        "image": "baby",
        "width": "48",
        "height": "40",
        "scale": "4",
        "border": "4",
        "psnr_y_db": "28.500000",
        "ssim_y": "0.800000",
        "lr_psnr_db": "51.000000",
        "lpips_alex": "0.250000",
        "seconds_wall": "1.2500",
    }
    assert rows[1]["psnr_y_db"] == "inf"
    assert rows[1]["seconds_wall"] == ""


def test_the_table_has_a_row_a_model_and_a_group_a_set():
    table = to_markdown(
        [
            measurement("a", "Set5", "1", 28.0),
            measurement("a", "Set5", "2", 29.0),
            measurement("a", "Set14", "1", 25.0, border=0, ssim_y=0.71234),
            measurement("b", "Set5", "1", 30.0),
            measurement("b", "Set5", "2", 30.0),
        ]
    ).splitlines()
    group = ["SSIM-Y", "LPIPS-alex", "LR-PSNR"]
    assert cells(table[0]) == ["model", "Set5 PSNR-Y", *group, "Set14 PSNR-Y", *group]
    assert cells(table[2]) == [
        "a",
        "28.50",
        "0.8000",
        "0.2500",
        "51.00",
        "25.00",
        "0.7123",
        "0.2500",
        "51.00",
    ]
    assert cells(table[3]) == ["b", "30.00", "0.8000", "0.2500", "51.00", "", "", "", ""]
    assert len({len(line) for line in table[:4]}) == 1


@pytest.mark.parametrize(
    ("values", "expected"), [([40.0, 40.0], "40.00"), ([math.inf, 40.0], "43.01"), ([math.inf, math.inf], "inf")]
)
def test_lr_psnr_is_of_the_mean_error(values: list[float], expected: str):
    rows = [measurement("a", "Set5", str(index), 28.0, lr_psnr=value) for index, value in enumerate(values)]
    assert cells(to_markdown(rows).splitlines()[2])[-1] == expected


def test_without_lpips_there_is_no_column_of_it():
    assert "LPIPS" not in to_markdown([measurement("a", "Set5", "1", 28.0, lpips=None)])


def without_reference(model: str) -> Measurement:
    """One with a library's scores."""
    one = measurement(model, "Set5", "1", 28.0)
    perceptual = {**one.perceptual, "NIQE": 4.5, "CLIP-IQA": 0.625}
    return replace(one, perceptual=perceptual, libraries={"NIQE": "pyiqa 1.2", "CLIP-IQA": "pyiqa 1.2"})


def test_scores_of_a_library_name_it_in_the_table():
    table = to_markdown([without_reference("a")])
    lines = table.splitlines()
    assert cells(lines[0])[3:] == ["LPIPS-alex", "NIQE", "CLIP-IQA", "LR-PSNR"]
    assert cells(lines[2])[4:6] == ["4.5000", "0.6250"]
    assert "- NIQE: pyiqa 1.2, no reference, whole images, lower is better.\n" in table
    assert "- CLIP-IQA: pyiqa 1.2, no reference, whole images, higher is better.\n" in table
    assert "NIQE" not in to_markdown([measurement("a", "Set5", "1", 28.0)])
    assert "LPIPS" not in to_markdown([replace(without_reference("a"), perceptual={"NIQE": 1.0})])


def test_scores_of_a_library_name_it_in_the_csv():
    (row,) = csv.DictReader(to_csv([without_reference("a")]).splitlines())
    assert list(row)[-6:] == ["lpips_alex", "niqe", "clip_iqa", "seconds_wall", "niqe_library", "clip_iqa_library"]
    assert (row["niqe"], row["niqe_library"], row["clip_iqa_library"]) == ("4.500000", "pyiqa 1.2", "pyiqa 1.2")


def test_the_terms_of_each_set_are_stated():
    notes = to_markdown(
        [
            measurement("a", "Set5", "1", 28.0, cut=True, degraded=True),
            measurement("b", "Set5", "1", 28.0, cut=True, degraded=True),
            measurement("a", "Whole", "1", 28.0, border=0),
        ]
    )
    assert "Set5: 1 image, x4, border of 4 left out, 1 cut at the right or bottom to a multiple of the scale" in notes
    assert "LR made from HR by anti-aliased bicubic" in notes
    assert "Whole: 1 image, x4, whole images." in notes
    assert "BT.601 luma, 16-235" in notes


def test_a_report_is_written_whole_and_leaves_nothing_else(tmp_path: Path):
    path = tmp_path / "new" / "report.md"
    write_report("first\n", path)
    write_report("second\n", path)
    assert path.read_text() == "second\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_report_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^The report .*report\.md cannot be written"):
        write_report("text", tmp_path / "file" / "report.md")
