"""The numbers of the papers: the file, and what is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deltasr.experiments import papers
from deltasr.experiments.catalogue import EXPERIMENTS
from deltasr.experiments.deltadiff import table_2
from deltasr.experiments.experiment import Settings
from deltasr.experiments.papers import published, remarks
from deltasr.experiments.resshift import figure_7
from deltasr.experiments.resshift.grid import over_kappa, over_p, over_steps, point_of

NUMBERS: dict[str, Any] = json.loads(papers.NUMBERS.read_text(encoding="utf-8"))
TABLES = {name: table for name, table in NUMBERS.items() if "rows" in table}


def test_the_file_is_the_reference(shared: Path):
    reference = json.loads((shared / "reference" / "papers.json").read_text(encoding="utf-8"))
    assert {name: value for name, value in reference.items() if not name.startswith("_")} == NUMBERS


def test_it_has_every_value_of_the_tables():
    rows = [row for table in TABLES.values() for row in table["rows"]]
    flat = [part for row in rows for part in (row, *(value for value in row.values() if isinstance(value, dict)))]
    known = {"PSNR", "SSIM", "LPIPS", "CLIPIQA", "MUSIQ", "Runtime (s)", "Parameters (M)"}
    assert sum(key in known for part in flat for key in part) == 268


@pytest.mark.parametrize("name", TABLES)
def test_every_row_and_remark_of_a_table_is_made(name: str, left_out: Callable[..., list[dict[str, Any]]]):
    assert left_out(name, published(name)) == []
    text = "\n".join(remarks(name))
    facts = [TABLES[name]["source"], *TABLES[name].get("oddities", ()), *TABLES[name].get("sets", {}).values()]
    assert [fact for fact in facts if fact not in text] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_the_sources_is_found_by_its_number(name: str):
    number = TABLES[name]["source"].rpartition(", ")[2].partition(" (")[0]
    assert number.startswith("Table ")
    assert re.search(rf"{number}\b", EXPERIMENTS[name].source)


def test_numbers_have_the_digits_of_the_print():
    first = published("resshift-table-1", dataset="ImageNet-Test")[0]
    assert first.cells["PSNR-Y"] == "25.20"
    assert first.cells["MUSIQ"] == "50.6617"
    assert (first.cells["T"], first.cells["p"], first.cells["kappa"]) == (10, 0.3, 2.0)
    assert (first.cells["set"], first.cells["pictures"]) == ("ImageNet-Test", 3000)
    assert published("report-3")[1].cells["PSNR-Y"] == "23.20"


def test_a_table_of_several_sets_has_a_row_for_each():
    rows = [row.cells for row in published("resshift-table-4")]
    assert [(cells["method"], cells["set"], cells["pictures"]) for cells in rows[:2]] == [
        ("ESRGAN", "RealSR", 100),
        ("ESRGAN", "RealSet65", 65),
    ]


def test_every_table_has_an_experiment_of_its_name():
    assert EXPERIMENTS.keys() >= TABLES.keys()


def test_scales_are_those_of_the_sources():
    assert "over 100M parameters" in papers.deltadiff_scale()
    assert "256x256 or 512x512" in papers.deltadiff_scale()
    assert "118.59 M" in papers.resshift_scale()
    assert "500,000 iterations of 64 crops" in papers.resshift_scale()
    assert "JPEG" not in papers.resshift_scale()
    assert "split 700/101/102" in papers.report_scale()


def test_the_grids_are_those_of_the_papers(settings: Settings):
    full = replace(settings, quick=False)
    points = {*over_steps(full), *over_p(full), *over_kappa(full)}
    assert {point_of(row) for row in published("resshift-table-1")} == {p for p in points if p.steps != 4}
    assert {10, 15, 20, 30, 40, 50} <= {point.steps for point in figure_7.steps_of(full)}
    papers_ends = [tuple(row.cells.values())[:2] for row in published("deltadiff-table-2")]
    assert list(table_2.ends_of(settings)) == papers_ends
    assert set(papers_ends) < set(table_2.ends_of(full))
