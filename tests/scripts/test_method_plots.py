"""The pictures of docs/method.md: those that the script names, small, and drawn from the package's own formulas."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from deltasr.diffusion.schedule import PRESETS, Schedule
from deltasr.experiments.plots import Panel, Series

DOCS = Path(__file__).parents[2] / "docs"
LARGEST = 300_000
"""Bytes of a picture."""


@pytest.fixture
def method_plots() -> ModuleType:
    return importlib.import_module("method_plots")


def test_the_page_shows_what_the_script_draws(method_plots: ModuleType):
    shown = re.findall(r"^!\[[^\]]+\]\(images/([^)]+)\)$", (DOCS / "method.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(method_plots.IMAGES)
    for name in shown:
        assert (DOCS / "images" / name).stat().st_size < LARGEST
        with Image.open(DOCS / "images" / name) as image:
            assert image.format == {".png": "PNG", ".jpg": "JPEG"}[Path(name).suffix]


def _drawn(module: ModuleType, monkeypatch: pytest.MonkeyPatch, draw: str) -> list[Panel]:
    """The panels that a function hands to the package's plots."""
    panels: list[Panel] = []

    def keep(found: Sequence[Panel], *, title: str) -> bytes:
        panels.extend(found)
        return b""

    monkeypatch.setattr(module, "draw_panels", keep)
    monkeypatch.setattr(module, "stacked", b"".join)
    getattr(module, draw)()
    return panels


def _lines(panel: Panel) -> dict[str, list[float]]:
    series: Sequence[Series] = panel.series
    return {one.label: [float(value) for value in one.y] for one in series}


def test_the_shifting_sequences_are_those_of_the_package(method_plots: ModuleType, monkeypatch: pytest.MonkeyPatch):
    eta, root, increments, exponents = map(_lines, _drawn(method_plots, monkeypatch, "shifting_sequences"))
    assert eta == {name: list(schedule.eta) for name, schedule in PRESETS.items()}
    assert root["deltadiff"] == pytest.approx([0, 0.1, 0.522, 0.765, 0.995], abs=5e-4)  # as docs/method.md has them
    assert increments == {
        name: [schedule.alpha(t) for t in range(1, schedule.steps + 1)] for name, schedule in PRESETS.items()
    }
    assert {(line[1], line[-1]) for line in exponents.values()} == {(0.01, 0.99)}


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        (0, [0, 0.1 / 0.5]),  # eta_(t-1) / eta_t
        (1, [3 * 0.1**0.5, 3 * 0.5**0.5]),  # kappa sqrt(eta_t)
        (2, [0, 3 * (0.1 * 0.4 / 0.5) ** 0.5]),  # kappa sqrt(eta_(t-1) alpha_t / eta_t)
        (3, [0.4 / (2 * 9 * 0.5 * 0.1)] * 2),  # alpha_t / (2 kappa^2 eta_t eta_(t-1)), that of t = 2 for t = 1
    ],
)
def test_the_factors_of_a_reverse_step(
    panel: int, expected: list[float], method_plots: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(method_plots, "PRESETS", {"mine": Schedule((0.0, 0.1, 0.5), kappa=3.0)})
    panels = _drawn(method_plots, monkeypatch, "reverse_weights")
    assert _lines(panels[panel])["mine"] == pytest.approx(expected)


@pytest.mark.parametrize("name", ["weight", "relative_noise"])
def test_no_formula_of_a_schedule_is_copied(name: str, method_plots: ModuleType, monkeypatch: pytest.MonkeyPatch):
    formula: Callable[[Schedule, int], float] = getattr(Schedule, name)
    before = [_lines(panel) for panel in _drawn(method_plots, monkeypatch, "reverse_weights")]
    monkeypatch.setattr(Schedule, name, lambda schedule, t: formula(schedule, t) + 1)
    after = [_lines(panel) for panel in _drawn(method_plots, monkeypatch, "reverse_weights")]
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


def test_the_pictures_are_of_the_examples_and_drawn_whole(method_plots: ModuleType, tmp_path: Path):
    file = tmp_path / "forward.jpg"
    file.write_bytes(method_plots.forward_process())
    with Image.open(file) as drawn, Image.open(DOCS / "images" / "method-forward.jpg") as shown:
        assert drawn.size == shown.size
    assert method_plots._EXAMPLE.parent == DOCS.parent / "examples"
