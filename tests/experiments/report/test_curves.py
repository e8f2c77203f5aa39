"""Curves from the lines of a run's metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deltasr.experiments.report import curves as report_curves
from deltasr.experiments.report.curves import curves_of, loss_plots
from deltasr.experiments.runs import Run
from deltasr.training.recipes.picture import RrdbRecipe


def logged(*entries: dict[str, Any]) -> Run:
    return Run(label="run", recipe=RrdbRecipe(), weights=Path("model.safetensors"), seconds=1.0, entries=entries)


def entry(images: int, terms: dict[str, float], **watched: float) -> dict[str, Any]:
    return {"kind": "train", "images": images, "loss": sum(terms.values()), "terms": terms, **watched}


def test_a_term_has_no_points_where_it_was_not_trained():
    run = logged(
        entry(8, {}, d_real=0.5, d_fake=0.4),
        entry(16, {"l1": 0.2, "adversarial": 0.01}, d_real=0.6, d_fake=0.3),
        {"kind": "validation", "images": 16, "psnr_y_per_step": [20.0]},
        entry(24, {"l1": 0.1, "adversarial": 0.02}, d_real=0.7, d_fake=0.2),
    )
    assert curves_of(run) == {
        "D(real)": ([8, 16, 24], [0.5, 0.6, 0.7]),
        "D(fake)": ([8, 16, 24], [0.4, 0.3, 0.2]),
        "l1": ([16, 24], [0.2, 0.1]),
        "adversarial": ([16, 24], [0.01, 0.02]),
    }


def test_a_window_that_a_saved_state_cut_is_whole_again():
    run = logged(
        entry(160, {"l1": 0.4}),
        entry(300, {"l1": 0.2}),
        entry(320, {"l1": 1.0}),
        entry(480, {"l1": 0.1}),
        entry(500, {"l1": 0.3}),
    )
    images, means = curves_of(run)["l1"]
    assert images == [160, 320, 480, 500]
    assert means == pytest.approx([0.4, (140 * 0.2 + 20 * 1.0) / 160, 0.1, 0.3])


def test_every_term_and_every_discriminator_has_a_panel(monkeypatch: pytest.MonkeyPatch):
    cnn = logged(entry(8, {"l1": 0.3}), entry(16, {"l1": 0.2}))
    gan = logged(entry(8, {"l1": 0.2, "adversarial": 0.1}, d_real=0.6, d_fake=0.4, discriminator=1.0))
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(
        report_curves, "draw_panels", lambda panels, title: drawn.setdefault(title, panels) and title.encode()
    )
    assert len(loss_plots({"CNN": cnn, "GAN": gan})) == 2
    losses, outputs = drawn.values()
    assert [(panel.title, [series.label for series in panel.series]) for panel in losses] == [
        ("l1", ["CNN", "GAN"]),
        ("adversarial", ["GAN"]),
    ]
    (panel,) = outputs
    assert panel.title == "GAN"
    assert {series.label: series.y for series in panel.series} == {"D(real)": [0.6], "D(fake)": [0.4]}
    assert len(loss_plots({"CNN": cnn})) == 1
