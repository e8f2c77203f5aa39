"""Whole runs, in this process."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from deltasr import processor
from deltasr.errors import SettingError, TrainingError
from deltasr.models import checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.training import run as run_module
from deltasr.training.data.cache import build_cache, find_pictures
from deltasr.training.data.crops import Crops
from deltasr.training.losses import pixel as losses
from deltasr.training.optimizer import learning_rate_factor
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.recipes.types import AnyRecipe
from deltasr.training.run_folder import RunFolder
from deltasr.training.systems import build_model
from deltasr.training.validation import Validation, split, validate

replace = msgspec.structs.replace


def _entries(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def test_a_run_leaves_recipe_pictures_state_metrics_and_weights(learn: Any, recipe: Recipe, recorder: Any):
    run = learn(replace(recipe, save_every=4), display=recorder)
    names = {path.name for path in run.folder.iterdir()}
    texts = {"recipe.json", "pictures.json", "held-out.json", "metrics.jsonl"}
    assert names == texts | {"state.pt", "model.safetensors", "tensorboard", "run.lock"}
    written = (run.folder / "recipe.json").read_bytes()
    assert msgspec.json.decode(written, type=AnyRecipe) == replace(recipe, save_every=4)
    assert run.state["images"] == 12
    assert [line["images"] for line in _entries(run.folder, "train")] == recorder.images == [4, 8, 12]
    assert recorder.decoded[-1] == (5, 5)
    assert recorder.notes[-1] == f"weights: {run.folder / 'model.safetensors'}"


def test_a_network_whose_channels_are_silent_is_named(learn: Any, recipe: Recipe, recorder: Any, tmp_path: Path):
    model = DeltaDiff()
    with torch.no_grad():
        for block in (*model.net.encoder, *model.net.body):
            block.conv1.bias.fill_(-100.0)
    checkpoint.save(model, tmp_path / "idle.safetensors")
    run = learn(recipe, "idle", initial=tmp_path / "idle.safetensors", display=recorder)
    (note,) = [note for note in recorder.notes if "silent" in note]
    assert note.startswith("note: 100% of the channels inside the residual blocks are silent")
    assert [line["silent_channels"] for line in _entries(run.folder, "validation")] == [1.0]

    again = learn(recipe, "awake", display=(awake := type(recorder)()))
    assert not [note for note in awake.notes if "silent" in note]
    assert [line["silent_channels"] < 0.5 for line in _entries(again.folder, "validation")] == [True]


def test_the_keys_of_a_state_never_change(learn: Any, recipe: Recipe):
    """Saved runs are resumed by later versions."""
    state = learn(replace(recipe, optimizer="muon")).state
    assert set(state) == {"format", "model", "average", "optimizers", "images", "seconds", "random", "best", "window"}
    assert state["format"] == 1
    assert state["model"].keys() == DeltaDiff(size="tiny").state_dict().keys()
    assert state["average"].keys() == {"n_averaged", *(f"module.{key}" for key in state["model"])}
    assert [len(optimizer["state"]) > 0 for optimizer in state["optimizers"]] == [True, True]


def test_the_released_weights_are_the_average(learn: Any, recipe: Recipe):
    run = learn(recipe)
    state, released = run.state, checkpoint.load(run.folder / "model.safetensors")
    assert isinstance(released, DeltaDiff)
    for name, weight in released.state_dict().items():
        assert torch.equal(weight, state["average"][f"module.{name}"])
        assert weight.ndim != 4 or not torch.equal(weight, state["model"][name])
    header = checkpoint.read_header(run.folder / "model.safetensors")
    assert header.training["images"] == 12
    assert msgspec.convert(header.training["recipe"], AnyRecipe) == recipe


def test_the_seed_decides_the_weights_and_workers_do_not(learn: Any, recipe: Recipe, assert_same: Any):
    one = learn(recipe, "one").state
    assert_same(one, learn(replace(recipe, workers=2), "other").state)
    reseeded = learn(replace(recipe, seed=1), "reseeded").state
    assert not torch.equal(one["model"]["net.tail.weight"], reseeded["model"]["net.tail.weight"])


def test_a_run_learns(learn: Any, recipe: Recipe):
    run = learn(replace(recipe, images=120, warmup=8, learning_rate=3e-3, ema=0.9))
    losses = [line["loss"] for line in _entries(run.folder, "train")]
    assert len(losses) == 3
    assert losses[-1] < 0.8 * losses[0]


def test_crops_are_taken_in_order_from_training_pictures_alone(
    learn: Any, recipe: Recipe, pictures: Path, decoded: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two pictures of five are wanted for validation, and one is held out: it is never cropped."""
    made: list[Crops] = []
    asked: list[int] = []

    class Watched(Crops):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            made.append(self)

        def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
            asked.append(position)
            return super().__getitem__(position)

    monkeypatch.setattr(run_module, "Crops", Watched)
    learn(replace(recipe, validation_pictures=2))
    (crops,) = made
    assert asked == list(range(12))
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    training, held_out, _ = split(usable, 2)
    assert crops.pictures == training
    assert len(held_out) == 1
    assert Counter(crops.pictures)[held_out[0]] == 0


