"""Tables whose rows say where their numbers come from."""

from __future__ import annotations

import csv
import io

import pytest

from deltasr.experiments.tables import Column, Row, Table, to_csv, to_markdown

TABLE = Table(
    columns=(Column(title="method"), Column(title="PSNR-Y", digits=2), Column(title="LPIPS", digits=4)),
    rows=(
        Row(cells={"method": "ours", "PSNR-Y": 24.125, "LPIPS": None}),
        Row(cells={"method": "theirs", "PSNR-Y": 25.0}, source="paper"),
    ),
)


def test_csv_leaves_missing_numbers_empty():
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert rows == [
        {"method": "ours", "PSNR-Y": "24.12", "LPIPS": "", "numbers from": "this run"},
        {"method": "theirs", "PSNR-Y": "25.00", "LPIPS": "", "numbers from": "paper"},
    ]


def test_markdown_says_which_published_numbers_are_not_available():
    _, _, ours, theirs = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in to_markdown(TABLE).splitlines()
    )
    assert ours == ["ours", "24.12", "", "this run"]
    assert theirs == ["theirs", "25.00", "not available", "paper"]


def test_a_cell_needs_a_column():
    with pytest.raises(ValueError, match="no column FID"):
        Table(columns=TABLE.columns, rows=(Row(cells={"FID": 1.0}),))
