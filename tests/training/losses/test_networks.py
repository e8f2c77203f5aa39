"""The networks that losses look through: found, fixed, or asked for by the option that gives them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deltasr.errors import CheckpointError, SettingError, TrainingError
from deltasr.evaluation.lpips import Lpips
from deltasr.evaluation.lpips_source import LPIPS_VARIABLE
from deltasr.nets.classifiers import L2Pool2d
from deltasr.training.losses.networks import find_loss_networks
from deltasr.training.losses.perceptual import PerceptualLoss
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.chain import DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.recipes.picture import AutoencoderRecipe, RrdbRecipe

ALEX: dict[str, Any] = {"features": "alex", "feature_layer": "conv5"}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a variable nor a package gives weights."""
    monkeypatch.delenv(LPIPS_VARIABLE, raising=False)
    for package in ("lpips", "torchvision"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("recipe", [DeltaDiffRecipe(), ResShiftRecipe(), RrdbRecipe(), AutoencoderRecipe()])
def test_recipes_without_such_losses_need_none(recipe: Recipe, nowhere: None):
    assert find_loss_networks(recipe, None) == {"lpips": None, "perceptual": None}


@pytest.mark.parametrize("recipe", [DeltaDiffRecipe(lpips=0.1), RrdbRecipe(lpips=0.1)])
def test_missing_lpips_weights_name_the_option(recipe: Recipe, nowhere: None):
    words = (
        f"LPIPS-squeeze, whose weights are nowhere: give them by --networks FILE or {LPIPS_VARIABLE}, or set lpips to 0"
    )
    with pytest.raises(TrainingError, match=words):
        find_loss_networks(recipe, None)


def test_missing_features_name_the_option(nowhere: None):
    with pytest.raises(TrainingError, match=r"vgg19.* give vgg19-\*\.pth.*, by --networks, or set perceptual to 0\."):
        find_loss_networks(RrdbRecipe(perceptual=1.0), None)


def test_a_file_of_another_network_is_refused(shared: Path):
    with pytest.raises(CheckpointError, match="holds LPIPS-alex, not LPIPS-squeeze"):
        find_loss_networks(RrdbRecipe(lpips=1.0), shared / "models" / "lpips_alex_v0.1.pth")


def test_a_folder_gives_what_a_recipe_asks_for(shared: Path):
    recipe = RrdbRecipe(lpips=1.0, lpips_network="squeeze", perceptual=1.0, feature_activation="after", **ALEX)
    loss_networks = find_loss_networks(recipe, shared / "models")
    lpips, perceptual = loss_networks["lpips"], loss_networks["perceptual"]
    assert isinstance(lpips, Lpips)
    assert lpips.net == "squeeze"
    assert isinstance(perceptual, PerceptualLoss)
    assert perceptual.name == "alex conv5"
    assert not any(weight.requires_grad for network in (lpips, perceptual) for weight in network.parameters())
    sr = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (lpips(sr, sr.detach() * 0.5).mean() + perceptual(sr, sr.detach() * 0.5)).backward()
    assert sr.grad is not None
    assert sr.grad.abs().max() > 0


def test_the_variable_s_weights_serve_too(shared: Path, nowhere: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(LPIPS_VARIABLE, str(shared / "models"))
    lpips = find_loss_networks(DeltaDiffRecipe(lpips=0.1, lpips_network="alex"), None)["lpips"]
    assert isinstance(lpips, Lpips)
    assert lpips.net == "alex"


def test_poolings_are_replaced_if_the_recipe_says_so(shared: Path):
    recipes = DeltaDiffRecipe(lpips=0.1), DeltaDiffRecipe(lpips=0.1, lpips_pooling="l2")
    usual, smooth = (find_loss_networks(recipe, shared / "models")["lpips"] for recipe in recipes)
    assert isinstance(usual, Lpips)
    assert isinstance(smooth, Lpips)
    assert [isinstance(layer, nn.MaxPool2d) for layer in usual.features].count(True) == 3
    assert [isinstance(layer, L2Pool2d) for layer in smooth.features].count(True) == 3
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in smooth.modules())
    hr = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert smooth(hr, hr).item() == 0
    assert smooth(hr * 0.5, hr).item() > 0
    assert smooth(hr * 0.5, hr).item() != pytest.approx(usual(hr * 0.5, hr).item(), rel=1e-3)


def test_a_package_s_weights_are_fixed(nowhere: None, monkeypatch: pytest.MonkeyPatch):
    class Package(nn.Module):
        def __init__(self, **settings: object) -> None:
            super().__init__()
            self.head = nn.Conv2d(3, 1, kernel_size=1)

    monkeypatch.setitem(sys.modules, "lpips", type(sys)("lpips"))
    monkeypatch.setattr(sys.modules["lpips"], "LPIPS", Package, raising=False)
    lpips = find_loss_networks(DeltaDiffRecipe(lpips=0.1), None)["lpips"]
    assert lpips is not None
    assert not any(weight.requires_grad for weight in lpips.parameters())


@pytest.mark.parametrize("recipe", [DeltaDiffRecipe(scale=2, crop=4, lpips=0.1), RrdbRecipe(crop=4, lpips=1.0)])
def test_crops_too_small_for_a_network_are_refused_before_the_run_begins(recipe: Recipe, shared: Path):
    with pytest.raises(SettingError, match=r"crop is 4, whose HR crops of \d+x\d+ are too small .* 17x17 pixels"):
        find_loss_networks(recipe, shared / "models")