def test_validation_is_logged_per_step_with_the_averaged_weights(
    learn: Any, recipe: Recipe, recorder: Any, pictures: Path, decoded: Path
):
    run = learn(replace(recipe, validate_every=4, learning_rate=3e-3, ema=0.5), display=recorder)
    assert [images for images, _ in recorder.validations] == [4, 8, 12]
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    model = checkpoint.load(run.folder / "model.safetensors")
    assert isinstance(model, DeltaDiff)
    expected = validate(model, split(usable, 1)[1], torch.device("cpu"), scale=4)
    assert recorder.validations[-1][1].steps == pytest.approx(expected.steps, abs=1e-6)
    logged = _entries(run.folder, "validation")
    assert [line["images"] for line in logged] == [4, 8, 12]
    assert logged[-1]["psnr_y_per_step"] == list(recorder.validations[-1][1].steps)


def test_without_held_out_pictures_nothing_is_validated(learn: Any, recipe: Recipe, recorder: Any):
    run = learn(replace(recipe, validation_pictures=0), display=recorder)
    assert recorder.validations == []
    assert _entries(run.folder, "validation") == []


@pytest.mark.parametrize("changes", [{}, {"unroll": "teacher-forced"}, {"optimizer": "muon", "workers": 1}])
def test_stopped_and_resumed_equals_uninterrupted(
    changes: dict[str, Any], learn: Any, recipe: Recipe, recorder: Any, assert_same: Any
):
    """Stopped after its first step by the time, then by Ctrl-C, then left to its end."""
    recipe = replace(recipe, save_every=2, images=13, **changes)
    whole = learn(recipe, "whole")

    first = learn(recipe, "parts", minutes=1e-9)
    assert first.state["images"] == 2
    recorder.on_progress = lambda images: os.kill(os.getpid(), signal.SIGINT) if images == 6 else None
    second = learn(DeltaDiffRecipe(), "parts", resume=True, display=recorder)
    assert 6 <= second.state["images"] <= 8
    assert recorder.notes[-2].endswith("of 13 crops; --resume goes on from there")
    parts = learn(DeltaDiffRecipe(), "parts", resume=True)

    assert_same(parts.state, whole.state)
    released = [checkpoint.load(run.folder / "model.safetensors").state_dict() for run in (parts, whole)]
    assert_same(dict(released[0]), dict(released[1]))
    numbers = [
        [{k: line[k] for k in ("images", "loss", "terms", "learning_rate")} for line in _entries(run.folder, "train")]
        for run in (parts, whole)
    ]
    assert numbers[0] == numbers[1]


def test_metrics_of_lost_steps_are_not_there_twice(learn: Any, recipe: Recipe):
    run = learn(replace(recipe, validate_every=2, save_every=6), minutes=1e-9)
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "train", "images": 4, "loss": 9}) + "\n")
    learn(recipe, resume=True)
    images = [line["images"] for line in _entries(run.folder, "train")]
    assert images == [2, 4, 6, 8, 10, 12]
    assert all(line["loss"] < 9 for line in _entries(run.folder, "train"))


