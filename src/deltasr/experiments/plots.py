"""Plots as PNG files; the same content gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deltasr.errors import SettingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (5.0, 3.8)
"""Width and height of a panel with axes, in inches."""
_PICTURE = 1.3
"""Side of a picture in a strip, in inches."""
_MAP = 2.4
"""Side of a map, in inches."""
_DPI = 110
_PUBLISHED_MARKERS = "sDv^<>ph"
"""Used in turn for published points, all of which are hollow and black."""
_INSIDE = 6
"""With more series than this the legend is beside the axes instead of inside."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one line.

    Attributes:
        label: in the legend.
        x, y: of equal length.
        captions: a text beside each point; empty for none.
        published: whether it comes from a publication; such points are hollow and black.
        joined: whether a line goes through the points.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    captions: Sequence[str] = ()
    published: bool = False
    joined: bool = True


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes and what is drawn in it."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A row of pictures, (H, W, 3) uint8 each, with a caption below each of them."""

    label: str
    pictures: Sequence[tuple[str, NDArray[np.uint8]]]


@dataclass(frozen=True, kw_only=True)
class Map:
    """Ratios over a square of two numbers, (N, N), NaN for none; rows and columns go from one end in equal steps to one
    step before the other."""

    title: str
    values: NDArray[np.float64]
    ends: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar and its name; bars of one group have one colour."""

    name: str
    value: float
    group: str


def draw_panels(panels: Sequence[Panel], *, title: str) -> bytes:
    """Panels side by side, as a PNG.

    Raises:
        SettingError: matplotlib is not installed.
    """
    figure = _figure((_PANEL[0] * len(panels), _PANEL[1]))
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel)
    figure.suptitle(title, fontsize=10)
    return _png(figure)


def draw_bars(bars: Sequence[Bar], *, title: str, x: str) -> bytes:
    """Bars one below the other, each from zero to its value and with its name beside it, as a PNG.

    Raises:
        SettingError: matplotlib is not installed.
    """
    figure = _figure((_PANEL[0] * 1.4, 0.19 * len(bars) + 1))
    axes = figure.subplots()
    groups = list(dict.fromkeys(bar.group for bar in bars))
    axes.barh(
        [bar.name for bar in bars],
        [bar.value for bar in bars],
        color=[f"C{groups.index(bar.group)}" for bar in bars],
    )
    axes.invert_yaxis()
    axes.set_xlabel(x, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.margins(y=0.02)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    figure.suptitle(title, fontsize=10)
    return _png(figure)


def draw_strips(strips: Sequence[Strip], *, title: str, side: float = _PICTURE) -> bytes:
    """Strips one above the other, as a PNG.

    Args:
        strips: of any number of pictures.
        title: above them all.
        side: of a picture, in inches.

    Raises:
        SettingError: matplotlib is not installed.
    """
    columns = max(len(strip.pictures) for strip in strips)
    figure = _figure((side * columns + 0.3, (side + 0.25) * len(strips) + 0.4))
    for axes_row, strip in zip(figure.subplots(len(strips), columns, squeeze=False), strips, strict=True):
        for axes in axes_row:
            axes.set_axis_off()
        for axes, (caption, picture) in zip(axes_row, strip.pictures, strict=False):
            axes.imshow(picture, interpolation="antialiased")
            axes.set_title(caption, fontsize=7)
        axes_row[0].text(
            -0.06, 0.5, strip.label, rotation=90, fontsize=7, ha="right", va="center", transform=axes_row[0].transAxes
        )
    figure.suptitle(title, fontsize=10)
    return _png(figure)


def draw_maps(rows: Sequence[Sequence[Map]], *, title: str, middle: float, largest: float) -> bytes:
    """Rows of maps with one scale of colours, logarithmic about its middle, as a PNG.

    Args:
        rows: of maps.
        title: above them all.
        middle: the ratio that is white.
        largest: the ratio of the deepest red; as far below the middle is the deepest blue.

    Raises:
        SettingError: matplotlib is not installed.
    """
    columns = max(map(len, rows))
    figure = _figure((_MAP * columns + 0.8, (_MAP + 0.2) * len(rows) + 0.4))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    from matplotlib.colors import LogNorm

    norm = LogNorm(middle**2 / largest, largest)
    for axes_row, row in zip(grid, rows, strict=True):
        for axes in axes_row[len(row) :]:
            axes.set_axis_off()
        for axes, one in zip(axes_row, row, strict=False):
            low, high = one.ends
            first, last = (end - (high - low) / len(one.values) / 2 for end in (low, high))
            drawn = axes.imshow(one.values, cmap="RdBu_r", norm=norm, extent=(first, last, last, first))
            axes.set_title(one.title, fontsize=8)
            axes.tick_params(labelsize=6)
    bar = figure.colorbar(drawn, ax=grid, extend="both", ticks=(middle**2 / largest, middle, largest), format="%g")
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return _png(figure)


def stacked(plots: Sequence[bytes]) -> bytes:
    """PNGs one below the other, each in the middle of the width, as one PNG."""
    if len(plots) == 1:
        return plots[0]
    pictures = [Image.open(io.BytesIO(plot)).convert("RGB") for plot in plots]
    width, height = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    whole = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in pictures:
        whole.paste(picture, ((width - picture.width) // 2, top))
        top += picture.height
    buffer = io.BytesIO()
    whole.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def require_matplotlib() -> None:
    """Check that plots can be drawn, before anything is trained or measured.

    Raises:
        SettingError: matplotlib is not installed.
    """
    _figure((1, 1))


def _draw(axes: Axes, panel: Panel) -> None:
    markers = cycle(_PUBLISHED_MARKERS)
    for series in panel.series:
        line = "-" if series.joined else "none"
        (drawn,) = axes.plot(
            series.x, series.y, marker="o", linestyle=line, markersize=4, linewidth=1.2, label=series.label
        )
        if series.published:
            drawn.set(marker=next(markers), color="black", markerfacecolor="none")
        for x, y, caption in zip(series.x, series.y, series.captions, strict=False):
            axes.annotate(caption, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7)
    if panel.logarithmic:
        axes.set_yscale("log")
    axes.ticklabel_format(axis="x" if panel.logarithmic else "both", useOffset=False)
    axes.set_title(panel.title, fontsize=9)
    axes.set_xlabel(panel.x, fontsize=8)
    axes.set_ylabel(panel.y, fontsize=8)
    axes.tick_params(which="both", labelsize=7)
    axes.margins(0.08)
    axes.grid(alpha=0.3)
    if len(panel.series) > _INSIDE:
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.legend(fontsize=7)


def _figure(size: tuple[float, float]) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingError(
            "Experiments draw their plots with matplotlib; install it with pip install -e '.[experiments]'."
        ) from error
    return Figure(figsize=size, dpi=_DPI, layout="constrained")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
