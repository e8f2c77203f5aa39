"""DeltaDiff as printed against ours: one change a row, three seeds, trainings that are made once."""

from __future__ import annotations

import re
from dataclasses import replace
from statistics import fmean, stdev

import msgspec
import pytest

from deltasr.errors import SettingError
from deltasr.experiments import catalogue, equal_time
from deltasr.experiments.experiment import Settings
from deltasr.experiments.own import deltadiff_vs_ours
from deltasr.experiments.own.deltadiff_vs_ours import EXPERIMENT, VARIANTS, recipe_of

SEEDS = 2


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Trainings of a batch, with two seeds in place of three."""
    monkeypatch.setattr(deltadiff_vs_ours, "_SEEDS", tuple(range(SEEDS)))
    return replace(settings, images=8)


def test_there_are_three_seeds():
    assert deltadiff_vs_ours._SEEDS == (0, 1, 2)


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teacher-forced trainings cost half of the baseline's, all others as much."""

    def cost(recipe: object, *_: object, **__: object) -> float:
        return 0.5 if getattr(recipe, "unroll", "") == "teacher-forced" else 1.0

    monkeypatch.setattr(equal_time, "relative_cost", cost)


def test_every_row_changes_what_it_says_and_nothing_else(settings: Settings):
    baseline = msgspec.structs.asdict(recipe_of("ours", 800, settings))
    assert (baseline["eta_T"], baseline["unroll"], baseline["first_stage"]) == (1.0, "through", "pixel-unshuffle")
    assert (baseline["kappa"], baseline["steps"]) == (0.0, 4)
    for name, variant in VARIANTS.items():
        recipe = msgspec.structs.asdict(recipe_of(name, 800, settings))
        assert {key for key in recipe if recipe[key] != baseline[key]} == variant.changes.keys(), name


def test_the_printed_one_is_teacher_forced_in_vq_codes_from_almost_y_0(settings: Settings):
    printed = msgspec.structs.asdict(recipe_of("deltadiff-as-printed", 800, settings))
    assert (printed["unroll"], printed["first_stage"], printed["eta_T"]) == ("teacher-forced", "vq", 0.99)
    assert (printed["steps"], printed["kappa"], printed["eta_1"], printed["p"]) == (4, 0.0, 0.01, 0.3)


@pytest.mark.usefixtures("costs")
def test_rows_are_means_of_seeds_and_nothing_is_done_twice(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    settings = replace(settings, say=said.append, only=("ours", "deltadiff-as-printed"))
    result = EXPERIMENT.run(settings)
    rows = {str(row.cells["variant"]): row.cells for row in result.table.rows}
    assert list(rows) == list(settings.only)
    assert {name: cells["images seen"] for name, cells in rows.items()} == {"ours": 8, "deltadiff-as-printed": 16}
    by_seed = {
        name: [float(part) for part in str(cells["PSNR-Y by seed"]).split(" / ")] for name, cells in rows.items()
    }
    for name, cells in rows.items():
        assert len(by_seed[name]) == SEEDS
        assert cells["PSNR-Y"] == pytest.approx(fmean(by_seed[name]), abs=0.006)
        assert all(float(cells[title] or 0) > 0 for title in ("s of training", "GFLOP", "TFLOP of training"))
        if name != "ours":
            differences = [one - other for one, other in zip(by_seed[name], by_seed["ours"], strict=True)]
            assert cells["PSNR-Y difference"] == pytest.approx(fmean(differences), abs=0.011)
            assert cells["its spread"] == pytest.approx(stdev(differences), abs=0.011)
    assert "PSNR-Y difference" not in rows["ours"]
    assert len(set(by_seed["deltadiff-as-printed"])) > 1, "seeds differ"
    assert len(result.plots) == 2
    trained = [text for text in said if text.startswith("training")]
    assert len(trained) == len(set(trained)) == 2 * SEEDS + 1, "and the autoencoder"
    monkeypatch.setattr(equal_time, "relative_cost", lambda *_, **__: pytest.fail("the length was kept"))
    said.clear()
    assert EXPERIMENT.run(settings).table == result.table
    assert not any(text.startswith(("training", "timing")) for text in said)


@pytest.mark.usefixtures("costs")
def test_minutes_are_the_length_and_overrides_reach_every_recipe(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(equal_time, "seconds_per_image", lambda *_: 2.0)
    settings = replace(
        settings, images=None, minutes=0.5, overrides=("batch=3", "learning_rate=1e-3"), only=("one-step",)
    )
    result = EXPERIMENT.run(settings)
    assert [row.cells["images seen"] for row in result.table.rows] == [15]
    for name in VARIANTS:
        assert (recipe_of(name, 15, settings).batch, recipe_of(name, 15, settings).learning_rate) == (3, 1e-3)
    assert any("changed by batch=3, learning_rate=1e-3" in note for note in result.notes)
    monkeypatch.setattr(equal_time, "seconds_per_image", lambda *_: pytest.fail("the length was kept"))
    assert deltadiff_vs_ours._length(settings) == 15


def test_what_makes_no_sense_is_refused(settings: Settings):
    for changes, message in {
        ("minutes", 1.0): "--images and --minutes both",
        ("overrides", ("steps=2",)): "--override sets 'steps', by which",
        ("overrides", ("stepps=2",)): "sets 'stepps', which this recipe has not",
        ("checkpoints", (("mine", settings.output),)): "--checkpoint mine has no place here; name the autoencoder",
    }.items():
        key, value = changes
        given = dict(value) if key == "checkpoints" else value
        with pytest.raises(SettingError, match=re.escape(message)):
            EXPERIMENT.run(replace(settings, **{key: given}))
    for option, given in {"--minutes": {"minutes": 1.0}, "--override": {"overrides": ("a=1",)}}.items():
        with pytest.raises(SettingError, match=f"resshift-table-2 takes no {option}; leave it out"):
            catalogue.run("resshift-table-2", Settings(output=settings.output, **given))
