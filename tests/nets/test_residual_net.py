"""The default denoiser: zero at first, bounded sight, and a sense of time that training can use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from deltasr.nets.residual_net import ResidualBlock, ResidualNet, TimeEmbedding


def net(*, trained: bool = True) -> ResidualNet:
    torch.manual_seed(0)
    result = ResidualNet(width=8, encoder_blocks=2, body_blocks=1, code_channels=12).double()
    if trained:
        with torch.no_grad():
            for weight in result.parameters():
                weight.copy_(0.3 * torch.randn_like(weight))
    return result


def inputs(height: int = 5, width: int = 6, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    lr = torch.rand(batch, 3, height, width, generator=generator, dtype=torch.float64)
    state = torch.rand(batch, 12, height, width, generator=generator, dtype=torch.float64)
    return lr, state, torch.tensor([0.3], dtype=torch.float64)


def test_a_new_network_corrects_nothing():
    lr, state, eta = inputs()
    untrained = net(trained=False)
    correction = untrained(state, untrained.encode(lr), eta)
    assert correction.shape == state.shape
    assert torch.equal(correction, torch.zeros_like(state))


def test_a_new_network_learns_from_its_first_step():
    lr, state, eta = inputs()
    untrained = net(trained=False)
    untrained(state, untrained.encode(lr), eta).sum().backward()
    gradient = untrained.tail.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0


def test_every_weight_takes_part():
    lr, state, eta = inputs()
    trained = net()
    trained(state, trained.encode(lr), eta).square().sum().backward()
    for name, weight in trained.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name


def test_time_changes_the_correction():
    lr, state, _ = inputs()
    trained = net()
    features = trained.encode(lr)
    early, late = (trained(state, features, torch.tensor([eta], dtype=torch.float64)) for eta in (0.01, 0.99))
    assert not torch.allclose(early, late)


def test_each_picture_of_a_batch_has_its_own_time():
    lr, state, _ = inputs()
    trained = net()
    features = trained.encode(lr)
    etas = torch.tensor([0.1, 0.6], dtype=torch.float64)
    together = trained(state, features, etas)
    for index in range(2):
        one = slice(index, index + 1)
        torch.testing.assert_close(together[one], trained(state[one], features[one], etas[one]), atol=1e-12, rtol=0)


def test_the_time_embedding_tells_all_published_steps_apart():
    embedding = TimeEmbedding(width=4, blocks=3)
    with torch.no_grad():
        embedding.out.weight.normal_(generator=torch.Generator().manual_seed(0))
    etas = torch.tensor([0.0004, 0.01, 0.2725, 0.5849, 0.99, 1.0])
    with torch.no_grad():
        modulations = embedding(etas)
    assert len(modulations) == 3
    assert all(modulation.shape == (6, 8, 1, 1) for modulation in modulations)
    distances = torch.cdist(modulations[0].flatten(1), modulations[0].flatten(1))
    assert float(distances[~torch.eye(6, dtype=torch.bool)].min()) > 0.01


def test_without_modulation_a_block_is_the_block_at_zero_modulation():
    block = ResidualBlock(4)
    x = torch.rand(1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x), block(x, torch.zeros(1, 8, 1, 1)), atol=1e-7, rtol=0)


def changed_within(before: Tensor, after: Tensor, centre: int) -> int:
    """The largest distance from the centre, in rows or columns, at which anything changed."""
    places = (before != after).any(dim=(0, 1) if before.ndim == 4 else 0).nonzero()
    return int((places - centre).abs().max())


@pytest.mark.parametrize("of", ["encoder", "body through the state", "body through the features"])
def test_reaches_are_exact(of: str):
    trained = net()
    side, centre = 31, 15
    lr, state, eta = inputs(side, side, batch=1)
    features = trained.encode(lr)
    changed = {"encoder": lr, "body through the state": state, "body through the features": features}[of].clone()
    changed[..., centre, centre] += 1.0
    if of == "encoder":
        before, after, reach = features, trained.encode(changed), trained.encoder_reach
    elif of == "body through the state":
        before, after = trained(state, features, eta), trained(changed, features, eta)
        reach = trained.body_reach
    else:
        before, after = trained(state, features, eta), trained(state, changed, eta)
        reach = trained.body_reach
    assert changed_within(before, after, centre) == reach
