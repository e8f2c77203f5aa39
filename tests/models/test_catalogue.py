"""The catalogue: its names, what it loads, and the weights that come with the package."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.degradation.kinds import degrade
from deltasr.errors import CheckpointError, ModelError
from deltasr.evaluation.lpips import Lpips
from deltasr.evaluation.metrics import psnr_y, to_8_bit_levels
from deltasr.models import catalogue, checkpoint
from deltasr.models.base import Model
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation
from deltasr.resampling.tensors import downscale

BOWL = Path(__file__).resolve().parents[1] / "data" / "bowl.png"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_names_begin_with_the_default():
    assert catalogue.names()[0] == catalogue.DEFAULT == "deltadiff-x4"
    assert {"nearest", "bilinear", "bicubic", "bicubic-pillow", "lanczos"} < set(catalogue.names())
    assert len(set(catalogue.names())) == len(catalogue.names())


@pytest.mark.parametrize("name", catalogue.names())
def test_every_name_is_described(name: str):
    entry = catalogue.describe(name)
    assert entry.name == name
    assert "x4" in entry.description
    assert "\n" not in entry.description
    assert (entry.card is not None) == (name in catalogue.BUNDLED)


@pytest.mark.parametrize("name", catalogue.names())
def test_every_name_loads(name: str):
    model = catalogue.load(name)
    assert isinstance(model, Model)
    assert model.name == name
    assert model.scale == 4
    assert not model.training
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 3, 2)).shape == (1, 3, 12, 8)


def test_the_default_is_loaded_without_a_name():
    assert catalogue.load().name == catalogue.DEFAULT


def test_interpolation_comes_as_such():
    model = catalogue.load("bicubic", device=torch.device("cpu"))
    assert isinstance(model, Interpolation)


def test_bundled_models_with_a_dial_are_known_without_their_weights(
    dial_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, default in catalogue.dials().items():
        model = catalogue.load(name)
        assert (model.dial, model.default_fidelity) == (True, default)
    assert not any(catalogue.load(name).dial for name in catalogue.BUNDLED.keys() - catalogue.dials().keys())
    others = dict.fromkeys(["rrdb-x4"], catalogue.bundled_file("rrdb-x4", ".safetensors"))
    monkeypatch.setattr(catalogue, "BUNDLED", {"dialled": "", **others})
    monkeypatch.setattr(catalogue, "bundled_file", lambda name, suffix: others.get(name, dial_checkpoint))
    assert catalogue.dials() == {"dialled": 0.75}


@pytest.mark.parametrize("as_text", [True, False])
def test_checkpoints_load_by_path(tmp_path: Path, as_text: bool):
    path = tmp_path / "mine"
    checkpoint.save(DeltaDiff(), path)
    model = catalogue.load(str(path) if as_text else path)
    assert isinstance(model, DeltaDiff)
    assert model.name == "deltadiff-tiny-x4"
    assert not model.training


def test_a_run_is_loaded_by_its_folder(tmp_path: Path):
    checkpoint.save(DeltaDiff(scale=3), tmp_path / "runs" / "a" / "model.safetensors")
    assert catalogue.load(tmp_path / "runs" / "a").scale == 3
    facts = catalogue.facts(tmp_path / "runs" / "a")
    assert facts is not None
    assert facts.scale == 3
    with pytest.raises(CheckpointError, match=r"runs is a folder without .*model\.safetensors of a training run"):
        catalogue.load(tmp_path / "runs")


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(
        ModelError, match=r"no model called 'deltadif'; known are deltadiff-x4, .*, or a checkpoint's path"
    ):
        catalogue.load("deltadif")
    with pytest.raises(ModelError, match="no model called ''"):
        catalogue.describe("")


def test_paths_that_lead_nowhere_are_answered_as_paths(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"There is no checkpoint at .*gone\.safetensors"):
        catalogue.load(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("name", catalogue.BUNDLED)
def test_bundled_weights_come_with_a_card(name: str):
    card = catalogue.bundled_file(name, ".md").read_text(encoding="utf-8")
    assert name in card
    header = checkpoint.read_header(catalogue.bundled_file(name, ".safetensors"))
    assert header.training["images"] > 0


def _pair(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture's LR and HR, in 8-bit levels."""
    hr = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None] / 255
    hr = hr[..., : hr.shape[-2] // 4 * 4, : hr.shape[-1] // 4 * 4]
    return to_8_bit_levels(downscale(hr, 4)), hr


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return _pair(BOWL)


def _psnr_y(name: str, pair: tuple[torch.Tensor, torch.Tensor]) -> float:
    lr, hr = pair
    with torch.inference_mode():
        return float(psnr_y(to_8_bit_levels(catalogue.load(name)(lr)), hr, border=4))


@pytest.mark.parametrize("name", ["deltadiff-x4", "rrdb-x4"])
def test_weights_trained_for_fidelity_beat_bicubic_by_a_decibel(name: str, pair: tuple[torch.Tensor, torch.Tensor]):
    assert _psnr_y(name, pair) > _psnr_y("bicubic", pair) + 1


def test_on_degraded_pictures_the_model_for_photos_beats_bicubic_and_the_clean_one(
    pair: tuple[torch.Tensor, torch.Tensor],
):
    hr = pair[1]
    degraded = [to_8_bit_levels(degrade(hr, kind="realesrgan", seed=seed)) for seed in range(4)]
    photo, clean, bicubic = (
        fmean(_psnr_y(name, (lr, hr)) for lr in degraded) for name in ("deltadiff-photo-x4", "deltadiff-x4", "bicubic")
    )
    assert photo > bicubic + 0.2
    assert photo > clean + 0.2


@pytest.mark.parametrize("name", catalogue.dials())
def test_a_bundled_dial_turns_from_natural_to_faithful(name: str):
    """In the mean of three photographs and a drawing; of a single picture nobody promises it."""
    model = catalogue.load(name)
    scores = []
    for path in (BOWL, *(EXAMPLES / f"{stem}.png" for stem in ("koala", "frog", "comic"))):
        lr, hr = _pair(path)
        if "photo" in name:
            lr = to_8_bit_levels(degrade(hr, kind="realesrgan", seed=0))
        with torch.inference_mode():
            results = [to_8_bit_levels(model(lr, fidelity=wanted)) for wanted in (0.0, 0.5, 1.0)]
        scores.append([float(psnr_y(result, hr, border=4)) for result in results])
    natural, between, faithful = map(fmean, zip(*scores, strict=True))
    assert natural < between < faithful
    assert natural < faithful - 0.1


@pytest.mark.parametrize(("smooth", "sharp"), catalogue.COUNTERPARTS.items())
def test_a_counterpart_gives_fidelity_for_realism(smooth: str, sharp: str, shared: Path):
    lpips = Lpips.from_file(shared / "models" / "lpips_alex_v0.1.pth")
    butterfly = _pair(shared / "data" / "eval" / "Set5" / "HR" / "img_003.png")
    lr, hr = butterfly
    with torch.inference_mode():
        distances = {name: float(lpips(catalogue.load(name)(lr), hr)) for name in (smooth, sharp, "bicubic")}
    assert distances[sharp] < distances[smooth] < distances["bicubic"]
    assert _psnr_y(smooth, butterfly) > _psnr_y(sharp, butterfly)


def test_bundled_steps_make_faithful_pictures_better(shared: Path):
    """From the first to the last, in the mean of a set."""
    model = catalogue.load("deltadiff-x4")
    assert isinstance(model, DeltaDiff)
    scores: list[list[float]] = []
    for path in sorted((shared / "data" / "eval" / "Set5" / "HR").glob("*.png")):
        lr, hr = _pair(path)
        codes: list[torch.Tensor] = []
        with torch.inference_mode():
            model(lr, callback=lambda t, x_t, prediction, codes=codes: codes.append(prediction), fidelity=1.0)
            scores.append([float(psnr_y(to_8_bit_levels(model.decode(code)), hr, border=4)) for code in codes])
    assert len(scores[0]) == model.schedule.steps
    assert fmean(score[-1] for score in scores) > fmean(score[0] for score in scores) + 0.05


@pytest.mark.parametrize("wrong", [None, 5, b"bicubic", ["bicubic"], "a\0b", Path("weights\0.safetensors")], ids=repr)
def test_what_is_neither_a_name_nor_a_path_is_refused(wrong: object):
    with pytest.raises(ModelError, match=r"is no model's name and no path; give one of deltadiff-x4") as error:
        catalogue.load(wrong)
    assert "\0" not in str(error.value)
