"""Our convolution stacks beside torchvision's own, and weights from torchvision itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from deltasr.nets.classifier_layers import ClassifierName, layer_names
from deltasr.nets.classifiers import STACKS
from deltasr.training.losses.perceptual import PerceptualLoss

IN_TORCHVISION: dict[ClassifierName, str] = {"vgg19": "vgg19", "alex": "alexnet", "squeeze": "squeezenet1_1"}
networks = pytest.mark.parametrize("network", list(IN_TORCHVISION))
Made = Callable[[ClassifierName], nn.Module]


@pytest.fixture(scope="module")
def theirs() -> Made:
    """One of torchvision's networks with random weights, and a classifier of a single class to spare memory."""

    def made(network: ClassifierName) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            whole = torchvision.models.get_model(IN_TORCHVISION[network], weights=None, num_classes=1)
        return whole.features.eval()

    return made


@networks
def test_stacks_are_torchvision_s(network: ClassifierName, theirs: Made):
    """Layer by layer, in kind, in shape and in what comes out; theirs may have a last pooling more."""
    features, ours = theirs(network), STACKS[network]()
    ours.load_state_dict(features.state_dict())
    x = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for layer, expected in zip(ours, features, strict=False):
            assert type(layer).__name__ == type(expected).__name__
            result = layer(x)
            assert torch.equal(result, expected(x.clone()))
            x = result
    assert [type(layer).__name__ for layer in features[len(ours) :]] in ([], ["MaxPool2d"])


@networks
def test_torchvision_s_own_weights(network: ClassifierName, theirs: Made, monkeypatch: pytest.MonkeyPatch):
    """As they would be downloaded, but for the download."""
    state = theirs(network).state_dict(prefix="features.")
    asked: list[str] = []

    def downloaded(url: str, **options: object) -> dict[str, torch.Tensor]:
        asked.append(url)
        assert options["weights_only"]
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", downloaded)
    loss = PerceptualLoss.from_source(None, network=network, layer=layer_names(network)[1], activation="before")
    assert all(torch.equal(value, state[f"features.{name}"]) for name, value in loss.features.state_dict().items())
    assert Path(asked[0]).name.startswith(IN_TORCHVISION[network])
