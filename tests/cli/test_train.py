"""`deltasr train` from the command line to its run folder."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from deltasr.cli import train
from deltasr.models import checkpoint
from deltasr.models.catalogue import BUNDLED
from deltasr.training.validation import Validation

Run = Callable[..., tuple[int, str, str]]

SMALL = ("--set", "crop=8", "--set", "batch=2", "--set", "images=8", "--set", "warmup=2", "--device", "cpu")


@pytest.fixture
def run(command_line: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `deltasr train` beside a folder of three pictures; returns its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    for seed in range(3):
        coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC).save(f"pictures/{seed}.png")
    Path("pictures/bad.png").write_text("not a picture")

    return partial(command_line, "train")


def test_a_run_prints_plain_lines_and_leaves_weights(run: Run):
    status, printed, _ = run("pictures", "-o", "runs/one", *SMALL)
    assert status == 0
    assert "\x1b" not in printed
    assert "\r" not in printed
    lines = printed.splitlines()
    assert "decoded 4 pictures" in lines
    assert [line for line in lines if line.startswith("left out: ") and "bad.png" in line]
    assert "note: validation_pictures is 16, but of 3 pictures only 1 are held out" in lines
    assert [line for line in lines if line.startswith("8/8 crops, ") and line.endswith("0:00:00 to go")]
    assert [line for line in lines if line.startswith("validation at 8 crops: PSNR-Y per step ")]
    assert lines[-1] == f"weights: {Path('runs/one/model.safetensors')}"
    assert checkpoint.read_header("runs/one/model.safetensors").training["images"] == 8
    assert Path("runs/cache").is_dir()


def test_stopped_by_the_time_and_resumed(run: Run):
    status, printed, _ = run("pictures", "-o", "one", "--minutes", "0.0001", *SMALL)
    assert status == 0
    assert "stopped at 2 of 8 crops; --resume goes on from there" in printed
    status, printed, _ = run("pictures", "-o", "one", "--resume", "--device", "cpu")
    assert status == 0
    assert "resumed at 2 of 8 crops" in printed
    assert "8/8 crops" in printed


def test_a_new_run_starts_from_weights(run: Run):
    run("pictures", "-o", "one", *SMALL)
    assert run("pictures", "-o", "two", "--init", "one/model.safetensors", *SMALL)[0] == 0
    assert run("pictures", "-o", "three", "--init", "one", *SMALL)[0] == 0


def test_a_new_run_starts_from_a_bundled_model(run: Run):
    settings = [part for value in ("crop=4", "batch=1", "images=1") for part in ("--set", value)]
    command = ("pictures", "-o", "one", "--recipe", "rrdb-x4", *settings, "--device", "cpu")
    assert run(*command, "--init", "rrdb-x4")[0] == 0
    status, _, message = run("pictures", "-o", "two", "--init", "rrdb-x5", *SMALL)
    assert status == 1
    assert message == (
        "deltasr: There is no checkpoint at rrdb-x5; start from a checkpoint's file, a run's folder, or one of "
        f"{', '.join(BUNDLED)}.\n"
    )


def test_other_systems_are_trained_by_their_recipes(run: Run):
    values = ("crop=4", "batch=2", "images=8", "width=4", "blocks=1", "validation_pictures=1")
    settings = [argument for value in values for argument in ("--set", value)]
    status, printed, _ = run("pictures", "-o", "cnn", "--recipe", "rrdb-cnn", *settings, "--device", "cpu")
    assert status == 0
    assert "8/8 crops" in printed
    header = checkpoint.read_header("cnn/model.safetensors")
    assert (header.architecture, header.arguments) == ("rrdb", {"blocks": 1, "width": 4})
    recipe = json.loads(Path("cnn/recipe.json").read_text())
    assert (recipe["system"], recipe["shrink"], recipe["decay"]) == ("rrdb", 2, "halved")
    assert len(json.loads(Path("cnn/held-out.json").read_text())["validation"]) == 1


def test_losses_through_networks_take_them_from_an_option(run: Run, shared: Path):
    settings = [*SMALL, "--set", "lpips=0.1", "--networks", shared / "models"]
    assert run("pictures", "-o", "one", *settings)[0] == 0
    lines = map(json.loads, Path("one/metrics.jsonl").read_text().splitlines())
    assert "lpips" in next(lines)["terms"]


def test_show_recipe_prints_what_would_be_trained(run: Run):
    Path("recipe.toml").write_text('batch = 4\nloss = "l2"\n')
    status, printed, _ = run(
        *("-o", "one", "--recipe", "deltadiff-small-x4", "--config", "recipe.toml"),
        *("--set", "batch=8", "--set", "step_weights=1,2,3,4", "--show-recipe"),
    )
    shown = tomllib.loads(printed)
    assert status == 0
    assert (shown["size"], shown["loss"], shown["batch"]) == ("small", "l2", 8)
    assert shown["step_weights"] == [1, 2, 3, 4]
    assert not Path("one").exists()


def test_show_recipe_of_a_run_that_could_be_resumed(run: Run):
    run("pictures", "-o", "one", *SMALL)
    assert tomllib.loads(run("-o", "one", "--resume", "--show-recipe")[1])["images"] == 8
    shown = run("-o", "one", "--resume", "--set", "images=12", "--show-recipe")[1]
    assert tomllib.loads(shown)["images"] == 12
    assert json.loads(Path("one/recipe.json").read_text())["images"] == 8


def test_what_show_recipe_prints_is_a_config(run: Run):
    """Also without the name of the recipe: the file names its system."""
    shown = run("-o", "one", "--recipe", "rrdb-gan-x4", "--set", "batch=4", "--show-recipe")[1]
    Path("recipe.toml").write_text(shown)
    assert run("-o", "one", "--config", "recipe.toml", "--show-recipe")[1] == shown
    assert run("-o", "one", "--config", "recipe.toml", "--recipe", "rrdb-cnn", "--show-recipe")[1] == shown
    status, _, message = run("-o", "one", "--config", "recipe.toml", "--recipe", "vq-f4", "--show-recipe")
    assert status == 1
    assert message == (
        "deltasr: recipe.toml is for the system 'rrdb', and the recipe trains 'vq'; name another --recipe, or none.\n"
    )


def test_a_run_goes_on_for_longer_or_less_long(run: Run):
    run("pictures", "-o", "one", *SMALL)
    status, printed, _ = run("pictures", "-o", "one", "--resume", "--set", "images=12", "--device", "cpu")
    assert status == 0
    assert "resumed at 8 of 12 crops" in printed
    assert json.loads(Path("one/recipe.json").read_text())["images"] == 12
    assert checkpoint.read_header("one/model.safetensors").training["images"] == 12
    status, _, message = run("pictures", "-o", "one", "--resume", "--set", "images=10", "--device", "cpu")
    assert status == 1
    assert message == (
        "deltasr: The run in one has learnt from 12 crops, and images is 10; set images to at least as many.\n"
    )
    assert json.loads(Path("one/recipe.json").read_text())["images"] == 12


def test_what_a_run_has_learnt_by_stays_as_it_began(run: Run):
    run("pictures", "-o", "one", *SMALL)
    status, _, message = run("pictures", "-o", "one", "--resume", "--set", "batch=4", "--device", "cpu")
    assert status == 1
    assert message == (
        "deltasr: A resumed run keeps 'batch' as it began; what can be set is images, patience, validate_every, "
        "save_every, workers.\n"
    )


def test_numbers_beyond_all_measure_get_one_sentence(run: Run):
    """Of thousands of digits, which Python refuses to read, and lists of thousands of levels."""
    for text in (f"batch = {'9' * 400}", f"batch = {'9' * 5000}", f"batch = {'[' * 5000}", f"batch = 0x{'f' * 5000}"):
        Path("recipe.toml").write_text(text)
        status, _, message = run("pictures", "-o", "one", "--config", "recipe.toml")
        assert status == 1
        assert "recipe.toml" in message
        assert message.count("\n") == 1
        assert len(message) < 300


def test_a_run_folder_that_exists_needs_resume(run: Run):
    run("pictures", "-o", "one", *SMALL)
    status, _, message = run("pictures", "-o", "one", *SMALL)
    assert status == 1
    assert message == "deltasr: one holds a run already; go on with it by --resume, or name another folder.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "one"], "Training needs a folder of pictures: deltasr train PICTURES --output RUN"),
        (["absent", "-o", "one"], "absent is not a folder"),
        (["pictures", "-o", "one", "--recipe", "huge"], "no recipe called 'huge'"),
        (["pictures", "-o", "one", "--config", "absent.toml"], "absent.toml cannot be read"),
        (["pictures", "-o", "one", "--set", "batches=2"], "--set sets 'batches', which this recipe has not"),
        (["pictures", "-o", "one", "--set", "batch=two"], "--set cannot set 'batch' to 'two'"),
        (["pictures", "-o", "one", "--set", "batch"], "'batch' has no '='"),
        (["pictures", "-o", "one", "--init", "absent.safetensors"], "There is no checkpoint at absent.safetensors"),
        (["pictures", "-o", "one", "--set", "steps=1", "--recipe", "rrdb-cnn"], "'steps', which this recipe has not"),
        (["pictures", "-o", "one", "--recipe", "resshift-paper"], "give one by --first-stage FILE"),
        (["pictures", "-o", "one", "--first-stage", "a.safetensors"], "--first-stage is for recipes whose"),
        (["pictures", "-o", "one", "--set", "lpips=1", "--networks", "absent"], "no LPIPS weights file absent"),
        (["pictures", "-o", "one", "--resume", "--first-stage", "a.safetensors"], "leave --first-stage out"),
        (["pictures", "-o", "one", "--minutes", "0"], "--minutes 0 is out of range"),
        (["pictures", "-o", "one", "--minutes", "nan"], "--minutes nan is out of range"),
        (["pictures", "-o", "one", "--resume"], "one holds no run to resume"),
        (["pictures", "-o", "one", "--resume", "--set", "batch=2"], "one holds no run to resume"),
        (["pictures", "-o", "one", "--resume", "--recipe", "deltadiff-tiny-x4"], "leave --recipe out"),
        (["pictures", "-o", "one", "--resume", "--config", "a.toml"], "leave --config out"),
        (["pictures", "-o", "one", "--resume", "--init", "a.safetensors"], "leave --init out"),
        (["pictures/bad.png", "-o", "one"], "bad.png is not a folder"),
        (["pictures", "-o", "pictures/0.png"], "pictures/0.png is a file; name a folder for the run"),
        (["pictures", "-o", "one", "--cache", "pictures/0.png"], "The cache pictures/0.png cannot be made"),
        (["pictures", "-o", "one", "--set", "crop=100"], "None of the 4 pictures can be used"),
    ],
)
def test_mistakes_get_one_sentence(arguments: list[str], words: str, run: Run):
    device = () if "--resume" in arguments else ("--device", "cpu")
    status, _, message = run(*arguments, *device)
    assert status == 1
    assert message.startswith("deltasr: ")
    assert words in message
    assert message.count("\n") == 1


def test_without_accelerate_training_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    status, _, message = run("pictures", "-o", "one", *SMALL)
    assert status == 1
    assert message == "deltasr: Training needs accelerate: pip install -e '.[train]' installs it.\n"


def test_a_terminal_gets_bars_with_the_rate_and_the_time_to_go(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console", lambda **settings: Console(file=screen, force_terminal=True, width=120, **settings)
    )
    with train._ConsoleDisplay() as display:
        display.caching(3, 3)
        display.progress(500, 7_700, rate=2.0, loss=0.0125)
        display.validation(500, Validation(bicubic=25.0, steps=(26.0, 27.125)))
        display.note("[a note]")
    shown = screen.getvalue()
    assert "500/7700" in shown
    assert "2.0 crops/s, loss 0.01250, 1:00:00 to go" in shown
    assert "validation at 500 crops: PSNR-Y per step 26.000 27.125 dB (bicubic 25.000)" in shown
    assert "[a note]" in shown


def test_one_picture_is_one(capsys: pytest.CaptureFixture[str]):
    with train._ConsoleDisplay() as display:
        display.caching(1, 1)
        display.caching(1_000, 1_000)
    assert capsys.readouterr().out == "decoded 1 picture\ndecoded 1,000 pictures\n"


def test_elsewhere_lines_of_progress_come_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    now = [100.0]
    monkeypatch.setattr(train.time, "monotonic", lambda: now[0])
    with train._ConsoleDisplay() as display:
        for images in range(1, 31):
            display.progress(images, 30, rate=1.0, loss=0.1)
            now[0] += 1
    counts = [line.split("/")[0] for line in capsys.readouterr().out.splitlines()]
    assert counts == ["1", "11", "21", "30"]
