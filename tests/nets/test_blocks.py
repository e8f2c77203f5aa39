"""The blocks: shapes, near-identity, modulation, how far each sees, and the merged kernel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from deltasr.nets.blocks import BLOCKS, Block, BranchedConvolution, ReparameterisedBlock, ResidualBlock

WIDTH = 6

every_block = pytest.mark.parametrize("name", BLOCKS)


def new(name: str) -> Block:
    torch.manual_seed(0)
    return BLOCKS[name](WIDTH).double()


def trained(name: str) -> Block:
    """The block with every weight at random."""
    block = new(name)
    with torch.no_grad():
        for weight in block.parameters():
            weight.copy_(0.3 * torch.randn_like(weight))
    return block


def features(side: int = 7, batch: int = 2) -> Tensor:
    return torch.randn(batch, WIDTH, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def modulation(batch: int = 2) -> Tensor:
    return torch.randn(batch, 2 * WIDTH, 1, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@every_block
def test_a_new_block_is_near_the_identity(name: str):
    x = features()
    with torch.no_grad():
        y = new(name)(x)
    assert y.shape == x.shape
    assert 0 < float((y - x).square().mean().sqrt()) < 0.15 * float(x.square().mean().sqrt())


@pytest.mark.parametrize(("name", "learns"), [("residual", False), ("leaky", True)])
def test_only_a_leaky_block_learns_where_it_is_silent(name: str, learns: bool):
    block = trained(name)
    assert isinstance(block, ResidualBlock)
    with torch.no_grad():
        block.conv1.bias.fill_(-100.0)  # type: ignore[union-attr]
    block(features()).square().sum().backward()
    assert bool(block.conv1.weight.grad.any()) is learns  # type: ignore[union-attr]


@every_block
def test_without_modulation_it_is_the_block_at_zero_modulation(name: str):
    block, x = trained(name), features()
    with torch.no_grad():
        torch.testing.assert_close(block(x), block(x, torch.zeros_like(modulation())), atol=1e-12, rtol=0)


@every_block
def test_the_modulation_scales_and_shifts(name: str):
    block, x = trained(name), features()
    with torch.no_grad():
        plain = block(x)
        for half in range(2):
            moved = torch.zeros_like(modulation())
            moved[:, half * WIDTH : (half + 1) * WIDTH] = 0.5
            assert float((block(x, moved) - plain).abs().max()) > 1e-3


@every_block
def test_each_picture_has_its_own_modulation(name: str):
    block, x, given = trained(name), features(), modulation()
    with torch.no_grad():
        together = block(x, given)
        for index in range(2):
            one = slice(index, index + 1)
            torch.testing.assert_close(together[one], block(x[one], given[one]), atol=1e-12, rtol=0)
        torch.testing.assert_close(block(x, given[:1])[1:], block(x[1:], given[:1]), atol=1e-12, rtol=0)


@every_block
def test_every_weight_learns_from_the_first_step(name: str):
    block = new(name)
    block(features(), modulation()).square().sum().backward()
    for key, weight in block.named_parameters():
        assert weight.grad is not None, key
        assert float(weight.grad.abs().max()) > 0, key


@every_block
def test_the_reach_is_exact(name: str):
    block, side = trained(name), 15
    before = features(side, batch=1)
    after = before.clone()
    after[..., side // 2, side // 2] += torch.arange(1.0, WIDTH + 1)
    with torch.no_grad():
        places = (block(before) != block(after)).any(dim=(0, 1)).nonzero()
    assert int((places - side // 2).abs().max()) == block.reach


def branches(convolution: BranchedConvolution, x: Tensor) -> Tensor:
    """What the merged kernel stands for: every branch by itself, summed."""
    total = convolution.free(x)
    for mixture, scale, pattern in zip(convolution.mixtures, convolution.scales, convolution.patterns, strict=True):
        mixed = nn.functional.conv2d(x, mixture)
        edges = nn.functional.conv2d(mixed, pattern.expand(WIDTH, 1, 3, 3), padding=1, groups=WIDTH)
        total = total + edges * scale[:, None, None]
    return total


def test_the_merged_kernel_is_the_sum_of_its_branches():
    block = trained("reparameterised")
    assert isinstance(block, ReparameterisedBlock)
    x = features()
    with torch.no_grad():
        torch.testing.assert_close(block.conv1(x), branches(block.conv1, x), atol=1e-12, rtol=0)


def test_fixed_patterns_are_no_weights():
    names = {name for name, _ in new("reparameterised").named_parameters()}
    assert not any("patterns" in name for name in names | set(new("reparameterised").state_dict()))


def test_a_merged_block_costs_what_a_residual_block_costs():
    def flops(block: nn.Module) -> int:
        with FlopCounterMode(display=False) as counter:
            block(torch.zeros(1, WIDTH, 8, 8)).sum().backward()
        return counter.get_total_flops()

    assert flops(ReparameterisedBlock(WIDTH)) == flops(ResidualBlock(WIDTH))


def test_a_residual_block_keeps_the_names_of_its_weights():
    assert set(ResidualBlock(WIDTH).state_dict()) == {
        f"conv{number}.{part}" for number in (1, 2) for part in ("weight", "bias")
    }
