"""The table of ingredients: one change a row, trainings that are made once, lengths that follow from costs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch

from deltasr import processor
from deltasr.errors import SettingError
from deltasr.experiments import catalogue, equal_time
from deltasr.experiments import costs as cost_measuring
from deltasr.experiments.costs import ProcessorClock, relative_cost
from deltasr.experiments.experiment import Settings
from deltasr.experiments.own import ingredients
from deltasr.experiments.own.ingredients import VARIANTS
from deltasr.experiments.runs import shortened
from deltasr.models import checkpoint
from deltasr.models.rrdb import Rrdb
from deltasr.training.recipes.presets import recipe_named

COSTLY, CHEAP = "features-every-step", "one-step"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A quick run without sets, of three batches."""
    return replace(settings, sets=(), images=48)


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that cost thrice the baseline's, or half of it."""

    def cost(recipe: object, *_: object, **__: object) -> float:
        return 0.5 if getattr(recipe, "steps", 4) == 1 else 3.0

    monkeypatch.setattr(equal_time, "relative_cost", cost)


def only(settings: Settings, *names: str) -> Settings:
    return replace(settings, only=names)


@pytest.mark.usefixtures("costs")
def test_lengths_follow_from_costs_and_nothing_is_done_twice(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    settings = replace(settings, say=said.append)
    first = ingredients.EXPERIMENT.run(only(settings, CHEAP))
    assert [row.cells["difference (dB)"] for row in first.table.rows] == [None]
    assert first.plots == ()
    names = ("baseline", "baseline-seed-1", CHEAP, COSTLY, "no-ema")
    whole = ingredients.EXPERIMENT.run(only(settings, *names))
    rows = {str(row.cells["variant"]): row.cells for row in whole.table.rows}
    assert {name: cells["images seen"] for name, cells in rows.items()} == {
        "baseline": 48, "baseline-seed-1": 48, CHEAP: 96, COSTLY: 16, "no-ema": 48,
    }  # fmt: skip
    assert all(float(cells["s of processor"] or 0) > 0 for cells in rows.values())
    differences = [float(rows[name]["difference (dB)"] or 0) for name in ("baseline", "baseline-seed-1")]
    assert sum(differences) == pytest.approx(0, abs=1e-9)
    assert len(whole.plots) == 1
    assert any("2 baselines" in note for note in whole.notes)
    assert len(said) == len(set(said)), "nothing is timed or trained twice"
    monkeypatch.setattr(equal_time, "relative_cost", lambda *_, **__: pytest.fail("the length was kept"))
    said.clear()
    again = ingredients.EXPERIMENT.run(only(settings, *names))
    assert again.table == whole.table
    assert said == []


@pytest.mark.parametrize("quick", [False, True])
def test_every_row_changes_what_it_says_and_nothing_else(quick: bool, settings: Settings):
    settings = replace(settings, quick=quick)
    baseline = msgspec.structs.asdict(ingredients._recipe(VARIANTS["baseline"], 5_760, settings))
    lengths = {"images", "warmup", "ema", "validate_every", "save_every"}
    for name, variant in VARIANTS.items():
        recipe = msgspec.structs.asdict(ingredients._recipe(variant, 5_760, settings))
        changed = {key for key in recipe if recipe[key] != baseline[key]} - (lengths - variant.changes.keys())
        assert changed == variant.changes.keys(), name


def test_crops_of_another_size_show_as_many_pixels(settings: Settings):
    pixels = set()
    for name in ("baseline", "smaller-crops", "larger-crops", "largest-crops"):
        recipe = ingredients._recipe(VARIANTS[name], 5_760, settings)
        pixels.add(recipe.batch * recipe.crop**2)
    assert len(pixels) == 1


def test_one_thread_while_it_runs_and_as_many_as_before_afterwards(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    trained = ingredients.trained

    def watched(*arguments: object, **options: object) -> object:
        seen.append(torch.get_num_threads())
        return trained(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ingredients, "trained", watched)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ingredients.EXPERIMENT.run(only(settings, "baseline"))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1]


def test_the_table_says_what_was_used_rather_than_what_is_there(settings: Settings):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        folder, _ = catalogue.run("ingredients", only(replace(settings, device="auto"), "baseline"))
    finally:
        torch.set_num_threads(threads)
    assert "CPU, 1 thread, torch" in (folder / "table.md").read_text()


def test_parts_are_rows_and_others_are_refused(settings: Settings):
    with pytest.raises(SettingError, match=re.escape("ingredients has no part called 'salt'; its parts are baseline,")):
        catalogue.run("ingredients", only(settings, "salt"))
    with pytest.raises(SettingError, match="resshift-table-2 takes no --only; leave it out"):
        catalogue.run("resshift-table-2", Settings(output=settings.output, only=("baseline",)))


def test_a_cost_is_a_median_of_ratios_of_seconds_an_image(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    recipe = shortened(recipe_named("deltadiff-tiny-x4"), 16, crop=4, batch=2)
    larger = shortened(recipe_named("deltadiff-tiny-x4"), 16, crop=4, batch=4)
    clock = iter([0, 9, 0, 1, *(moment for step in (6, 4, 6, 4, 900, 1) for moment in (0, step))])
    monkeypatch.setattr(cost_measuring.time, "process_time", lambda: next(clock))
    assert relative_cost(recipe, larger, settings) == pytest.approx((6 / 2) / (4 / 4))


@pytest.mark.parametrize(("preparation", "told"), [("caching", (1, 1)), ("teaching", (1.0,)), ("drawing", (1.0,))])
def test_an_interrupted_clock_goes_on_and_leaves_preparations_out(
    preparation: str, told: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    moment = [0.0]
    monkeypatch.setattr(cost_measuring.time, "process_time", lambda: moment[0])
    file = tmp_path / "runs" / "seconds.json"

    def part(*, before: float, steps: float) -> float:
        clock = ProcessorClock(file)
        moment[0] += before
        getattr(clock, preparation)(*told)
        moment[0] += steps
        clock.progress(16, 16, 1.0, 0.1)
        moment[0] += 100
        return clock.seconds

    assert part(before=5, steps=2) == 2
    assert part(before=5, steps=3) == 5


def test_a_row_in_bf16_says_where_it_was_float32(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(equal_time, "relative_cost", lambda *_, **__: 1.0)
    monkeypatch.setattr(processor, "tried", lambda: {"float32": 1.0, "bfloat16": "SIGILL", "float16": 1.0})
    notes = ingredients.EXPERIMENT.run(only(settings, "bf16")).notes
    assert "Precision bf16 was float32 here: bfloat16 does not run on this processor (SIGILL)." in notes


def test_a_row_with_a_teacher_needs_its_file(settings: Settings):
    with pytest.raises(SettingError, match="half-teacher needs a teacher; give its file by --checkpoint"):
        ingredients.EXPERIMENT.run(only(settings, "half-teacher"))


@pytest.mark.usefixtures("costs")
def test_a_teacher_is_what_is_learnt_from(settings: Settings, tmp_path: Path):
    files = {}
    for seed in range(2):
        files[f"net{seed}"] = tmp_path / f"net{seed}.safetensors"
        torch.manual_seed(seed)
        checkpoint.save(Rrdb(blocks=1, width=8), files[f"net{seed}"])
    taught = []
    for names in ([], ["net0"], ["net1"], ["net0", "net1"]):
        row = "teacher" if names else "baseline"
        given = replace(only(settings, row), checkpoints={name: files[name] for name in names})
        result = ingredients.EXPERIMENT.run(given)
        taught.append(result.table.rows[0].cells["PSNR-Y (dB)"])
        assert ("net1.safetensors" in " ".join(result.notes)) == ("net1" in names)
    assert len(set(taught)) == 4


def test_without_files_all_rows_but_those_with_a_teacher_are_run(settings: Settings):
    wanted = [name for name in VARIANTS if ingredients._wanted(name, settings)]
    assert [name for name in VARIANTS if name not in wanted] == ["half-teacher", "teacher"]
    given = replace(settings, checkpoints={"net": Path("net.onnx")})
    assert all(ingredients._wanted(name, given) for name in VARIANTS)
