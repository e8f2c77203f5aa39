"""Convolution stacks: torchvision's numbering and sizes, the names of layers, and the smallest pictures."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
import torch
from torch import nn

from deltasr.errors import SettingError
from deltasr.nets.classifier_layers import LAYERS, ClassifierName, layer_index, layer_names
from deltasr.nets.classifiers import STACKS, Fire, L2Pool2d, pool_by_l2, smallest_side

NETWORKS: tuple[ClassifierName, ...] = get_args(ClassifierName)
networks = pytest.mark.parametrize("network", NETWORKS)


def stack(network: ClassifierName, *, device: str = "cpu") -> nn.Sequential:
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        return STACKS[network]()


@pytest.mark.parametrize(
    ("network", "parameters", "layers"), [("vgg19", 20_024_384, 36), ("alex", 2_469_696, 12), ("squeeze", 722_496, 13)]
)
def test_sizes_are_torchvision_s(network: ClassifierName, parameters: int, layers: int):
    found = stack(network, device="meta")
    assert sum(weight.numel() for weight in found.parameters()) == parameters
    assert len(found) == layers


def test_vgg19_is_numbered_as_in_torchvision():
    """torchvision 0.28: `vgg19().features`, printed."""
    layers = stack("vgg19", device="meta")
    convolutions = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    assert [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)] == convolutions
    assert [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)] == [4, 9, 18, 27]
    assert all(isinstance(layers[index + 1], nn.ReLU) for index in convolutions)
    assert [layers[index].weight.shape[0] for index in (0, 5, 10, 19, 28, 34)] == [64, 128, 256, 512, 512, 512]


@pytest.mark.parametrize(
    ("network", "layer", "index"),
    [
        ("vgg19", "conv1_1", 0),
        ("vgg19", "conv1_2", 2),
        ("vgg19", "conv2_2", 7),
        ("vgg19", "conv3_4", 16),
        ("vgg19", "conv4_4", 25),
        ("vgg19", "conv5_1", 28),
        ("vgg19", "conv5_4", 34),
        ("alex", "conv1", 0),
        ("alex", "conv5", 10),
        ("squeeze", "conv1", 0),
        ("squeeze", "fire2", 3),
        ("squeeze", "fire9", 12),
    ],
)
def test_places_of_layers(network: ClassifierName, layer: str, index: int):
    assert layer_index(network, layer) == index


@networks
def test_every_convolution_and_fire_block_has_a_name_in_order(network: ClassifierName):
    layers = stack(network, device="meta")
    named = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d | Fire)]
    assert list(LAYERS[network].values()) == named
    assert layer_names(network) == tuple(LAYERS[network])


def test_names_are_the_papers():
    assert len(layer_names("vgg19")) == 16
    assert layer_names("vgg19")[-4:] == ("conv5_1", "conv5_2", "conv5_3", "conv5_4")
    assert layer_names("alex") == ("conv1", "conv2", "conv3", "conv4", "conv5")
    assert layer_names("squeeze") == ("conv1", *(f"fire{number}" for number in range(2, 10)))


def test_an_unknown_layer_is_told_with_those_there_are():
    with pytest.raises(SettingError, match=r"'alex' has no layer 'conv6'; its layers are conv1, conv2, .*conv5\.$"):
        layer_index("alex", "conv6")


def test_names_of_layers_load_no_torch():
    asked = "import sys, deltasr.nets.classifier_layers; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(("network", "side"), [("vgg19", 16), ("alex", 31), ("squeeze", 17)])
def test_the_smallest_side_is_exact_for_whole_stacks(network: ClassifierName, side: int):
    assert smallest_side(stack(network, device="meta")) == side


@pytest.mark.parametrize(
    ("network", "layer"), [(network, layer) for network in ("alex", "squeeze") for layer in LAYERS[network]]
)
def test_the_smallest_side_is_exact_up_to_every_layer(network: ClassifierName, layer: str):
    beginning = stack(network)[: layer_index(network, layer) + 1]
    side = smallest_side(beginning)
    assert min(beginning(torch.zeros(1, 3, side, side)).shape) > 0
    with pytest.raises(RuntimeError):
        beginning(torch.zeros(1, 3, side - 1, side - 1))


def test_a_fire_block_s_expansion_is_its_result_before_the_activation():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = Fire(8, 4, 6)
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(1))
    expanded = block.expand(x)
    assert expanded.shape == (2, 12, 5, 5)
    assert (expanded < 0).any()
    assert torch.equal(block(x), expanded.relu())


def test_pooling_by_l2_is_the_root_of_hann_s_mean_of_squares():
    x = torch.randn(2, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(3, 1, 3, 3)
    expected = nn.functional.conv2d(x.square(), kernel, stride=2, padding=1, groups=3).sqrt()
    torch.testing.assert_close(L2Pool2d()(x), expected, rtol=1e-5, atol=2e-4)
    assert expected.shape == (2, 3, 5, 6)


def test_the_slope_of_a_pooling_is_finite_where_all_is_0():
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    L2Pool2d()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@networks
def test_every_pooling_of_a_network_is_replaced(network: ClassifierName):
    layers = stack(network)
    count = sum(isinstance(layer, nn.MaxPool2d) for layer in layers.modules())
    pool_by_l2(layers)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in layers.modules())
    assert sum(isinstance(layer, L2Pool2d) for layer in layers.modules()) == count > 0
    with torch.no_grad():
        features = layers(torch.rand(1, 3, 64, 64))
    assert features.isfinite().all()
    assert features.abs().max() > 0
