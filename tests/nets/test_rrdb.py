"""The RRDB generator: its published names and sizes, its formula, and how far it sees."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deltasr.nets.rrdb import GROWTH, DenseBlock, ResidualInResidualDenseBlock, RrdbNet

CONVOLUTION = (
    r"(conv_first|body\.\d+\.rdb[1-3]\.conv[1-5]|conv_body|conv_up1|conv_up2|conv_hr|conv_last)\.(weight|bias)"
)


def net(*, blocks: int = 1, width: int = 4) -> RrdbNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RrdbNet(blocks=blocks, width=width).double()


def picture(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("blocks", [2, 10, 15, 23])
def test_names_and_shapes_are_esrgan_s(blocks: int):
    with torch.device("meta"):
        state = RrdbNet(blocks=blocks, width=64).state_dict()
    assert all(re.fullmatch(CONVOLUTION, name) for name in state)
    assert len(state) == 2 * (15 * blocks + 6)
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    assert shapes["conv_first.weight"] == (64, 3, 3, 3)
    assert shapes[f"body.{blocks - 1}.rdb3.conv5.weight"] == (64, 64 + 4 * GROWTH, 3, 3)
    assert shapes["body.0.rdb1.conv2.weight"] == (32, 96, 3, 3)
    assert shapes["conv_last.bias"] == (3,)


def test_the_network_of_23_blocks_has_the_published_number_of_weights():
    with torch.device("meta"):
        weights = RrdbNet(blocks=23, width=64).parameters()
    assert sum(weight.numel() for weight in weights) == 16_697_987


def test_a_dense_block_is_its_formula():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = DenseBlock(4).double()
    x = picture(2, 4, 5, 6)
    c1 = F.leaky_relu(block.conv1(x), 0.2)
    c2 = F.leaky_relu(block.conv2(torch.cat([x, c1], 1)), 0.2)
    c3 = F.leaky_relu(block.conv3(torch.cat([x, c1, c2], 1)), 0.2)
    c4 = F.leaky_relu(block.conv4(torch.cat([x, c1, c2, c3], 1)), 0.2)
    expected = x + 0.2 * block.conv5(torch.cat([x, c1, c2, c3, c4], 1))
    torch.testing.assert_close(block(x), expected, atol=1e-12, rtol=0)
    assert not torch.equal(expected, x)


def test_three_dense_blocks_are_added_by_a_fifth():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = ResidualInResidualDenseBlock(4).double()
    x = picture(1, 4, 5, 6)
    torch.testing.assert_close(block(x), x + 0.2 * block.rdb3(block.rdb2(block.rdb1(x))), atol=1e-12, rtol=0)


def test_the_trunk_is_skipped_and_the_result_is_four_times_as_large():
    network = net()
    lr = picture(2, 3, 5, 7)
    assert network(lr).shape == (2, 3, 20, 28)
    nn.init.zeros_(network.conv_body.weight)
    nn.init.zeros_(network.conv_body.bias)
    x = network.conv_first(lr)
    for conv in (network.conv_up1, network.conv_up2):
        doubled = x.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
        x = F.leaky_relu(conv(doubled), 0.2)
    expected = network.conv_last(F.leaky_relu(network.conv_hr(x), 0.2))
    torch.testing.assert_close(network(lr), expected, atol=1e-12, rtol=0)


def test_every_weight_takes_part_from_the_first_step():
    network = net()
    network(picture(1, 3, 6, 6)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_reach_is_exact(blocks: int):
    """With positive weights nothing cancels: the gradient is above zero wherever a result pixel sees, else zero."""
    network = net(blocks=blocks, width=1)
    for weight in network.parameters():
        weight.data = weight.data.abs() + 0.01
    centre = network.reach + 3
    lr = picture(1, 3, 2 * centre + 1, 2 * centre + 1).requires_grad_()
    network(lr)[..., 4 * centre : 4 * centre + 4, 4 * centre : 4 * centre + 4].sum().backward()
    assert lr.grad is not None
    places = lr.grad[0].sum(dim=0).nonzero() - centre
    assert int(places.min()) == -network.reach
    assert int(places.max()) == network.reach
