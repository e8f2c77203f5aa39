"""Short trainings: made once, gone on with after an interruption, told apart by their recipes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from deltasr.errors import SettingError, TrainingError
from deltasr.experiments import runs
from deltasr.experiments.experiment import Settings
from deltasr.experiments.runs import budgeted, scale_of, shortened, trained
from deltasr.training.recipes.presets import recipe_named

TINY = {"crop": 4, "batch": 2, "validation_pictures": 1}


def test_a_run_is_made_once(settings: Settings):
    said: list[str] = []
    settings = replace(settings, say=said.append)
    recipe = shortened(recipe_named("deltadiff-tiny-x4"), 8, **TINY)
    first = trained("tiny", recipe, settings)
    assert said == ["training tiny: 8 images"]
    written = first.weights.stat().st_mtime_ns
    again = trained("tiny", recipe, settings)
    assert len(said) == 1
    assert again.weights.stat().st_mtime_ns == written
    assert again.psnr_y_per_step() == first.psnr_y_per_step()
    assert len(first.psnr_y_per_step()) == 4
    assert first.curve("loss")[0][-1] == 8
    assert first.model().name.startswith("deltadiff")


def test_a_run_of_other_pictures_is_not_taken_for_this_one(settings: Settings):
    recipe = shortened(recipe_named("deltadiff-tiny-x4"), 4, **TINY)
    trained("tiny", recipe, settings)
    assert settings.data is not None
    more = settings.data / "more.png"
    more.write_bytes((settings.data / "0.png").read_bytes())
    with pytest.raises(TrainingError, match=r"made from other pictures than those in .*give another --output"):
        trained("tiny", recipe, settings)
    more.unlink()
    trained("tiny", recipe, settings)


def test_the_machine_is_what_the_settings_ask_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(runs.torch.cuda, "get_device_name", lambda device: "A GPU")
    assert runs.machine("cpu").startswith("CPU, ")
    assert runs.machine("auto").startswith("A GPU, ")


def test_another_recipe_is_another_run(settings: Settings):
    recipe = shortened(recipe_named("deltadiff-tiny-x4"), 4, **TINY)
    one, two = (trained("tiny", msgspec.structs.replace(recipe, seed=seed), settings) for seed in (0, 1))
    assert one.weights != two.weights
    assert one.weights.read_bytes() != two.weights.read_bytes()
    assert scale_of([one, two], "cpu").startswith("This run: 2 trainings of 4 images (4x4 LR crops, ")
    assert " s each, CPU, " in scale_of([one, two], "cpu")
    assert " s, CPU, " in scale_of([one], "cpu")


def test_an_interrupted_run_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    recipe = shortened(recipe_named("deltadiff-tiny-x4"), 8, **TINY)
    options = runs.Options
    monkeypatch.setattr(runs, "Options", lambda **values: options(**values, minutes=1e-6))
    with pytest.raises(TrainingError, match="the same command resumes it"):
        trained("tiny", recipe, settings)
    monkeypatch.setattr(runs, "Options", options)
    resumed = trained("tiny", recipe, settings)
    whole = trained("tiny", recipe, replace(settings, output=settings.output / "elsewhere"))
    assert resumed.psnr_y_per_step() == whole.psnr_y_per_step()


def test_a_short_run_warms_up_and_averages_to_match():
    long = recipe_named("deltadiff-tiny-x4")
    short = shortened(long, 1_605)
    assert short.images == 1_600
    assert short.warmup < short.images
    assert short.ema == pytest.approx(0.9)
    assert short.validate_every == short.images
    assert shortened(long, 10 * long.images).ema == long.ema
    with pytest.raises(SettingError, match="less than one batch"):
        shortened(long, 3)


def test_the_length_is_the_settings(settings: Settings):
    assert budgeted("resshift-small", settings, full=99_200).images == 16
    quick = budgeted("resshift-small", replace(settings, images=None), full=99_200)
    full = budgeted("resshift-small", replace(settings, images=None, quick=False), full=99_200)
    assert quick.images < full.images == 99_200
    assert quick.crop < full.crop
