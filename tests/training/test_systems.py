"""From recipes to models and objectives, and where weights come from."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from deltasr.errors import CheckpointError, SettingError, TrainingError
from deltasr.models import checkpoint
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.catalogue import bundled_file
from deltasr.models.configs import ARCHITECTURES, RrdbConfig
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb
from deltasr.training.losses.chain import ChainObjective
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.objective import Objective
from deltasr.training.losses.picture import AutoencoderObjective, OnePassObjective
from deltasr.training.recipes.base import Recipe, with_options
from deltasr.training.recipes.chain import DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.recipes.picture import AutoencoderRecipe, PictureRecipe, RrdbRecipe
from deltasr.training.recipes.presets import RECIPES
from deltasr.training.recipes.types import RECIPE_KINDS
from deltasr.training.systems import build_model, build_objective, needs_first_stage


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])


def test_the_seed_decides_the_weights(recipe: Recipe):
    one, same = (_weights(build_model(recipe)) for _ in range(2))
    other = _weights(build_model(msgspec.structs.replace(recipe, seed=1)))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_model_has_the_recipe_s_schedule():
    recipe = DeltaDiffRecipe(steps=3, p=0.5, eta_1=0.02, eta_T=0.9, scale=2)
    assert build_model(recipe).arguments() == {
        "size": "tiny",
        "scale": 2,
        "steps": 3,
        "p": 0.5,
        "eta_1": 0.02,
        "eta_T": 0.9,
        "dial": False,
        "default_fidelity": 1.0,
        "restoring": False,
        "consistent": True,
        "block": "residual",
        "shared": True,
        "features": "once",
    }


def test_a_run_can_start_from_the_weights_of_a_checkpoint(recipe: Recipe, tmp_path: Path):
    torch.manual_seed(9)
    before = DeltaDiff(size="tiny", steps=2)
    checkpoint.save(before, tmp_path / "before.safetensors")
    model = build_model(recipe, initial=tmp_path / "before.safetensors")
    assert model.schedule.steps == 4
    assert torch.equal(_weights(model), _weights(before))


def test_a_run_with_a_dial_can_start_from_weights_without_one(recipe: DeltaDiffRecipe, tmp_path: Path):
    torch.manual_seed(9)
    before = DeltaDiff()
    with torch.no_grad():
        before.net.tail.weight.normal_(0, 0.01)
    checkpoint.save(before, tmp_path / "before.safetensors")
    recipe = msgspec.structs.replace(recipe, dial=True, lpips=0.1, default_fidelity=0.3, degradation="realesrgan")
    model = build_model(recipe, initial=tmp_path / "before.safetensors")
    assert model.default_fidelity == 0.3
    assert not model.consistent
    lr = torch.rand(1, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(model(lr, fidelity=0.0), before(lr))


@pytest.mark.parametrize("name", ["rrdb-x4", "run", "run/model.safetensors"])
def test_weights_to_start_from_have_a_name_a_run_s_folder_or_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    trained = checkpoint.load(bundled_file("rrdb-x4", ".safetensors"))
    checkpoint.save(trained, "run/model.safetensors")
    for initial in (name, Path(name)):
        model = build_model(RrdbRecipe(), initial=initial)
        assert all(torch.equal(value, trained.state_dict()[key]) for key, value in model.state_dict().items())


def test_what_weights_can_start_from_is_told(recipe: Recipe, tmp_path: Path):
    (tmp_path / "run").mkdir()
    for initial in ("deltadiff-x5", tmp_path / "absent.safetensors", tmp_path / "run"):
        with pytest.raises(CheckpointError, match=r"no checkpoint at .*; start from a .* one of deltadiff-x4, "):
            build_model(recipe, initial=initial)


def test_weights_of_another_network_are_refused(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint.save(DeltaDiff(size="tiny", scale=2), tmp_path / "x2.safetensors")
    with pytest.raises(TrainingError, match=r"x2, tiny.*not the network that the recipe trains"):
        build_model(recipe, initial=tmp_path / "x2.safetensors")
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        build_model(recipe, initial=tmp_path / "absent.safetensors")
    monkeypatch.setattr(checkpoint, "load", lambda path: Interpolation(method="bicubic"))
    with pytest.raises(TrainingError, match="not the network"):
        build_model(recipe, initial=tmp_path / "x2.safetensors")


TINY_AUTOENCODER: dict[str, Any] = {"widths": (32, 32, 32), "blocks": 1, "codes": 16}


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not needs_first_stage(recipe)])
def test_every_recipe_builds_its_model(name: str):
    recipe = RECIPES[name]
    if isinstance(recipe, AutoencoderRecipe):
        pytest.importorskip("diffusers")
        with torch.device("meta"):
            model = build_model(recipe)
        assert model.net_arguments()["autoencoder"]["codes"] == recipe.codes
        assert list(model.net_arguments()["autoencoder"]["widths"]) == list(recipe.widths)
    else:
        with torch.device("meta") if name.endswith("base-x4") else nullcontext():
            model = build_model(recipe)
    expected = {"deltadiff": DeltaDiff, "resshift": ResShift, "rrdb": Rrdb, "vq": Autoencoder}
    assert type(model) is expected[msgspec.to_builtins(recipe)["system"]]
    if isinstance(model, Rrdb):
        assert (model.config.blocks, model.config.width) == (recipe.blocks, recipe.width)
    if isinstance(model, DeltaDiff | ResShift):
        assert (model.schedule.steps, model.schedule.kappa) == (recipe.steps, getattr(recipe, "kappa", 0))
        assert model.schedule.eta[1] == pytest.approx(recipe.eta_1)
        assert model.schedule.eta[-1] == pytest.approx(recipe.eta_T)


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if needs_first_stage(recipe)])
def test_recipes_in_an_autoencoder_s_codes_ask_for_it(name: str):
    with pytest.raises(TrainingError, match="give one by --first-stage FILE"):
        build_model(RECIPES[name])


@pytest.mark.parametrize(
    ("recipe", "objective"),
    [
        (DeltaDiffRecipe(), ChainObjective),
        (ResShiftRecipe(), ChainObjective),
        (RrdbRecipe(width=8), OnePassObjective),
        (AutoencoderRecipe(**TINY_AUTOENCODER), AutoencoderObjective),
    ],
)
def test_every_system_has_its_objective(
    recipe: Recipe, objective: type[Objective], tiny_denoiser: dict[str, object], no_loss_networks: LossNetworks
):
    if isinstance(recipe, AutoencoderRecipe):
        pytest.importorskip("diffusers")
    model = build_model(recipe)
    built = build_objective(model, recipe, no_loss_networks)
    assert type(built) is objective
    assert built.model is model


def _in_codes(**changes: Any) -> ResShiftRecipe:
    return ResShiftRecipe(**{"crop": 8, "first_stage": "vq", **changes})


@pytest.fixture
def autoencoder(tmp_path: Path) -> Path:
    pytest.importorskip("diffusers")
    torch.manual_seed(3)
    path = tmp_path / "vq.safetensors"
    checkpoint.save(Autoencoder(autoencoder=TINY_AUTOENCODER), path)
    return path


def test_a_first_stage_comes_from_an_autoencoder_or_from_a_model_that_has_one(
    autoencoder: Path, tiny_denoiser: dict[str, object], tmp_path: Path
):
    model = build_model(_in_codes(), first_stage=autoencoder)
    assert isinstance(model, ResShift)
    expected = checkpoint.load(autoencoder).state_dict()
    found = {name: value for name, value in model.state_dict().items() if name.startswith("autoencoder.")}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert model.denoiser.input_blocks[0][0].weight.shape[1] == 6, "a code and the picture"

    checkpoint.save(model, tmp_path / "resshift.safetensors")
    other = build_model(_in_codes(seed=1, steps=3), first_stage=tmp_path / "resshift.safetensors")
    assert isinstance(other, ResShift)
    assert torch.equal(_weights(other.autoencoder), _weights(model.autoencoder))
    assert not torch.equal(_weights(other.denoiser), _weights(model.denoiser))
    for built in (model, other):
        assert not any(weight.requires_grad for weight in built.autoencoder.parameters())
        assert all(weight.requires_grad for weight in built.denoiser.parameters())


def test_weights_to_start_from_bring_their_autoencoder(
    autoencoder: Path, tiny_denoiser: dict[str, object], tmp_path: Path
):
    before = build_model(_in_codes(), first_stage=autoencoder)
    checkpoint.save(before, tmp_path / "before.safetensors")
    model = build_model(_in_codes(seed=1), initial=tmp_path / "before.safetensors")
    assert torch.equal(_weights(model), _weights(before))
    with pytest.raises(SettingError, match="leave --first-stage out"):
        build_model(_in_codes(), initial=tmp_path / "before.safetensors", first_stage=autoencoder)


def test_first_stages_that_do_not_fit_are_refused(autoencoder: Path, tiny_denoiser: dict[str, object], tmp_path: Path):
    checkpoint.save(DeltaDiff(size="tiny"), tmp_path / "deltadiff.safetensors")
    checkpoint.save(build_model(ResShiftRecipe()), tmp_path / "unshuffle.safetensors")
    for name in ("deltadiff", "unshuffle"):
        with pytest.raises(TrainingError, match=rf"{name}\.safetensors holds .*, and no autoencoder"):
            build_model(_in_codes(), first_stage=tmp_path / f"{name}.safetensors")
    checkpoint.save(Autoencoder(autoencoder={**TINY_AUTOENCODER, "widths": (32, 32)}), tmp_path / "f2.safetensors")
    with pytest.raises(TrainingError, match="holds an autoencoder for x2, and the recipe is for x4"):
        build_model(_in_codes(), first_stage=tmp_path / "f2.safetensors")
    for recipe in (DeltaDiffRecipe(), ResShiftRecipe(), RrdbRecipe()):
        with pytest.raises(SettingError, match="--first-stage is for recipes whose first_stage is 'vq'"):
            build_model(recipe, first_stage=autoencoder)


def test_crops_have_to_fit_the_network(tiny_denoiser: dict[str, object]):
    with pytest.raises(SettingError, match="crop is 10; the recipe's network needs a multiple of 4"):
        build_model(ResShiftRecipe(crop=10))


def test_a_one_pass_network_of_another_scale_is_told():
    kind = with_options(PictureRecipe, RrdbConfig, tag="rrdb")
    with pytest.raises(SettingError, match="scale is 2; rrdb-2-x4 is for 4"):
        build_model(kind(scale=2))


@pytest.mark.parametrize("kind", RECIPE_KINDS.values())
def test_every_kind_of_recipe_is_of_an_architecture(kind: type[Recipe]):
    assert RECIPE_KINDS.keys() == ARCHITECTURES.keys()
    assert RECIPE_KINDS[str(kind.__struct_config__.tag)] is kind
