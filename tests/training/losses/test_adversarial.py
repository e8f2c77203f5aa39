"""Adversarial losses: their values by hand, where their gradients point, and that large logits do not break them."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from deltasr.training.losses.adversarial import AdversarialKind, discriminator_loss, generator_loss, probabilities

KINDS: tuple[AdversarialKind, ...] = get_args(AdversarialKind)
kinds = pytest.mark.parametrize("kind", KINDS)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def logits(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1)


REAL, FAKE = (2.0, -0.5), (-1.0, 0.5, 1.5)
REAL_MEAN, FAKE_MEAN = 0.75, 1 / 3


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_binary_cross_entropy_by_hand():
    loss = discriminator_loss(logits(*REAL), logits(*FAKE), "bce").item()
    assert loss == pytest.approx(-mean([log_sigmoid(r) for r in REAL]) - mean([log_sigmoid(-f) for f in FAKE]))
    loss = generator_loss(logits(*REAL), logits(*FAKE), "bce").item()
    assert loss == pytest.approx(-mean([log_sigmoid(f) for f in FAKE]))


def test_relativistic_average_by_hand():
    """ESRGAN's equations 1 and 2, written with log(1 - sigmoid(x)) = log sigmoid(-x)."""
    real = [r - FAKE_MEAN for r in REAL]
    fake = [f - REAL_MEAN for f in FAKE]
    loss = discriminator_loss(logits(*REAL), logits(*FAKE), "relativistic").item()
    assert loss == pytest.approx(-mean([log_sigmoid(r) for r in real]) - mean([log_sigmoid(-f) for f in fake]))
    loss = generator_loss(logits(*REAL), logits(*FAKE), "relativistic").item()
    assert loss == pytest.approx(-mean([log_sigmoid(-r) for r in real]) - mean([log_sigmoid(f) for f in fake]))


def test_probabilities_by_hand():
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    real, fake = probabilities(logits(*REAL), logits(*FAKE), "bce")
    assert real.item() == pytest.approx(mean([sigmoid(r) for r in REAL]))
    assert fake.item() == pytest.approx(mean([sigmoid(f) for f in FAKE]))
    real, fake = probabilities(logits(*REAL), logits(*FAKE), "relativistic")
    assert real.item() == pytest.approx(mean([sigmoid(r - FAKE_MEAN) for r in REAL]))
    assert fake.item() == pytest.approx(mean([sigmoid(f - REAL_MEAN) for f in FAKE]))


@kinds
def test_a_discriminator_that_knows_nothing(kind: AdversarialKind):
    same = torch.zeros(4, 1)
    assert discriminator_loss(same, same, kind).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(same, same, kind).item() == pytest.approx(math.log(2) * (1 if kind == "bce" else 2))
    assert [value.item() for value in probabilities(same, same, kind)] == [0.5, 0.5]


def test_relativistic_losses_depend_on_differences_only():
    for loss in (discriminator_loss, generator_loss):
        value = loss(logits(*REAL), logits(*FAKE), "relativistic")
        torch.testing.assert_close(loss(logits(*REAL) + 7, logits(*FAKE) + 7, "relativistic"), value)
        assert not torch.allclose(
            loss(logits(*REAL) + 7, logits(*FAKE) + 7, "bce"), loss(logits(*REAL), logits(*FAKE), "bce")
        )


@kinds
def test_the_discriminator_raises_real_and_lowers_fake(kind: AdversarialKind):
    real, fake = logits(*REAL).requires_grad_(), logits(*FAKE).requires_grad_()
    discriminator_loss(real, fake, kind).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()


@kinds
def test_the_generator_raises_fake_and_leaves_real_alone(kind: AdversarialKind):
    real, fake = logits(*REAL).requires_grad_(), logits(*FAKE).requires_grad_()
    generator_loss(real, fake, kind).backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()
    assert real.grad is None


def test_the_generator_learns_from_real_pictures_only_with_relativistic():
    fake = logits(*FAKE)
    assert torch.equal(generator_loss(logits(*REAL), fake, "bce"), generator_loss(logits(9.0), fake, "bce"))
    assert not torch.equal(
        generator_loss(logits(*REAL), fake, "relativistic"), generator_loss(logits(9.0), fake, "relativistic")
    )


def test_the_generator_s_gradient_does_not_fade_where_fakes_are_found_out():
    """Non-saturating: log(1 - D) would have a gradient of e^-30 here."""
    fake = torch.full((4, 1), -30.0, requires_grad=True)
    generator_loss(torch.zeros(4, 1), fake, "bce").backward()
    assert fake.grad is not None
    assert fake.grad.sum().item() == pytest.approx(-1)


@kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [200.0, 20_000.0])
def test_large_logits_give_finite_losses_and_gradients(kind: AdversarialKind, dtype: torch.dtype, size: float):
    for sign in (1, -1):
        real = torch.full((2, 1, 3, 3), sign * size, dtype=dtype, requires_grad=True)
        fake = torch.full((2, 1, 3, 3), -sign * size, dtype=dtype, requires_grad=True)
        losses = [discriminator_loss(real, fake, kind), generator_loss(real, fake, kind)]
        assert all(loss.dtype == torch.float32 and loss.isfinite() and loss >= 0 for loss in losses)
        (losses[0] + losses[1]).backward()
        for side in (real, fake):
            assert side.grad is not None
            assert side.grad.isfinite().all()
        assert all(0 <= value.item() <= 1 for value in probabilities(real, fake, kind))


@kinds
def test_maps_are_averaged_over_all_of_their_logits(kind: AdversarialKind):
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2, 1, 3, 4, generator=generator) for _ in range(2))
    for loss in (discriminator_loss, generator_loss):
        torch.testing.assert_close(loss(real, fake, kind), loss(real.view(-1, 1), fake.view(-1, 1), kind))


@kinds
def test_probabilities_carry_no_graph(kind: AdversarialKind):
    found = probabilities(logits(*REAL).requires_grad_(), logits(*FAKE).requires_grad_(), kind)
    assert not any(value.requires_grad for value in found)


@kinds
def test_equal_shares_change_nothing_and_pictures_without_any_are_as_if_absent(kind: AdversarialKind):
    real, fake = logits(*REAL), logits(*FAKE)
    equal, last_gone = torch.full((3,), 0.5, dtype=torch.float64), torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    for loss in (discriminator_loss, generator_loss):
        whole = 0.5 if loss is generator_loss else 1.0
        torch.testing.assert_close(loss(real, fake, kind, equal), whole * loss(real, fake, kind))
        part = 2 / 3 if loss is generator_loss else 1.0
        torch.testing.assert_close(loss(real, fake, kind, last_gone), part * loss(real, fake[:2], kind))
    torch.testing.assert_close(probabilities(real, fake, kind, last_gone), probabilities(real, fake[:2], kind))


@kinds
def test_a_batch_in_which_nothing_counts_gives_the_generator_nothing(kind: AdversarialKind):
    fake = logits(*FAKE).requires_grad_()
    loss = generator_loss(logits(*REAL), fake, kind, torch.zeros(3, dtype=torch.float64))
    assert loss.item() == 0
    loss.backward()
    assert fake.grad is not None
    assert not fake.grad.any()
    assert math.isfinite(discriminator_loss(logits(*REAL), fake, kind, torch.zeros(3, dtype=torch.float64)).item())