def test_a_stop_leaves_no_trace_in_the_log(learn: Any, recipe: Recipe, recorder: Any):
    """Stopped in the middle of 20 steps, twice; means over those 20 are what they would have been."""
    recipe = replace(recipe, images=84, validate_every=60, save_every=1_000)
    whole = learn(recipe, "whole")
    for resume in (False, True):
        learn(recipe, "parts", resume=resume, minutes=1e-9)
    learn(recipe, "parts", resume=True, display=recorder)
    assert "resumed at 4 of 84 crops" in recorder.notes
    lines = [_entries(run, kind) for run in (whole.folder, whole.folder.with_name("parts")) for kind in ("train",)]
    assert [line["images"] for line in lines[0]] == [40, 60, 80, 84]
    measured = {"seconds", "images_per_second"}
    kept = [[{key: line[key] for key in line.keys() - measured} for line in run] for run in lines]
    assert kept[0] == kept[1]
    assert all(line["seconds"] > 0 and line["images_per_second"] > 0 for line in lines[1])


def test_a_run_goes_on_for_longer(learn: Any, recipe: Recipe, recorder: Any, assert_same: Any):
    """Its weights are what the new length gives from where it stood: the learning rate follows the new course."""
    shorter = learn(recipe)
    assert shorter.state["images"] == 12
    longer = learn(recipe, resume=True, changes={"images": 24, "save_every": 8, "workers": 1}, display=recorder)
    assert longer.state["images"] == 24
    assert "resumed at 12 of 24 crops" in recorder.notes
    changed = replace(recipe, images=24, save_every=8, workers=1)
    assert RunFolder(longer.folder).recipe() == changed
    facts = checkpoint.read_header(longer.folder / "model.safetensors").training
    assert msgspec.convert(facts["recipe"], AnyRecipe) == changed
    lines = {line["images"]: line for line in _entries(longer.folder, "train")}
    assert list(lines) == [12, 16, 24]
    assert lines[12]["learning_rate"] == 0
    for images in (16, 24):
        assert lines[images]["learning_rate"] == recipe.learning_rate * learning_rate_factor(images, changed)


def test_a_run_cannot_become_shorter_than_it_is(learn: Any, recipe: Recipe):
    run = learn(recipe, minutes=1e-9)
    learn(recipe, resume=True, changes={"images": 6})
    assert run.state["images"] == 6
    with pytest.raises(SettingError, match="has learnt from 6 crops, and images is 4; set images to at least as many"):
        learn(recipe, resume=True, changes={"images": 4})
    assert RunFolder(run.folder).recipe().images == 6
    with pytest.raises(SettingError, match="A resumed run keeps 'crop' as it began"):
        learn(recipe, resume=True, changes={"crop": 8})


