"""Measurements as a CSV file with one row per image, and as a Markdown table with one row per model."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from deltasr.evaluation.benchmark import Measurement
from deltasr.evaluation.no_reference import LOWER_IS_BETTER
from deltasr.files import write_whole


@dataclass(frozen=True, kw_only=True)
class _Column:
    title: str
    digits: int
    value: Callable[[Measurement], float]
    mean: Callable[[Sequence[float]], float] = fmean


def to_csv(measurements: Sequence[Measurement]) -> str:
    """A header and one line per result.

    `seconds_wall` is the upscaling alone, and empty for results in files. For each score without a reference there is a
    column at the end, such as `niqe_library`, with the name and version of the library that computed it.
    """
    perceptual, libraries = _perceptual_names(measurements), _libraries(measurements)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    what = ["model", "set", "image", "width", "height", "scale", "border"]
    scores = ["psnr_y_db", "ssim_y", "lr_psnr_db", *map(_as_column, perceptual)]
    writer.writerow([*what, *scores, "seconds_wall", *(f"{_as_column(name)}_library" for name in libraries)])
    for m in measurements:
        writer.writerow(
            [
                *(m.model, m.dataset, m.image, m.width, m.height, m.scale, m.border),
                *(f"{value:.6f}" for value in (m.psnr_y, m.ssim_y, m.lr_psnr)),
                *(f"{m.perceptual[name]:.6f}" for name in perceptual),
                "" if m.seconds is None else f"{m.seconds:.4f}",
                *(m.libraries.get(name, "") for name in libraries),
            ]
        )
    return text.getvalue()


def to_markdown(measurements: Sequence[Measurement]) -> str:
    """A table with one row per model and one group of columns per set, and notes below it.

    Values are means over images; LR-PSNR is that of the mean squared error, since exact images are common there.

    Args:
        measurements: of any models and sets; rows and groups keep the order in which they appear.

    Returns:
        Markdown that is aligned for reading as plain text too; ends with a line feed.
    """
    columns = _columns(measurements)
    sets = list(dict.fromkeys(m.dataset for m in measurements))
    groups = {name: [m for m in measurements if m.dataset == name] for name in sets}
    titles = [column.title for column in columns]
    rows = [["model"] + [title for name in sets for title in (f"{name} {titles[0]}", *titles[1:])]]
    for model in dict.fromkeys(m.model for m in measurements):
        cells = [model]
        for name in sets:
            own = [m for m in groups[name] if m.model == model]
            cells += [f"{c.mean([c.value(m) for m in own]):.{c.digits}f}" if own else "" for c in columns]
        rows.append(cells)
    lines = [f"- {note}" for note in _notes(groups)]
    return "\n".join([*aligned(rows), "", *lines]) + "\n"


def write_report(text: str, path: Path) -> None:
    """Writes a report; it appears under its name only when it is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    write_whole(path, text, what="The report")


def _columns(measurements: Sequence[Measurement]) -> list[_Column]:
    return [
        _Column(title="PSNR-Y", digits=2, value=lambda m: m.psnr_y),
        _Column(title="SSIM-Y", digits=4, value=lambda m: m.ssim_y),
        *(_perceptual_column(name) for name in _perceptual_names(measurements)),
        _Column(title="LR-PSNR", digits=2, value=lambda m: m.lr_psnr, mean=psnr_of_mean_error),
    ]


def psnr_of_mean_error(decibels: Sequence[float]) -> float:
    """The PSNR of the mean squared error, in which one exact image (infinite dB) does not hide the others."""
    error = fmean(10 ** (-value / 10) for value in decibels)
    return -10 * math.log10(error) if error > 0 else math.inf


def _perceptual_column(name: str) -> _Column:
    return _Column(title=name, digits=4, value=lambda m: m.perceptual[name])


def _perceptual_names(measurements: Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(name for m in measurements for name in m.perceptual))


def _libraries(measurements: Sequence[Measurement]) -> dict[str, str]:
    """The libraries that computed the scores without a reference, by their names."""
    return {name: library for m in measurements for name, library in m.libraries.items()}


def _as_column(name: str) -> str:
    return name.lower().replace("-", "_")


def _notes(groups: dict[str, list[Measurement]]) -> list[str]:
    notes = [_set_note(name, group) for name, group in groups.items()]
    notes.append("PSNR-Y (dB) and SSIM-Y: BT.601 luma, 16-235, of the 8-bit RGB results; means over images.")
    measurements = [m for group in groups.values() for m in group]
    if any(name.startswith("LPIPS") for name in _perceptual_names(measurements)):
        notes.append("LPIPS: version 0.1, whole images, lower is better.")
    for name, library in _libraries(measurements).items():
        better = "lower" if name in LOWER_IS_BETTER else "higher"
        notes.append(f"{name}: {library}, no reference, whole images, {better} is better.")
    notes.append("LR-PSNR (dB): RGB, between the result downscaled again and its input in 8 bits; of the mean error.")
    return notes


def _set_note(name: str, group: Sequence[Measurement]) -> str:
    images = {m.image: m for m in group}
    count = f"{len(images)} image" + ("s" if len(images) != 1 else "")
    scales = ", ".join(f"x{scale}" for scale in sorted({m.scale for m in group}))
    borders = sorted({m.border for m in group})
    border = "whole images" if borders == [0] else f"border of {', '.join(map(str, borders))} left out"
    note = f"{name}: {count}, {scales}, {border}"
    cut = len({m.image for m in group if m.cut})
    if cut:
        note += f", {cut} cut at the right or bottom to a multiple of the scale"
    if any(m.degraded for m in group):
        note += ", LR made from HR by anti-aliased bicubic in 8 bits"
    return note + "."


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, header first: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("| " + " | ".join([first, *others]) + " |")
    rule = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    return [lines[0], f"|{'|'.join(rule)}|", *lines[1:]]
