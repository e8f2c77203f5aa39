"""Whole runs of every system: a few steps of tiny networks, from pictures to a model that upscales."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from deltasr.models import checkpoint
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.base import Model
from deltasr.models.resshift import ResShift
from deltasr.training import adversarial_learner
from deltasr.training.recipes.chain import DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.recipes.picture import AutoencoderRecipe, RrdbRecipe
from deltasr.training.recipes.presets import RECIPES
from deltasr.training.recipes.types import AnyRecipe

replace = msgspec.structs.replace

SHORT: dict[str, Any] = {"crop": 8, "batch": 2, "images": 6, "warmup": 0, "validation_pictures": 1, "workers": 0}
TINY_RRDB: dict[str, Any] = {"blocks": 1, "width": 4, "shrink": 1, "test_pictures": 1}
TINY_VQ: dict[str, Any] = {"widths": (32, 32, 32), "blocks": 1, "codes": 16}
TINY_GAN: dict[str, Any] = {"discriminator_width": 4, "features": "squeeze", "feature_layer": "fire2"}


def _short(name: str, **changes: Any) -> AnyRecipe:
    return replace(RECIPES[name], **{**SHORT, **changes})


def _last(folder: Path, kind: str) -> dict[str, Any]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind][-1]


def _upscales(folder: Path) -> Model:
    """The model that a run released, which gives a picture of the right size."""
    model = checkpoint.load(folder / "model.safetensors")
    lr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert model(lr).shape == (1, 3, 16 * model.scale, 16 * model.scale)
    return model


@pytest.fixture
def loss_networks(shared: Path) -> Path:
    """A folder with the networks that losses look through."""
    return shared / "models"


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("resshift-small", {"teacher-forced"}),
        ("deltadiff-paper-small", {"step-1", "step-2", "step-3", "step-4"}),
        ("deltadiff-tiny-x4", {"step-1", "step-2", "step-3", "step-4"}),
    ],
)
def test_residual_shifting(name: str, terms: set[str], learn: Any, tiny_denoiser: dict[str, object]):
    run = learn(_short(name))
    assert _last(run.folder, "train")["terms"].keys() == terms
    assert len(_last(run.folder, "validation")["psnr_y_per_step"]) == 4
    _upscales(run.folder)


def test_residual_shifting_with_lpips(learn: Any, loss_networks: Path, tiny_denoiser: dict[str, object]):
    run = learn(_short("resshift-journal-small"), networks=loss_networks)
    assert _last(run.folder, "train")["terms"].keys() == {"teacher-forced", "lpips"}
    _upscales(run.folder)


@pytest.mark.parametrize("adversarial", [0.0, 0.1])
def test_a_dial(adversarial: float, learn: Any, loss_networks: Path):
    recipe = _short(
        "deltadiff-tiny-x4", dial=True, lpips=0.1, adversarial=adversarial, discriminator="unet", discriminator_width=4
    )
    run = learn(recipe, networks=loss_networks)
    terms = {"step-1", "step-2", "step-3", "step-4", "lpips"} | ({"adversarial"} if adversarial else set())
    assert _last(run.folder, "train")["terms"].keys() == terms
    line = _last(run.folder, "validation")
    assert len(line["psnr_y_per_step"]) == 4
    assert line["psnr_y_at_fidelity_0"] != line["psnr_y_per_step"][-1]
    assert _upscales(run.folder).dial


def test_rrdb(learn: Any):
    run = learn(_short("rrdb-cnn", **TINY_RRDB))
    assert _last(run.folder, "train")["terms"].keys() == {"l1"}
    assert len(_last(run.folder, "validation")["psnr_y_per_step"]) == 1
    _upscales(run.folder)


@pytest.mark.parametrize(("weights", "terms"), [({}, {"l1"}), ({"l1": 0.0}, set())])
def test_rrdb_against_a_discriminator(
    weights: dict[str, float], terms: set[str], learn: Any, loss_networks: Path, tmp_path: Path
):
    """From a network trained for fidelity; without L1, by the perceptual and the adversarial loss alone."""
    before = learn(_short("rrdb-cnn", **TINY_RRDB), "cnn").folder / "model.safetensors"
    run = learn(_short("rrdb-gan", **TINY_RRDB, **TINY_GAN, **weights), "gan", initial=before, networks=loss_networks)
    line = _last(run.folder, "train")
    assert line["terms"].keys() == terms | {"perceptual", "adversarial"}
    assert line["loss"] == pytest.approx(sum(line["terms"].values()))
    assert 0 < line["d_real"] < 1
    assert 0 < line["d_fake"] < 1
    assert line["discriminator"] > 0
    _upscales(run.folder)


@pytest.mark.parametrize("alternation", ["joint", "phases"])
def test_an_adversarial_run_stopped_and_resumed_equals_an_uninterrupted_one(
    alternation: Any, learn: Any, assert_same: Any
):
    recipe = RrdbRecipe(
        **{**SHORT, "images": 10}, blocks=1, width=4, adversarial=0.1, discriminator="unet", discriminator_width=4,
        alternation=alternation,
    )  # fmt: skip
    whole = learn(recipe, "whole")
    learn(recipe, "parts", minutes=1e-9)
    parts = learn(DeltaDiffRecipe(), "parts", resume=True)
    assert {"discriminator", "discriminator_optimizer"} <= parts.state.keys()
    assert_same(parts.state, whole.state)


def test_a_discriminator_that_does_not_contribute_is_told_once(
    learn: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adversarial_learner, "_CLUELESS", 0.9)
    recipe = RrdbRecipe(
        **{**SHORT, "images": 40}, blocks=1, width=4, adversarial=0.1, discriminator_width=4, save_every=10
    )
    learn(recipe, display=recorder)
    assert recorder.images == [10, 20, 30, 40]
    (warning,) = [note for note in recorder.notes if note.startswith("note: the discriminator")]
    assert "does not separate results from real pictures" in warning


def test_an_autoencoder(learn: Any):
    pytest.importorskip("diffusers")
    run = learn(_short("vq-f4-small", **TINY_VQ))
    assert _last(run.folder, "train")["terms"].keys() == {"l1", "codebook", "commitment"}
    model = _upscales(run.folder)
    assert isinstance(model, Autoencoder)


def test_an_autoencoder_against_a_discriminator(learn: Any, loss_networks: Path):
    pytest.importorskip("diffusers")
    run = learn(_short("vq-f4", **TINY_VQ, discriminator_width=4), networks=loss_networks)
    terms = {"l1", "lpips", "codebook", "commitment", "adversarial"}
    assert _last(run.folder, "train")["terms"].keys() == terms
    _upscales(run.folder)


def _autoencoder_weights(model: Model) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if name.startswith("autoencoder.")}


def test_a_first_stage_of_one_s_own_stays_as_it_is_and_is_not_asked_for_twice(
    learn: Any, tiny_denoiser: dict[str, object], assert_same: Any
):
    pytest.importorskip("diffusers")
    first = learn(AutoencoderRecipe(**SHORT, **TINY_VQ), "vq").folder / "model.safetensors"
    recipe = ResShiftRecipe(**SHORT, first_stage="vq", unroll="teacher-forced", optimizer="muon")
    whole = learn(recipe, "whole", first_stage=first)
    learn(recipe, "parts", first_stage=first, minutes=1e-9)
    first_weights = _autoencoder_weights(checkpoint.load(first))
    first.unlink()
    parts = learn(DeltaDiffRecipe(), "parts", resume=True)
    assert_same(parts.state, whole.state)
    model = _upscales(parts.folder)
    assert isinstance(model, ResShift)
    assert_same(_autoencoder_weights(model), first_weights)
    state = whole.state["model"]
    assert all(torch.equal(state[name], value) for name, value in first_weights.items())


def test_held_out_pictures_are_named_and_never_trained_on(learn: Any):
    run = learn(RrdbRecipe(**SHORT, blocks=1, width=4, test_pictures=1))
    names = [name for name, *_ in json.loads((run.folder / "pictures.json").read_text())]
    kept = json.loads((run.folder / "held-out.json").read_text())
    assert [len(kept[kind]) for kind in ("validation", "test")] == [1, 1]
    assert not set(kept["validation"]) & set(kept["test"])
    assert set(kept["validation"] + kept["test"]) < set(names)


def test_pictures_may_be_shrunk_and_degraded_whatever_the_workers(learn: Any, assert_same: Any):
    recipe = RrdbRecipe(**{**SHORT, "crop": 4}, blocks=1, width=4, shrink=2, degradation="realesrgan")
    alone = learn(recipe, "alone")
    sizes = {name: (height, width) for name, height, width in json.loads((alone.folder / "pictures.json").read_text())}
    assert sizes["a.png"] == (24, 32)
    assert_same(alone.state, learn(replace(recipe, workers=2), "shared").state)
    bicubic = learn(replace(recipe, degradation="bicubic"), "bicubic").state["model"]
    assert not torch.equal(bicubic["conv_first.weight"], alone.state["model"]["conv_first.weight"])
