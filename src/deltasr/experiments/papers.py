"""Numbers and settings of the papers and of the report, from `papers.json`, as rows and sentences of experiments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from deltasr.experiments.measuring import LPIPS, PICTURES, PSNR, SET, SSIM
from deltasr.experiments.tables import Row, Value

RESSHIFT = "ResShift (Yue, Wang and Loy, NeurIPS 2023, arXiv:2307.12348)"
DELTADIFF = "DeltaDiff (Yang, Fan, Lu and Yang, 2025, arXiv:2502.12567)"

NUMBERS = Path(__file__).with_name("papers.json")
"""Every value of the sources' tables as printed, with settings and the oddities of the prints."""

DELTADIFF_MILLIONS = "over 100"
"""Parameters of DeltaDiff's network in millions, as its paper states them."""

METHOD, MILLIONS, CLIPIQA, MUSIQ, RUNTIME = "method", "parameters (M)", "CLIPIQA", "MUSIQ", "seconds"
_TITLES: Mapping[str, str] = {
    "PSNR": PSNR,
    "SSIM": SSIM,
    "LPIPS": LPIPS,
    "CLIPIQA": CLIPIQA,
    "MUSIQ": MUSIQ,
    "Runtime (s)": RUNTIME,
    "Parameters (M)": MILLIONS,
}
"""Columns of the experiments by the names of the metrics in the file."""

_SETS: Mapping[str, tuple[str, int]] = {
    "ImageNet-Test": ("ImageNet-Test", 3000),
    "Set14": ("Set14, resized", 14),
    "BSDS100": ("BSDS100, resized", 100),
    "Urban100": ("Urban100, resized", 100),
    "RealSR": ("RealSR", 100),
    "RealSet65": ("RealSet65", 65),
    "NTIRE 2017": ("NTIRE 2017, test split", 102),
}
"""What the tables call the sources' sets, and the number of pictures; DeltaDiff's are of 256x256 or 512x512 pixels."""

RESSHIFT_COSTS = (
    Row(
        cells={METHOD: "ResShift", "steps": 15, MILLIONS: "174", RUNTIME: 0.643, "on": "NVIDIA A100"},
        source="arXiv:2503.13358, Table 4",
    ),
    Row(
        cells={
            METHOD: "ResShift",
            "steps": 15,
            MILLIONS: 173.91,
            "GFLOP": 2451.56,
            RUNTIME: 0.2134,
            "on": "RTX 4090",
        },
        source="ProSR (Kim and Kim), Table 11",
    ),
)
"""ResShift's costs from 64x64 to 256x256 pixels, first stage included, as others measured them."""


@cache
def _numbers() -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    return numbers


def published(name: str, *, dataset: str | None = None, settings: Mapping[str, str] | None = None) -> list[Row]:
    """Every row of a table of the sources, in its order; a row for each set of a table with several.

    Args:
        name: of the table in the file, such as `resshift-table-1`.
        dataset: the set of a table with one, a key of `_SETS`.
        settings: titles of columns by the names of settings in the file, where they differ.

    Returns:
        Rows with the cells of `SCORE_COLUMNS` and of the table's further metrics, which are texts with as many digits
        as the print has, and settings as they are.
    """
    table = _numbers()[name]
    flat = [row for row in table["rows"] for row in _by_set(row, dataset)]
    digits = {
        key: max(_digits(row[key]) for row in flat if key in row) for key in _TITLES if any(key in r for r in flat)
    }
    rows = []
    for row in flat:
        cells: dict[str, Value] = {}
        for key, value in row.items():
            title = _TITLES.get(key) or (settings or {}).get(key, key)
            cells[title] = f"{value:.{digits[key]}f}" if key in digits else value
        rows.append(Row(cells=cells, source=table["source"]))
    return rows


def _by_set(row: Mapping[str, Any], dataset: str | None) -> Iterator[dict[str, Any]]:
    """The row, or one for each set whose metrics it holds, with cells that name the set and count its pictures."""
    alike = {key: value for key, value in row.items() if not isinstance(value, dict)}
    by_set: Mapping[str | None, Any] = {key: value for key, value in row.items() if isinstance(value, dict)}
    for name, metrics in (by_set or {dataset: {}}).items():
        counted = dict(zip((SET, PICTURES), _SETS[name], strict=True)) if name is not None else {}
        yield {**alike, **counted, **metrics}


def _digits(value: float) -> int:
    return len(str(float(value)).partition(".")[2])


def remarks(name: str) -> tuple[str, ...]:
    """Sentences for the notes: what a table of the sources was measured on, and the oddities of its print."""
    table = _numbers()[name]
    facts = [table[key] for key in ("caption", "set", "sizes", "channel", "hardware") if key in table]
    facts += [f"{dataset}: {about}" for dataset, about in table.get("sets", {}).items()]
    return (
        f"{table['source']}, as printed: {'; '.join(facts)}.",
        *(f"{table['source']}: {oddity}." for oddity in table.get("oddities", ())),
    )


def resshift_scale() -> str:
    """The paper's training and test, as a sentence."""
    values = _settings("resshift-settings")
    (own,) = (row for row in published("resshift-table-2") if row.cells[METHOD] == "ResShift")
    return (
        f"ResShift's paper: {values['iterations']:,} iterations of {values['batch']} crops of {_side(values)} HR "
        f"pixels of {values['training set']}, degraded as by {values['degradation']}; {values['network']} of "
        f"{own.cells[MILLIONS]} M parameters in the codes of a {values['first stage']}; tested on {values['test']}."
    )


def ldm_eta() -> float:
    """The eta of DDIM by which ResShift's paper runs latent diffusion (LDM)."""
    return float(_settings("resshift-settings")["LDM DDIM eta"])


def ldm_steps(name: str) -> tuple[int, ...]:
    """The numbers of steps by which a table of ResShift's paper runs LDM, as in the name of its row "LDM-15"."""
    methods = [row["method"] for row in _numbers()[name]["rows"]]
    return tuple(int(method.removeprefix("LDM-")) for method in methods if method.startswith("LDM-"))


def deltadiff_scale() -> str:
    """The paper's training and test, as a sentence."""
    values = _settings("deltadiff-settings")
    return (
        f"DeltaDiff's paper: crops of {_side(values)} HR pixels of {values['training set']} in batches of "
        f"{values['batch']}, {values['parameters']} parameters, first stage: {values['first stage']}; test sets of "
        f"{values['test sizes']} pixels. It states neither its loss nor the length of its training nor its degradation."
    )


def report_scale() -> str:
    """The report's data and trainings, as a sentence."""
    values = _settings("report-settings")
    cnn, gan = values["cnn"], values["gan"]
    blocks, split = ("/".join(map(str, values[key])) for key in ("rrdb blocks", "split"))
    return (
        f"The report: {values['data']}, split {split} by file; RRDB networks of {blocks} blocks, "
        f"{cnn['epochs']} epochs of {cnn['optimizer']} at {cnn['lr']}, halved after epoch "
        f"{cnn['lr halved after epoch']}, batches of {cnn['batch']}, early stopping; GANs: {gan['order']}."
    )


def _settings(name: str) -> dict[str, Any]:
    values: dict[str, Any] = _numbers()[name]["values"]
    return values


def _side(values: Mapping[str, Any]) -> str:
    return f"{values['HR crop']}x{values['HR crop']}"
