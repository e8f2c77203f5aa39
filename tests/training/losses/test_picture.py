"""Losses of one-pass systems, term by term, and what each of them moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deltasr.models.autoencoder import Autoencoder
from deltasr.models.rrdb import Rrdb
from deltasr.nets.rrdb import RrdbNet
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.objective import RngStreams
from deltasr.training.losses.picture import AutoencoderObjective, OnePassObjective
from deltasr.training.recipes.picture import AutoencoderRecipe, RrdbRecipe

STREAMS = RngStreams(seed=0, position=0)


class _Features(nn.Module):
    """Stands for a perceptual loss: one number a batch."""

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return (sr.mean() - hr.mean()).abs() + 1


@pytest.fixture
def loss_networks(distance: nn.Module) -> LossNetworks:
    return LossNetworks(lpips=distance, perceptual=_Features())


@pytest.fixture
def rrdb() -> Rrdb:
    torch.manual_seed(0)
    return Rrdb(blocks=1, width=8)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 8, 8, generator=generator), torch.rand(2, 3, 32, 32, generator=generator)


def test_every_term_has_its_weight(
    rrdb: Rrdb, loss_networks: LossNetworks, distance: nn.Module, batch: tuple[Tensor, Tensor]
):
    lr, hr = batch
    recipe = RrdbRecipe(l1=0.5, l2=2.0, lpips=3.0, perceptual=0.25)
    objective = OnePassObjective(rrdb, recipe, loss_networks)
    loss = objective(lr, hr, STREAMS)
    picture = RrdbNet.forward(rrdb, lr)
    expected = [
        0.5 * (picture - hr).abs().mean(),
        2.0 * (picture - hr).square().mean(),
        3.0 * distance(picture, hr).mean(),
        0.25 * ((picture.mean() - hr.mean()).abs() + 1),
    ]
    assert objective.terms == ["l1", "l2", "lpips", "perceptual"]
    torch.testing.assert_close(loss.terms, torch.stack(expected))
    torch.testing.assert_close(loss.picture, picture)


def test_pixels_alone_are_compared_with_the_target(
    rrdb: Rrdb, loss_networks: LossNetworks, batch: tuple[Tensor, Tensor]
):
    lr, hr = batch
    objective = OnePassObjective(rrdb, RrdbRecipe(l1=0.5, l2=2.0, lpips=3.0, perceptual=0.25), loss_networks)
    mixed = objective(lr, hr, STREAMS, 1 - hr).terms
    torch.testing.assert_close(mixed[:2], objective(lr, 1 - hr, STREAMS).terms[:2])
    torch.testing.assert_close(mixed[2:], objective(lr, hr, STREAMS).terms[2:])


def test_what_has_no_weight_is_no_term(rrdb: Rrdb, no_loss_networks: LossNetworks, batch: tuple[Tensor, Tensor]):
    objective = OnePassObjective(rrdb, RrdbRecipe(l1=0.0, l2=1.0), no_loss_networks)
    assert objective.terms == ["l2"]
    assert objective(*batch, STREAMS).terms.shape == (1,)
    alone = OnePassObjective(rrdb, RrdbRecipe(l1=0.0, adversarial=1.0), no_loss_networks)
    assert alone.terms == []
    assert alone(*batch, STREAMS).terms.shape == (0,)


def test_values_out_of_range_have_gradients_too(
    rrdb: Rrdb, no_loss_networks: LossNetworks, batch: tuple[Tensor, Tensor]
):
    with torch.no_grad():
        rrdb.conv_last.bias.fill_(9.0)
    loss = OnePassObjective(rrdb, RrdbRecipe(), no_loss_networks)(*batch, STREAMS)
    assert loss.picture is not None
    assert loss.picture.min() > 1
    loss.terms.sum().backward()
    assert rrdb.conv_last.bias.grad.abs().min() > 0


def _recipe(**changes: Any) -> AutoencoderRecipe:
    return AutoencoderRecipe(**{"widths": (32, 32, 32), "blocks": 1, "codes": 16, **changes})


@pytest.fixture
def autoencoder() -> Autoencoder:
    pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = Autoencoder(autoencoder={"widths": [32, 32, 32], "blocks": 1, "codes": 16})
    nn.init.normal_(model.autoencoder.vq.quantize.embedding.weight)
    return model


def _moved(model: Autoencoder, loss: Tensor) -> set[str]:
    """Which parts of the network a loss has a gradient for."""
    named = dict(model.autoencoder.vq.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {
        name.split(".")[0]
        for name, gradient in zip(named, gradients, strict=True)
        if gradient is not None and gradient.abs().max() > 0
    }


ENCODER, DECODER, ENTRIES = {"encoder", "quant_conv"}, {"decoder", "post_quant_conv"}, {"quantize"}


def test_each_term_of_an_autoencoder_moves_its_part(
    autoencoder: Autoencoder, no_loss_networks: LossNetworks, batch: tuple[Tensor, Tensor]
):
    """Reconstruction goes straight through the quantisation to the encoder, and leaves the entries alone."""
    objective = AutoencoderObjective(autoencoder, _recipe(l2=1.0), no_loss_networks)
    assert objective.terms == ["l1", "l2", "codebook", "commitment"]
    terms = objective(*batch, STREAMS).terms
    assert _moved(autoencoder, terms[0]) == _moved(autoencoder, terms[1]) == ENCODER | DECODER
    assert _moved(autoencoder, terms[2]) == ENTRIES
    assert _moved(autoencoder, terms[3]) == ENCODER


def test_values_of_an_autoencoder_s_terms(
    autoencoder: Autoencoder, no_loss_networks: LossNetworks, batch: tuple[Tensor, Tensor]
):
    lr, hr = batch
    loss = AutoencoderObjective(autoencoder, _recipe(codebook=0.5, commitment=3.0), no_loss_networks)(lr, hr, STREAMS)
    code = autoencoder.autoencoder.vq.encode(2 * hr - 1).latents
    table = autoencoder.autoencoder.vq.quantize.embedding.weight
    flat = code.movedim(1, -1).reshape(-1, 3)
    nearest = table[torch.cdist(flat, table).argmin(dim=1)]
    distance = (flat - nearest).square().mean()
    picture = autoencoder(hr)
    torch.testing.assert_close(loss.picture.clamp(0, 1), picture, rtol=1e-4, atol=1e-5)
    reconstruction = (loss.picture - hr).abs().mean()
    torch.testing.assert_close(loss.terms, torch.stack([reconstruction, 0.5 * distance, 3.0 * distance]))


def test_the_straight_through_gradient_is_the_decoder_s_at_the_entries(
    autoencoder: Autoencoder, no_loss_networks: LossNetworks, batch: tuple[Tensor, Tensor]
):
    """What reaches the code is what reaches the entries that the decoder saw."""
    lr, hr = batch
    network = autoencoder.autoencoder
    bias = network.vq.quant_conv.bias
    loss = AutoencoderObjective(autoencoder, _recipe(), no_loss_networks)(lr, hr, STREAMS).terms[0]
    (found,) = torch.autograd.grad(loss, [bias])
    entries = network.quantise(network.encode(2 * hr - 1)).requires_grad_()
    picture = (network.decode(entries, quantise=False) + 1) / 2
    (expected,) = torch.autograd.grad((picture - hr).abs().mean(), [entries])
    torch.testing.assert_close(found, expected.sum(dim=(0, 2, 3)), rtol=1e-3, atol=1e-6)
