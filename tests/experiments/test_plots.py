"""Plots are PNG files, the same bytes for the same content."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from deltasr.errors import SettingError
from deltasr.experiments.plots import (
    Bar,
    Map,
    Panel,
    Series,
    Strip,
    draw_bars,
    draw_maps,
    draw_panels,
    draw_strips,
    require_matplotlib,
    stacked,
)


def panels(y: float) -> list[Panel]:
    ours = Series(label="ours", x=[1, 2], y=[1, y], captions=["a", "b"])
    theirs = Series(label="theirs", x=[2], y=[3], published=True, joined=False)
    return [Panel(title="one", x="x", y="y", series=[ours, theirs]) for _ in range(2)]


def strips(level: int) -> list[Strip]:
    picture = np.full((8, 8, 3), level, np.uint8)
    return [
        Strip(label="forward", pictures=[("x_1", picture)] * 2),
        Strip(label="reverse", pictures=[("x_1", picture)]),
    ]


def test_panels_depend_on_what_they_show_alone():
    first = draw_panels(panels(2), title="t")
    assert first == draw_panels(panels(2), title="t")
    assert first != draw_panels(panels(9), title="t")
    width, height = Image.open(io.BytesIO(first)).size
    assert width > 2 * height


def test_bars_have_a_row_each_and_a_colour_a_group():
    def drawn(count: int) -> bytes:
        bars = [
            Bar(name=str(number), value=number + 1, group="odd" if number % 2 else "even") for number in range(count)
        ]
        return draw_bars(bars, title="t", x="dB")

    assert drawn(4) == drawn(4)
    pictures = [np.asarray(Image.open(io.BytesIO(drawn(count))).convert("RGB")).astype(int) for count in (4, 8)]
    assert pictures[0].shape[0] < pictures[1].shape[0]
    first, second = (
        (np.abs(pictures[0] - colour).max(axis=-1) < 8).sum() for colour in ([31, 119, 180], [255, 127, 14])
    )
    assert second / first == pytest.approx((2 + 4) / (1 + 3), rel=0.1)


def test_strips_show_their_pictures():
    drawn = draw_strips(strips(77), title="t")
    assert drawn == draw_strips(strips(77), title="t")
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))
    shown = (pixels == 77).all(axis=-1).mean()
    assert 0.1 < shown < 0.9


def test_maps_are_red_above_their_middle_and_blue_below():
    values = np.full((8, 8), np.nan)
    values[:4], values[4:, :4] = 2.0, 0.5
    drawn = draw_maps([[Map(title="m", values=values, ends=(-0.5, 0.5))]] * 2, title="t", middle=1.0, largest=2.0)
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB")).astype(int)
    red, blue = ((np.abs(pixels - colour).max(axis=-1) < 8).sum() for colour in ([103, 0, 31], [5, 48, 97]))
    assert blue > 0
    assert red / blue == pytest.approx(2, rel=0.15)


def test_plots_are_put_one_below_the_other():
    plots = [draw_panels(panels(2), title="t"), draw_strips(strips(77), title="t")]
    sizes = [Image.open(io.BytesIO(plot)).size for plot in plots]
    both = stacked(plots)
    picture = Image.open(io.BytesIO(both))
    assert picture.size == (max(width for width, _ in sizes), sum(height for _, height in sizes))
    upper = picture.crop((0, 0, sizes[0][0], sizes[0][1]))
    assert np.array_equal(upper, Image.open(io.BytesIO(plots[0])).convert("RGB"))
    assert both == stacked(plots)
    assert stacked(plots[:1]) == plots[0]


def test_a_missing_matplotlib_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingError, match=r"-e '\.\[experiments\]'"):
        require_matplotlib()
