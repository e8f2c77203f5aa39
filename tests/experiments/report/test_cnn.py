"""The plot of depth, from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deltasr.experiments.experiment import Result, Settings
from deltasr.experiments.report import cnn
from deltasr.experiments.tables import Column, Row, Table


def test_depth_is_drawn_against_interpolation(monkeypatch: pytest.MonkeyPatch):
    psnr = {"RRDB, 2 blocks": 24.0, "RRDB, 10 blocks": 25.0, "RRDB, 15 blocks": 26.0}
    psnr |= {"nearest": 20.0, "bilinear": 21.0, "bicubic": 22.0}
    rows = [Row(cells={"model": model, "set": "Set5", "PSNR-Y": value}) for model, value in psnr.items()]
    rows.append(Row(cells={"model": "RRDB, 2 blocks"}, source="report"))
    table = Table(columns=tuple(Column(title=title) for title in ("model", "set", "PSNR-Y")), rows=tuple(rows))
    drawn: list[Any] = []
    monkeypatch.setattr(cnn, "compare", lambda *_, **__: Result(table=table, plots=(b"losses",), scale=()))
    monkeypatch.setattr(cnn, "draw_panels", lambda panels, title: drawn.extend(panels) or b"depth")
    result = cnn.CNN_EXPERIMENTS[0].run(Settings(output=Path("out")))
    assert result.plots == (b"depth", b"losses")
    (panel,) = drawn
    assert panel.title == "Set5"
    assert {series.label: (list(series.x), list(series.y)) for series in panel.series} == {
        "RRDB": ([2, 10, 15], [24.0, 25.0, 26.0]),
        "nearest": ([2, 15], [20.0, 20.0]),
        "bilinear": ([2, 15], [21.0, 21.0]),
        "bicubic": ([2, 15], [22.0, 22.0]),
    }
