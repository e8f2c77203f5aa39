"""The default denoiser: zero at first, bounded sight, and a sense of time that training can use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from deltasr.nets.residual_net import ResidualNet


def net(*, trained: bool = True, dial: bool = False) -> ResidualNet:
    torch.manual_seed(0)
    result = ResidualNet(width=8, encoder_blocks=2, body_blocks=1, code_channels=12, dials=dial).double()
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


@pytest.mark.parametrize("dial", [False, True])
def test_every_weight_takes_part(dial: bool):
    lr, state, eta = inputs()
    trained = net(dial=dial)
    fidelity = torch.tensor([0.3], dtype=torch.float64) if dial else None
    trained(state, trained.encode(lr, fidelity), eta, fidelity).square().sum().backward()
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


def test_all_published_steps_are_told_apart():
    lr, state, _ = inputs(batch=1)
    trained = net()
    features = trained.encode(lr)
    etas = torch.tensor([0.0004, 0.01, 0.2725, 0.5849, 0.99, 1.0], dtype=torch.float64)
    corrections = trained(state.expand(6, -1, -1, -1), features.expand(6, -1, -1, -1), etas).detach().flatten(1)
    distances = torch.cdist(corrections, corrections) / corrections.norm(dim=1).mean()
    assert float(distances[~torch.eye(6, dtype=torch.bool)].min()) > 1e-3


def test_each_picture_of_a_batch_has_its_own_fidelity():
    lr, state, eta = inputs()
    trained = net(dial=True)
    wanted = torch.tensor([0.0, 0.8], dtype=torch.float64)
    features = trained.encode(lr, wanted)
    together = trained(state, features, eta, wanted)
    for index in range(2):
        one = slice(index, index + 1)
        alone = trained.encode(lr[one], wanted[one])
        torch.testing.assert_close(features[one], alone, atol=1e-10, rtol=0)
        torch.testing.assert_close(together[one], trained(state[one], alone, eta, wanted[one]), atol=1e-10, rtol=0)
    assert not torch.allclose(trained.encode(lr[:1], wanted[:1]), trained.encode(lr[:1], wanted[1:]))


def test_a_network_given_a_dial_is_the_same_function_at_all_its_positions():
    lr, state, eta = inputs()
    without, given = net(), net(trained=False, dial=True)
    given.adopt(without.state_dict())
    for wanted in (torch.tensor([0.0], dtype=torch.float64), torch.tensor([0.3, 1.0], dtype=torch.float64)):
        correction = given(state, given.encode(lr, wanted), eta, wanted)
        torch.testing.assert_close(correction, without(state, without.encode(lr), eta), atol=1e-12, rtol=0)


def test_a_given_dial_learns_from_its_first_step():
    lr, state, eta = inputs()
    given = net(trained=False, dial=True)
    given.adopt(net().state_dict())
    wanted = torch.tensor([0.3], dtype=torch.float64)
    given(state, given.encode(lr, wanted), eta, wanted).square().sum().backward()
    for weight in (given.time.hidden.weight, given.fidelity.out.weight):
        assert float(weight.grad[:, -6:].abs().max()) > 0


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
