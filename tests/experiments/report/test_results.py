"""The report's experiments from pictures to tables, with trainings of a step or two."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.evaluation.lpips import NET_NAMES, Lpips
from deltasr.evaluation.sets import find_set
from deltasr.experiments import catalogue
from deltasr.experiments.experiment import Settings, TestSet
from deltasr.experiments.plots import Strip
from deltasr.experiments.report import cnn, figure_6
from deltasr.experiments.report.results import held_out_sets
from deltasr.experiments.runs import Run
from deltasr.models import checkpoint
from deltasr.models.rrdb import Rrdb
from deltasr.resampling.tensors import imresize
from deltasr.training.recipes.picture import RrdbRecipe

SIDE, PICTURES = 128, 12


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Twelve soft pictures of 128x128 to learn from, two of 48x48 to measure on, and LPIPS of random weights."""
    folder = tmp_path_factory.mktemp("report")
    data, truths = folder / "pictures", folder / "Two"
    for where, count, side in ((data / "more", PICTURES, SIDE), (truths, 2, 48)):
        where.mkdir(parents=True)
        for seed in range(count):
            coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
            soft = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
            soft.save(where / f"{seed:02}.png")
    torch.manual_seed(0)
    for net in NET_NAMES:
        weights = Lpips(net=net).state_dict()
        positive = {name: value.abs() if "lin" in name else value for name, value in weights.items()}
        torch.save(positive, folder / f"lpips_{net}_v0.1.pth")
    return Settings(
        output=folder / "out",
        data=data,
        sets=(TestSet(benchmark=find_set(truths)),),
        lpips=folder,
        quick=True,
        images=24,
        device="cpu",
    )


def finished(folder: Path, *, tested: list[str]) -> Run:
    """A run as it lies in its folder when it is over."""
    folder.mkdir()
    checkpoint.save(Rrdb(blocks=1, width=4), folder / "model.safetensors")
    held_out = {"validation": [], "test": tested}
    (folder / "held-out.json").write_text(json.dumps(held_out), encoding="utf-8")
    return Run(
        label=folder.name,
        recipe=RrdbRecipe(blocks=1, width=4, shrink=2, crop=12),
        weights=folder / "model.safetensors",
        seconds=1.0,
        entries=(),
    )


def test_all_are_in_the_catalogue():
    assert [name for name in catalogue.EXPERIMENTS if name.startswith("report-")] == [
        *(f"report-{n}" for n in range(1, 6)),
        "report-figure-6",
    ]


def test_report_3_from_pictures_to_plots(settings: Settings):
    folder, _ = catalogue.run("report-3", settings)
    assert {path.name for path in folder.iterdir()} == {"table.csv", "table.md", "plot.png"}
    rows = list(csv.DictReader((folder / "table.csv").open(encoding="utf-8")))
    ours = [(row["model"], row["set"]) for row in rows if row["numbers from"] == "this run"]
    models = ["bicubic", "CNN", "GAN", "GAN, jointly"]
    assert ours == [(model, name) for name in ("test split", "Two") for model in models]
    assert all(float(row["PSNR-Y"]) > 0 and float(row["LPIPS"]) > 0 for row in rows[: len(ours)])
    assert len({row["PSNR-Y"] + row["SSIM-Y"] + row["LPIPS"] for row in rows[:4]}) == 4
    assert all(float(row["LPIPS-squeeze"]) not in (0, float(row["LPIPS"])) for row in rows[: len(ours)])
    assert [(row["model"], row["PSNR-Y"], row["pictures"]) for row in rows[len(ours) :]] == [
        ("CNN (2 blocks and L1 loss)", "27.63", "102"),
        ("GAN", "23.20", "102"),
    ]
    text = (folder / "table.md").read_text(encoding="utf-8")
    for fact in ("not available", "alex at conv5 in place of VGG19", "24 images (12x12 LR crops", "by /4"):
        assert fact in text
    (recipe,) = (settings.output / "runs").glob("rrdb-gan-dual-*/recipe.json")
    assert json.loads(recipe.read_text(encoding="utf-8"))["alternation"] == "phases"
    assert str(settings.output.parent) not in text


def test_a_second_experiment_trains_only_what_is_new(settings: Settings):
    catalogue.run("report-3", settings)
    before = {path.name for path in (settings.output / "runs").iterdir()}
    catalogue.run("report-4", settings)
    new = {path.name for path in (settings.output / "runs").iterdir()} - before
    assert [name.rsplit("-", 1)[0] for name in new] == ["rrdb-gan-triad"]


def test_figure_6_shows_one_picture_by_all_methods(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    drawn: list[Strip] = []
    monkeypatch.setattr(figure_6, "draw_strips", lambda strips, title: drawn.extend(strips) or b"png")
    result = catalogue.EXPERIMENTS["report-figure-6"].run(settings)
    order = ["GAN", "CNN, L1", "CNN, L2", "bilinear", "nearest"]
    assert [row.cells["model"] for row in result.table.rows] == order
    assert {row.cells["pictures"] for row in result.table.rows} == {1}
    whole, detail = drawn
    for strip in drawn:
        assert [label for label, _ in strip.pictures] == ["HR", *order]
        assert len({picture.shape for _, picture in strip.pictures}) == 1
        assert len({picture.tobytes() for _, picture in strip.pictures}) == 6
    assert whole.pictures[0][1].shape == (48, 48, 3)
    assert detail.pictures[0][1].size <= whole.pictures[0][1].size


@pytest.mark.parametrize("name", [f"report-{n}" for n in range(1, 6)])
def test_every_value_of_the_report_is_shown(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, left_out: Callable[..., list[dict[str, Any]]]
):
    monkeypatch.setattr(cnn, "_BLOCKS", (2,))
    result = catalogue.EXPERIMENTS[name].run(settings)
    assert left_out(name, result.table.rows) == []


def test_the_test_split_is_what_the_run_kept_halved(settings: Settings, tmp_path: Path):
    run = finished(tmp_path / "run", tested=["more/03.png", "more/07.png"])
    (test_set,) = held_out_sets(run, settings)
    assert test_set.border is None
    assert [(pair.name, pair.lr) for pair in test_set.benchmark.pairs] == [
        ("001-more-03.png", None),
        ("002-more-07.png", None),
    ]
    assert settings.data is not None
    for pair, name in zip(test_set.benchmark.pairs, ("more/03.png", "more/07.png"), strict=True):
        whole = torch.from_numpy(np.array(Image.open(settings.data / name))).permute(2, 0, 1)[None].double() / 255
        halved = (imresize(whole, scale=0.5)[0].permute(1, 2, 0) * 255).clamp(0, 255)
        written = torch.from_numpy(np.array(Image.open(pair.hr))).double()
        assert written.shape == (SIDE // 2, SIDE // 2, 3)
        assert (written - halved).abs().max() <= 0.51


def test_a_run_that_kept_no_tests_has_no_test_split(settings: Settings, tmp_path: Path):
    assert held_out_sets(finished(tmp_path / "run", tested=[]), settings) == ()
