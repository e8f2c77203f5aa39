"""Discriminators: sizes, any picture, what a logit sees, and that pictures of a batch do not mix."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deltasr.nets.discriminators import DISCRIMINATORS, PatchDiscriminator, SimpleDiscriminator, UNetDiscriminator

names = pytest.mark.parametrize("name", sorted(DISCRIMINATORS))


def build(name: str, *, width: int = 4) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DISCRIMINATORS[name](width=width)


def pictures(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def normalised(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if parametrize.is_parametrized(module, "weight")]


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [(SimpleDiscriminator, 2_904_385), (UNetDiscriminator, 4_376_897), (PatchDiscriminator, 2_764_737)],
)
def test_sizes_are_as_documented(kind: type[nn.Module], parameters: int):
    assert sum(weight.numel() for weight in kind().parameters()) == parameters
    assert kind.__doc__ is not None
    assert f"{parameters:,}" in kind.__doc__


def test_names():
    assert {"simple": SimpleDiscriminator, "unet": UNetDiscriminator, "patch": PatchDiscriminator} == DISCRIMINATORS


@names
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 16), (23, 40), (33, 65)])
def test_any_size_has_logits(name: str, size: tuple[int, int]):
    logits = build(name)(pictures(2, 3, *size))
    assert logits.isfinite().all()
    if name == "simple":
        assert logits.shape == (2, 1)
    elif name == "unet":
        assert logits.shape == (2, 1, *size)
    else:
        assert logits.shape == (2, 1, *(max(side, 24) // 8 - 2 for side in size))


@names
def test_pictures_of_a_batch_do_not_mix(name: str):
    network = build(name).eval()
    batch = pictures(3, 3, 32, 40)
    alone = torch.cat([network(picture) for picture in batch.split(1)])
    torch.testing.assert_close(network(batch), alone, atol=1e-5, rtol=1e-5)
    assert alone.std(dim=0).max() > 1e-5


@names
def test_no_layer_keeps_statistics_of_pictures(name: str):
    network = build(name).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(pictures(2, 3, 32, 32))
    changed = [key for key, value in network.state_dict().items() if not torch.equal(value, before[key])]
    assert all(key.endswith(("._u", "._v")) for key in changed)
    torch.manual_seed(2)
    other = build(name).train()
    other(pictures(2, 3, 32, 32, seed=9))
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in network.state_dict().items())


@names
def test_every_weight_takes_part_from_the_first_step(name: str):
    network = build(name)
    network(pictures(2, 3, 48, 48)).square().sum().backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert float(weight.grad.abs().max()) > 0, key


@names
def test_two_passes_before_one_backward_pass(name: str):
    """A discriminator sees real and generated pictures before it learns: the power iteration must not be in the way."""
    network = build(name).train()
    (network(pictures(2, 3, 32, 32)).mean() - network(pictures(2, 3, 32, 32, seed=2)).mean()).backward()


@names
def test_a_few_steps_tell_noise_from_flat_pictures(name: str):
    network = build(name, width=8)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    noisy, flat = pictures(4, 3, 32, 32), pictures(4, 3, 1, 1, seed=2).expand(4, 3, 32, 32)
    for _ in range(30):
        loss = F.softplus(-network(noisy)).mean() + F.softplus(network(flat)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert network(noisy).mean() > 0 > network(flat).mean()


@names
def test_a_saved_state_gives_the_same_logits(name: str):
    network = build(name)
    network(pictures(1, 3, 32, 32))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        other = DISCRIMINATORS[name](width=4)
    other.load_state_dict(network.state_dict())
    picture = pictures(1, 3, 32, 32, seed=3)
    assert torch.equal(network.eval()(picture), other.eval()(picture))


def test_the_simple_one_averages_over_places():
    """Far from borders, a picture that repeats itself has the same features everywhere, whatever its size."""
    network = build("simple")
    features = network.convolutions(2 * pictures(1, 3, 64, 64) - 1)
    assert features.shape == (1, 32, 4, 4)
    torch.testing.assert_close(network(pictures(1, 3, 64, 64)), network.perceptron(features.mean(dim=(2, 3))))
    convolutions = [layer for layer in network.convolutions if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 4
    assert sum(isinstance(layer, nn.Linear) for layer in network.perceptron) == 3


def test_the_simple_one_s_first_logits_depend_on_the_picture():
    network = build("simple", width=64)
    logits = network(torch.cat([pictures(2, 3, 48, 48), torch.zeros(2, 3, 48, 48)]))
    assert (logits[:2].mean() - logits[2:].mean()).abs() > 0.01


@pytest.mark.parametrize(("name", "count"), [("unet", 8), ("patch", 3)])
def test_all_but_the_first_and_last_convolution_have_spectral_norm_one(name: str, count: int):
    network = build(name).train()
    for _ in range(30):
        network(pictures(1, 3, 24, 24))
    found = normalised(network.eval())
    assert len(found) == count
    for convolution in found:
        assert torch.linalg.matrix_norm(convolution.weight.detach().flatten(1), ord=2).item() == pytest.approx(
            1, abs=0.02
        )
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == count + 2
    assert convolutions[0] not in found
    assert convolutions[-1] not in found


def test_the_unet_is_its_formula():
    network = build("unet").eval()
    picture = pictures(1, 3, 16, 24)
    x0 = F.leaky_relu(network.first(picture), 0.2)
    x1 = F.leaky_relu(network.down[0](x0), 0.2)
    x2 = F.leaky_relu(network.down[1](x1), 0.2)
    x = F.leaky_relu(network.down[2](x2), 0.2)
    for convolution, skipped in zip(network.up, (x2, x1, x0), strict=True):
        doubled = F.interpolate(x, size=(2 * x.shape[2], 2 * x.shape[3]), mode="bilinear")
        x = F.leaky_relu(convolution(doubled), 0.2) + skipped
    torch.testing.assert_close(network(picture), network.last(x), atol=1e-6, rtol=1e-5)


def test_the_unet_continues_odd_sizes_by_their_last_row_and_column():
    network = build("unet").eval()
    picture = pictures(1, 3, 13, 22)
    continued = torch.cat([picture, picture[:, :, -1:].expand(-1, -1, 3, -1)], dim=2)
    continued = torch.cat([continued, continued[:, :, :, -1:].expand(-1, -1, -1, 2)], dim=3)
    assert torch.equal(network(picture), network(continued)[..., :13, :22])


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_of_the_patch_discriminator_sees_one_patch(layers: int, side: int):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PatchDiscriminator(width=4, layers=layers).double().eval()
    picture = pictures(1, 3, 160, 160).double().requires_grad_()
    logits = network(picture)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    assert picture.grad is not None
    seen = picture.grad.abs().sum(dim=(0, 1)) > 0
    for rows in (seen.any(dim=0), seen.any(dim=1)):
        places = rows.nonzero()
        assert int(places.max() - places.min()) + 1 == side


def test_the_patch_discriminator_s_width_is_at_most_eight_times_the_first():
    network = PatchDiscriminator(width=2, layers=5)
    widths = [layer.out_channels for layer in network.layers if isinstance(layer, nn.Conv2d)]
    assert widths == [2, 4, 8, 16, 16, 16, 1]
