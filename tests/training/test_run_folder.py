"""The files of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from deltasr.errors import TrainingError
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.recipes.picture import RrdbRecipe
from deltasr.training.run_folder import RunFolder

PICTURES = [("a.png", 48, 64), ("more/b.png", 40, 40)]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that has begun."""
    folder = RunFolder(tmp_path / "run")
    folder.keep_pictures(PICTURES)
    folder.begin(DeltaDiffRecipe(batch=2), {"images": 0, "weights": torch.arange(3)})
    return folder


def test_a_run_gives_back_its_recipe_and_its_state(folder: RunFolder):
    assert folder.recipe() == DeltaDiffRecipe(batch=2)
    state = folder.load_state()
    assert state["images"] == 0
    assert torch.equal(state["weights"], torch.arange(3))


def test_a_folder_holds_one_run(folder: RunFolder):
    with pytest.raises(TrainingError, match="holds a run already; go on with it by --resume"):
        folder.require_empty()
    with pytest.raises(TrainingError, match="holds a run already"):
        folder.begin(DeltaDiffRecipe(), {})


def test_an_empty_folder_has_nothing_to_resume(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.require_empty()
    with pytest.raises(TrainingError, match="holds no run to resume"):
        folder.recipe()
    with pytest.raises(TrainingError, match="holds no state to resume from"):
        folder.load_state()


def test_a_damaged_recipe_is_named(folder: RunFolder):
    folder.recipe_file.write_text('{"system": "deltadiff", "batches": 3}')
    with pytest.raises(TrainingError, match=r"recipe\.json cannot be read: .*batches"):
        folder.recipe()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"batch": ' * 100_000, '{"batch": ' + "9" * 5_000 + "}"])
def test_a_recipe_beyond_all_measure_is_named(text: str, folder: RunFolder):
    folder.recipe_file.write_text(text)
    with pytest.raises(TrainingError, match=r"recipe\.json cannot be read: ") as error:
        folder.recipe()
    assert len(str(error.value)) < 400


def test_a_recipe_of_another_system_is_its_own_kind(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.begin(RrdbRecipe(blocks=3), {})
    assert folder.recipe() == RrdbRecipe(blocks=3)


def test_a_recipe_that_does_not_name_its_system_is_deltadiff_s(folder: RunFolder):
    """As those of earlier versions, whose runs can be resumed."""
    folder.recipe_file.write_text('{"size": "small", "steps": 3}')
    assert folder.recipe() == DeltaDiffRecipe(size="small", steps=3)


def test_held_out_pictures_are_named(folder: RunFolder):
    folder.keep_held_out(validation=["b.png"], test=["c.png", "more/d.png"])
    kept = json.loads((folder.path / "held-out.json").read_text())
    assert kept == {"validation": ["b.png"], "test": ["c.png", "more/d.png"]}


@pytest.mark.parametrize("size", [0, 10, 300])
def test_a_damaged_state_is_named(size: int, folder: RunFolder):
    folder.state_file.write_bytes(folder.state_file.read_bytes()[:size])
    with pytest.raises(TrainingError, match=r"state\.pt cannot be read"):
        folder.load_state()


@pytest.mark.parametrize("content", [[1, 2], {"format": 99}])
def test_a_state_of_another_format_is_told(content: object, folder: RunFolder):
    torch.save(content, folder.state_file)
    with pytest.raises(TrainingError, match="another format"):
        folder.load_state()


def test_a_state_that_cannot_be_written_leaves_the_one_before(folder: RunFolder):
    with pytest.raises(Exception, match="pickle"):
        folder.save_state({"images": 1, "not": lambda: None})
    assert folder.load_state()["images"] == 0
    assert [path.name for path in folder.path.iterdir() if path.name.startswith(".")] == []


def test_metrics_beyond_the_state_and_half_a_line_are_forgotten(folder: RunFolder):
    for images in (2, 4, 6):
        folder.log({"kind": "train", "images": images})
    with folder.metrics_file.open("a") as file:
        file.write('{"kind": "tra')
    folder.forget_after(4)
    folder.log({"kind": "train", "images": 8})
    lines = folder.metrics_file.read_text().splitlines()
    assert [json.loads(line)["images"] for line in lines] == [2, 4, 8]


def test_metrics_of_a_run_that_never_began_are_not_mixed_in(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.log({"images": 2})
    folder.begin(DeltaDiffRecipe(), {})
    assert not folder.metrics_file.exists()


def test_metrics_that_cannot_be_written_are_named(tmp_path: Path):
    with pytest.raises(TrainingError, match=r"metrics\.jsonl cannot be written"):
        RunFolder(tmp_path / "absent").log({})


def test_files_of_a_run_that_cannot_be_written_are_named(tmp_path: Path):
    (tmp_path / "file").touch()
    folder = RunFolder(tmp_path / "file")
    with pytest.raises(TrainingError, match=r"^The training state .*state\.pt cannot be written: "):
        folder.save_state({})
    with pytest.raises(TrainingError, match=r"^The list of pictures .*pictures\.json cannot be written: "):
        folder.keep_pictures(PICTURES)
    with pytest.raises(TrainingError, match=r"^The list of pictures .*held-out\.json cannot be written: "):
        folder.keep_held_out(validation=[], test=[])


def test_a_resumed_run_needs_the_pictures_it_began_with(folder: RunFolder):
    folder.keep_pictures(PICTURES)
    assert json.loads(folder.pictures_file.read_text()) == [list(picture) for picture in PICTURES]
    for others in (PICTURES[:1], PICTURES[::-1], [PICTURES[0], ("more/b.png", 40, 44)]):
        with pytest.raises(TrainingError, match="not those that the run began with"):
            folder.keep_pictures(others)


def test_a_new_run_may_have_other_pictures_than_one_that_never_began(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.keep_pictures(PICTURES)
    folder.keep_pictures(PICTURES[:1])
    assert len(json.loads(folder.pictures_file.read_text())) == 1


def test_recipes_written_before_there_was_a_dial_are_read(tmp_path: Path):
    """As they stand in runs and beside bundled weights: what they do not name is as it was then."""
    old = {
        "system": "deltadiff", "size": "tiny", "scale": 4, "steps": 4, "p": 0.3, "eta_1": 0.01, "eta_T": 0.99,
        "unroll": "through", "loss": "l1", "step_weights": [], "crop": 24, "batch": 16, "images": 224_000, "seed": 0,
        "optimizer": "muon", "learning_rate": 0.0025, "betas": [0.9, 0.99], "weight_decay": 0.0, "warmup": 6_400,
        "clip": 0.5, "ema": 0.999, "precision": "float32", "channels_last": False, "compile": False, "workers": 0,
        "validation_pictures": 16, "validate_every": 16_000, "save_every": 8_000,
    }  # fmt: skip
    folder = RunFolder(tmp_path)
    folder.recipe_file.write_text(json.dumps(old))
    recipe = folder.recipe()
    assert isinstance(recipe, DeltaDiffRecipe)
    assert (recipe.dial, recipe.lpips, recipe.adversarial, recipe.block) == (False, 0, 0, "residual")
    assert (recipe.shared, recipe.features, recipe.degradation, recipe.patience) == (True, "once", "bicubic", 0)
