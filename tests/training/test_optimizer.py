"""Muon, the split between it and AdamW, and the learning rate's course."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from msgspec.structs import asdict
from torch import nn

from deltasr.errors import SettingError
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.configs import DenoiserConfig
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.rrdb import Rrdb
from deltasr.nets.blocks import BLOCKS
from deltasr.nets.swin_unet import SwinUNet
from deltasr.training.optimizer import (
    Muon,
    inner_convolutions,
    learning_rate_factor,
    optimizers,
    orthogonalised,
    set_learning_rate,
)
from deltasr.training.recipes.chain import DeltaDiffRecipe


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 12, 40), (2, 40, 12)])
def test_orthogonalised_brings_singular_values_near_one(shape: tuple[int, ...]):
    matrices = torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 17
    before, after = torch.linalg.svdvals(matrices), torch.linalg.svdvals(orthogonalised(matrices))
    solid = before > 0.05 * before[..., :1]  # the quintic lifts what is tiny only so far
    assert solid.float().mean() > 0.8
    assert after.max() < 1.3
    assert after[solid].min() > 0.6


def test_orthogonalised_keeps_singular_vectors():
    matrix = torch.randn(1, 6, 9, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrix[0], full_matrices=False)
    inside = u.mT @ orthogonalised(matrix)[0] @ vh.mT
    assert (inside - torch.diag(inside.diag())).abs().max() < 1e-4


def test_orthogonalised_zero_stays_zero():
    assert orthogonalised(torch.zeros(2, 4, 5)).abs().max() == 0


def test_muon_decreases_a_quadratic():
    torch.manual_seed(0)
    target, weight = torch.randn(8, 4, 3, 3), nn.Parameter(torch.zeros(8, 4, 3, 3))
    optimizer = Muon([weight], lr=0.1)
    losses = []
    for _ in range(60):
        loss = (weight - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert losses[10] < losses[0]


def test_muon_is_torch_s_on_matrices(monkeypatch: pytest.MonkeyPatch):
    """With one orthogonalisation for both (torch's is the same iteration in bfloat16), the weights agree."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch.optim.Muon came with torch 2.9")
    torch.manual_seed(0)
    start, gradients = torch.randn(12, 20), torch.randn(5, 12, 20)

    def train(make: Any) -> torch.Tensor:
        weight = nn.Parameter(start.clone())
        optimizer = make([weight])
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        return weight.detach()

    def theirs(parameters: Any) -> Any:
        return torch.optim.Muon(parameters, lr=0.01, momentum=0.95, weight_decay=0, adjust_lr_fn="match_rms_adamw")

    ours = train(lambda parameters: Muon(parameters, lr=0.01))
    rough = train(theirs)
    assert (ours - rough).norm() < 0.02 * (ours - start).norm()
    monkeypatch.setattr(
        "torch.optim._muon._zeropower_via_newtonschulz", lambda update, *rest: orthogonalised(update[None])[0]
    )
    torch.testing.assert_close(ours, train(theirs))


def test_muon_treats_a_kernel_as_a_matrix_and_equal_shapes_alike():
    torch.manual_seed(0)
    starts = [torch.randn(6, 4, 3, 3) for _ in range(2)] + [torch.randn(5, 4, 3, 3)]
    gradients = [torch.randn_like(start) for start in starts]

    def after_a_step(chosen: list[int], flat: bool) -> list[torch.Tensor]:
        weights = [nn.Parameter(starts[n].flatten(1).clone() if flat else starts[n].clone()) for n in chosen]
        for weight, n in zip(weights, chosen, strict=True):
            weight.grad = gradients[n].reshape(weight.shape).clone()
        Muon(weights, lr=0.1).step()
        return [weight.detach().reshape(starts[n].shape) for weight, n in zip(weights, chosen, strict=True)]

    together = after_a_step([0, 1, 2], flat=False)
    alone = [after_a_step([n], flat=True)[0] for n in range(3)]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_weights_without_a_gradient_stay():
    weight = nn.Parameter(torch.ones(3, 3))
    Muon([weight], lr=1.0).step()
    assert torch.equal(weight.detach(), torch.ones(3, 3))


def _small_swin() -> SwinUNet:
    config = DenoiserConfig(
        in_channels=48, out_channels=48, model_channels=32, channel_mult=(1, 1), num_res_blocks=(1, 1),
        swin_embed_dim=32, num_head_channels=16, mlp_ratio=1,
    )  # fmt: skip
    return SwinUNet(**asdict(config))


_NETWORKS: dict[str, Callable[[], tuple[nn.Module, set[str]]]] = {
    **{
        f"deltadiff, {block}": lambda block=block: (DeltaDiff(block=block, dial=True), {"net.head", "net.tail"})
        for block in BLOCKS
    },
    "rrdb": lambda: (Rrdb(width=4), {"conv_first", "conv_last"}),
    "resshift": lambda: (_small_swin(), {"input_blocks.0.0", "out.2"}),
}
"""Each network, small, with the names of its first and last layers."""


def _split(model: nn.Module) -> tuple[set[str], set[str]]:
    """The names of the weights that Muon gets, and of those that AdamW gets."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    adamw, muon = optimizers(model, DeltaDiffRecipe(optimizer="muon"))
    by_muon, by_adamw = (
        [names[id(weight)] for group in optimizer.param_groups for weight in group["params"]]
        for optimizer in (muon, adamw)
    )
    assert sorted(by_muon + by_adamw) == sorted(names.values())
    return set(by_muon), set(by_adamw)


def _require_split(model: nn.Module, outer: set[str]) -> None:
    by_muon, by_adamw = _split(model)
    kernels = {name for name, weight in model.named_parameters() if weight.ndim == 4}
    assert {f"{name}.weight" for name in outer} <= kernels & by_adamw
    assert by_muon == kernels - {f"{name}.weight" for name in outer}


@pytest.mark.parametrize("name", _NETWORKS)
def test_adamw_gets_the_first_and_last_layers_and_muon_exactly_the_other_convolutions(name: str):
    _require_split(*_NETWORKS[name]())


def test_of_an_autoencoder_the_ends_of_both_parts_are_outer():
    pytest.importorskip("diffusers")
    outer = {f"autoencoder.vq.{part}.conv_{end}" for part in ("encoder", "decoder") for end in ("in", "out")}
    _require_split(Autoencoder(autoencoder={"widths": (32, 32), "blocks": 1, "codes": 16}), outer)


def test_what_is_frozen_has_no_optimizer():
    model = nn.Sequential(Rrdb(width=4), Rrdb(width=4).requires_grad_(False))
    assert {id(weight) for weight in inner_convolutions(model)} == {
        id(weight) for weight in inner_convolutions(model[0])
    }


def test_a_network_that_does_not_name_its_outer_layers_is_told():
    model = nn.Sequential(Rrdb(width=4), nn.Conv2d(3, 3, 1))
    with pytest.raises(SettingError, match=r"\(outer_layers\), and '1.weight' belongs to none; set optimizer to adamw"):
        optimizers(model, DeltaDiffRecipe(optimizer="muon"))
    assert len(optimizers(model, DeltaDiffRecipe(optimizer="adamw"))) == 1


def test_adamw_alone_gets_everything_with_the_recipe_s_values():
    model = DeltaDiff(size="tiny")
    (adamw,) = optimizers(model, DeltaDiffRecipe(betas=(0.8, 0.9), weight_decay=0.1))
    assert isinstance(adamw, torch.optim.AdamW)
    (group,) = adamw.param_groups
    assert len(group["params"]) == len(list(model.parameters()))
    assert (tuple(group["betas"]), group["weight_decay"]) == ((0.8, 0.9), 0.1)


def test_the_learning_rate_rises_linearly_peaks_and_ends_at_zero():
    recipe = DeltaDiffRecipe(images=1_000, warmup=200, batch=10)
    factors = [learning_rate_factor(images, recipe) for images in range(0, 1_001, 10)]
    rises = [later - earlier for earlier, later in pairwise(factors[:21])]
    assert rises == pytest.approx([10 / 210] * 20)
    assert factors[0] == pytest.approx(10 / 210)
    assert max(factors) == factors[20] == 1
    assert all(later < earlier for earlier, later in pairwise(factors[20:]))
    assert learning_rate_factor(600, recipe) == pytest.approx(0.5)
    assert factors[-1] == pytest.approx(0, abs=1e-12)


def test_the_learning_rate_may_end_above_zero():
    recipe = DeltaDiffRecipe(images=1_000, warmup=200, batch=10, decay_end=0.4)
    assert learning_rate_factor(200, recipe) == 1
    assert learning_rate_factor(600, recipe) == pytest.approx(0.7)
    assert learning_rate_factor(1_000, recipe) == pytest.approx(0.4)


def test_without_warm_up_it_begins_at_its_peak():
    assert learning_rate_factor(0, DeltaDiffRecipe(warmup=0)) == 1


def test_set_learning_rate_reaches_every_group():
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.ones(1))]} for _ in range(2)], lr=1.0)
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
