"""Other upscalers' pictures as training targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from deltasr.cli import main
from deltasr.errors import ModelError, SettingError
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.training.data import teacher as teacher_module
from deltasr.training.data.cache import CachedPicture, build_cache, find_pictures
from deltasr.training.data.teacher import Teachers, teach
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.picture import AutoencoderRecipe

replace = msgspec.structs.replace


@pytest.fixture
def cached(pictures: Path, tmp_path: Path) -> list[CachedPicture]:
    return build_cache(find_pictures(pictures), tmp_path / "cache", scale=4, smallest=32)[0]


def test_a_teacher_s_picture_is_what_it_makes_of_the_lr_picture(cached: list[CachedPicture]):
    (first, *_) = teach(cached, Teachers(["bicubic"], scale=4))
    expected = Upscaler(catalogue.load("bicubic"), consistency=False).upscale(np.array(first.arrays()[1])).pixels
    assert np.array_equal(first.teacher(), expected)
    assert first.teacher().dtype == np.uint8


def test_several_teachers_give_their_mean(cached: list[CachedPicture]):
    one, other, both = (
        teach(cached[:1], Teachers(names, scale=4))[0].teacher().astype(float)
        for names in (["bicubic"], ["nearest"], ["bicubic", "nearest"])
    )
    assert np.abs(one - other).max() > 10
    assert np.abs((one + other) / 2 - both).max() <= 0.5


def test_a_dial_is_at_its_faithful_end(cached: list[CachedPicture], dial_checkpoint: Path):
    (taught,) = teach(cached[:1], Teachers([str(dial_checkpoint)], scale=4))
    upscaler = Upscaler(catalogue.load(dial_checkpoint), consistency=False)
    lr = np.array(cached[0].arrays()[1])
    assert np.array_equal(taught.teacher(), upscaler.upscale(lr, fidelity=1.0).pixels)
    assert not np.array_equal(taught.teacher(), upscaler.upscale(lr).pixels)


def test_pictures_are_made_once(cached: list[CachedPicture], monkeypatch: pytest.MonkeyPatch):
    shares: list[float] = []
    first = teach(cached, Teachers(["bicubic"], scale=4), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    damaged = first[1].teacher_file
    assert damaged is not None
    damaged.write_bytes(b"half")
    made: list[int] = []

    def black(self: Teachers, lr: np.ndarray) -> np.ndarray:
        made.append(1)
        return np.zeros((4 * lr.shape[0], 4 * lr.shape[1], 3), np.uint8)

    monkeypatch.setattr(Teachers, "picture", black)
    again = teach(cached, Teachers(["bicubic"], scale=4))
    assert [picture.teacher_file for picture in again] == [picture.teacher_file for picture in first]
    assert len(made) == 1


def test_targets_are_known_by_the_content_of_the_file(tmp_path: Path):
    torch.manual_seed(0)
    checkpoint.save(DeltaDiff(), tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes())
    before, moved = (Teachers([str(tmp_path / name)], scale=4).key for name in ("a.safetensors", "b.safetensors"))
    checkpoint.save(DeltaDiff(), tmp_path / "a.safetensors")
    assert before == moved != Teachers([str(tmp_path / "a.safetensors")], scale=4).key


def test_teachers_of_another_factor_are_refused(cached: list[CachedPicture], tmp_path: Path):
    checkpoint.save(DeltaDiff(scale=2), tmp_path / "x2.safetensors")
    with pytest.raises(SettingError, match="x2"):
        teach(cached, Teachers([str(tmp_path / "x2.safetensors")], scale=4))


def test_unknown_teachers_are_named(cached: list[CachedPicture]):
    with pytest.raises(ModelError, match="socrates"):
        teach(cached, Teachers(["socrates"], scale=4))


def test_a_run_learns_what_its_teacher_does(learn: Any, recipe: Recipe, cached: list[CachedPicture]):
    """What a teacher of pixels without interpolation taught comes nearer to those than what the pictures taught."""
    own = replace(recipe, images=160, learning_rate=5e-3, ema=0.5)
    lr = torch.from_numpy(np.array(cached[0].arrays()[1])).permute(2, 0, 1)[None] / 255
    wanted = catalogue.load("nearest")(lr)
    distances = []
    for name, given, teachers in (("own", own, ()), ("taught", replace(own, teacher=1.0), ("nearest",))):
        model = checkpoint.load(learn(given, name, teachers=teachers).folder / "model.safetensors")
        with torch.no_grad():
            distances.append(float((model(lr) - wanted).abs().mean()))
    assert distances[1] < 0.8 * distances[0]


def test_a_resumed_run_keeps_its_teachers(learn: Any, recipe: Recipe, assert_same: Any, monkeypatch: Any):
    taught = replace(recipe, teacher=0.5)
    whole = learn(taught, "whole", teachers=("bicubic",))
    header = checkpoint.read_header(whole.folder / "model.safetensors")
    assert header.training["teachers"] == ["bicubic"]
    learn(taught, "parts", teachers=("bicubic",), minutes=1e-9)
    parts = learn(taught, "parts", resume=True)
    assert_same(parts.state, whole.state)


@pytest.mark.parametrize(
    ("share", "teachers", "reason"), [(0.5, (), "--teacher"), (0.0, ("bicubic",), "share of the teachers is 0")]
)
def test_share_and_teachers_need_each_other(share: float, teachers: Any, reason: str, learn: Any, recipe: Recipe):
    with pytest.raises(SettingError, match=reason):
        learn(replace(recipe, teacher=share), teachers=teachers)


def test_autoencoders_have_no_teachers():
    with pytest.raises(ValueError, match="autoencoder"):
        AutoencoderRecipe(teacher=1.0)


def test_the_command_takes_all_of_the_target_from_a_teacher(pictures: Path, decoded: Path, tmp_path: Path):
    arguments = ["train", str(pictures), "-o", str(tmp_path / "run"), "--cache", str(decoded), "--device", "cpu"]
    small = ["crop=8", "batch=2", "images=4", "warmup=0", "validation_pictures=1"]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--teacher", "bicubic", *(part for value in small for part in ("--set", value))])
    assert caught.value.code == 0
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["teacher"] == 1
    assert json.loads((tmp_path / "run" / "teachers.json").read_text()) == ["bicubic"]
    assert teacher_module.Teachers(["bicubic"], scale=4).key in " ".join(path.name for path in decoded.iterdir())


def test_a_resumed_run_takes_no_other_teachers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text("{}")
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path), "-o", str(run), "--resume", "--teacher", "bicubic"])
    assert "leave --teacher out" in capsys.readouterr().err