def test_with_more_patience_a_stopped_run_goes_on_and_with_none_its_best_weights_are_forgotten(
    learn: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    scores = iter((32.0, 31.0, 30.0, 29.0, 28.0))
    monkeypatch.setattr(run_module, "validate", lambda *_, **__: Validation(bicubic=25.0, steps=(next(scores),)))
    run = learn(replace(recipe, patience=1, validate_every=2))
    assert run.state["images"] == 4
    learn(recipe, resume=True, changes={"patience": 3})
    assert run.state["images"] == 8
    assert run.state["best"]["images"] == 2
    learn(recipe, resume=True, changes={"patience": 0, "images": 10})
    assert run.state["best"]["weights"] is None
    assert checkpoint.read_header(run.folder / "model.safetensors").training["images"] == 10


def test_two_cannot_train_into_one_folder(learn: Any, recipe: Recipe, recorder: Any, tmp_path: Path):
    """Not a new run and not a resumed one; the folder is free again as soon as the first has ended."""
    refused: list[str] = []

    def second(images: int) -> None:
        for options in ({"resume": True}, {"resume": True, "changes": {"images": 20}}):
            with pytest.raises(TrainingError) as error:
                learn(recipe, **options)
            refused.append(str(error.value))

    recorder.on_progress = second
    learn(recipe, display=recorder)
    assert set(refused) == {
        f"Another training writes to {tmp_path / 'run'}; wait until it ends, or name another folder."
    }
    learn(recipe, resume=True)
    with RunFolder(tmp_path / "new").locked(), pytest.raises(TrainingError, match="Another training writes to"):
        learn(recipe, "new")
    assert not (tmp_path / "new").exists()


def test_the_largest_seed_trains(learn: Any, recipe: Recipe):
    assert learn(replace(recipe, seed=2**63 - 1, lpips=0.0, unroll="teacher-forced")).state["images"] == 12


def test_what_a_killed_run_left_in_its_folder_goes(learn: Any, recipe: Recipe, leftover: Any):
    run = learn(recipe, minutes=1e-9)
    left = leftover(run.folder)
    learn(recipe, resume=True)
    assert not left.exists()


def test_memory_that_runs_out_is_told(learn: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    def step(*arguments: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")

    monkeypatch.setattr(run_module.Learner, "step", step)
    with pytest.raises(TrainingError, match="Memory ran out; begin a run with a smaller batch or crop"):
        learn(recipe)


def test_a_run_that_is_complete_can_be_resumed(learn: Any, recipe: Recipe, assert_same: Any):
    run = learn(recipe)
    before = run.state
    (run.folder / "model.safetensors").unlink()
    assert_same(learn(recipe, resume=True).state, before)
    assert (run.folder / "model.safetensors").exists()


def test_a_run_of_an_earlier_version_can_be_resumed(learn: Any, recipe: Recipe, assert_same: Any):
    """Its recipe did not name a system, and its state knew no early stopping."""
    whole = learn(recipe, "whole")
    run = learn(recipe, minutes=1e-9)
    values = json.loads((run.folder / "recipe.json").read_text())
    del values["system"], values["patience"], values["shrink"]
    (run.folder / "recipe.json").write_text(json.dumps(values))
    state = run.state
    del state["best"], state["window"]
    torch.save(state, run.folder / "state.pt")
    assert_same(learn(recipe, resume=True).state, whole.state)


def test_a_run_killed_before_its_first_step_still_knows_where_it_started_from(
    learn: Any, recipe: Recipe, assert_same: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    initial = tmp_path / "initial.safetensors"
    torch.manual_seed(42)
    checkpoint.save(DeltaDiff(size="tiny"), initial)
    whole = learn(recipe, "whole", initial=initial)

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "loop", killed)
        with pytest.raises(KeyboardInterrupt):
            learn(recipe, "killed", initial=initial)
    assert_same(learn(DeltaDiffRecipe(), "killed", resume=True).state, whole.state)
    fresh = learn(recipe, "fresh").state
    assert not torch.equal(fresh["model"]["net.head.weight"], whole.state["model"]["net.head.weight"])


def _loss_that_fails(monkeypatch: pytest.MonkeyPatch, at: int, failure: Any) -> None:
    calls = Counter[str]()
    usual = losses.PIXEL_LOSSES["l1"]

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        calls["l1"] += 1
        return failure(prediction) if calls["l1"] == at else usual(prediction, target)

    monkeypatch.setitem(losses.PIXEL_LOSSES, "l1", loss)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (lambda prediction: prediction.mean() * float("nan"), "The loss step-2 is not finite"),
        (lambda prediction: prediction.mean() + float("inf"), "The loss step-2 is not finite"),
        (lambda prediction: (prediction.mean() * 0).sqrt(), "The gradient is not finite"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run_and_overwrites_nothing(
    failure: Any, words: str, learn: Any, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In the third step, of four terms each, after two that were saved."""
    _loss_that_fails(monkeypatch, 4 + 4 + 2, failure)
    with pytest.raises(TrainingError, match=f"{words} in the step after 4 crops"):
        learn(replace(recipe, save_every=4))
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["images"] == 4
    assert all(weight.isfinite().all() for weight in state["model"].values())
    released = checkpoint.load(tmp_path / "run" / "model.safetensors")
    assert all(weight.isfinite().all() for weight in released.parameters())
    assert [line["images"] for line in _entries(tmp_path / "run", "train")] == [4]


def test_a_loss_that_is_not_finite_in_the_last_step_is_found(
    learn: Any, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assert_same: Any
):
    _loss_that_fails(monkeypatch, 4 * 6, lambda prediction: prediction.mean() * float("nan"))
    with pytest.raises(TrainingError, match="step-4"):
        learn(recipe)
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["images"] == 0
    released = checkpoint.load(tmp_path / "run" / "model.safetensors").state_dict()
    assert_same(dict(released), dict(build_model(recipe).state_dict()))


def test_training_works_in_another_thread(learn: Any, recipe: Recipe):
    failures: list[BaseException] = []

    def run() -> None:
        try:
            learn(recipe)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failures == []


def test_settings_without_effect_are_told(learn: Any, recipe: Recipe, recorder: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processor, "tried", lambda: {"float32": 1.0, "bfloat16": "SIGILL"})
    learn(replace(recipe, precision="bf16", validation_pictures=3), display=recorder)
    assert "note: precision is float32: bfloat16 does not run on this processor (SIGILL)" in recorder.notes
    assert "note: validation_pictures is 3, but of 5 pictures only 1 are held out" in recorder.notes


def test_pictures_that_are_left_out_are_told(learn: Any, recipe: Recipe, recorder: Any):
    run = learn(replace(recipe, crop=11), display=recorder)
    left_out = [note for note in recorder.notes if note.startswith("left out: ")]
    assert [Path(note.split()[2]).name for note in left_out] == ["b.png", "d.png"]
    assert [name for name, *_ in json.loads((run.folder / "pictures.json").read_text())] == [
        "a.png",
        "c.png",
        "more/e.png",
    ]


def test_a_folder_that_holds_a_run_is_refused_before_anything_is_decoded(learn: Any, recipe: Recipe, recorder: Any):
    learn(recipe)
    with pytest.raises(TrainingError, match="holds a run already"):
        learn(recipe, display=recorder)
    assert recorder.decoded == []


def test_mistakes_are_told(learn: Any, recipe: Recipe, tmp_path: Path):
    with pytest.raises(TrainingError, match="holds no run to resume"):
        learn(recipe, "absent", resume=True)
    with pytest.raises(TrainingError, match="nowhere is not a folder"):
        learn(recipe, "no-data", data=tmp_path / "nowhere")
    with pytest.raises(SettingError, match="The recipe cannot set 'crop' to 3"):
        learn(replace(recipe, crop=3), "wrong")


def test_other_pictures_than_at_the_beginning_are_refused(learn: Any, recipe: Recipe, pictures: Path, tmp_path: Path):
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for name in ("a.png", "c.png"):
        (fewer / name).write_bytes((pictures / name).read_bytes())
    learn(recipe, minutes=1e-9)
    with pytest.raises(TrainingError, match="not those that the run began with"):
        learn(recipe, resume=True, data=fewer)


def test_the_same_pictures_may_have_moved(learn: Any, recipe: Recipe, pictures: Path, tmp_path: Path, assert_same: Any):
    whole = learn(recipe, "whole")
    learn(recipe, minutes=1e-9)
    moved = tmp_path / "moved"
    (moved / "more").mkdir(parents=True)
    for path in find_pictures(pictures):
        (moved / path.relative_to(pictures)).write_bytes(path.read_bytes())
    resumed = learn(recipe, resume=True, data=moved, cache=tmp_path / "cache")
    assert_same(resumed.state, whole.state)


@pytest.mark.parametrize("package", ["accelerate", "tensorboard"])
def test_a_missing_package_is_named(package: str, learn: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TrainingError, match=rf"Training needs {package}: pip install -e '\.\[train\]'"):
        learn(recipe)
