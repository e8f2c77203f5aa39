"""The VQ-f4 first stage: the published numbers through diffusers' network."""

from __future__ import annotations

import sys

import pytest
import torch
from msgspec.structs import asdict

from deltasr.errors import ModelError, SettingError
from deltasr.models.configs import VQConfig
from deltasr.nets.vq_autoencoder import VQAutoencoder, from_published, to_published

pytest.importorskip("diffusers")


def vq_net(**options) -> VQAutoencoder:
    return VQAutoencoder(**asdict(VQConfig(**options)))


@pytest.fixture(scope="module")
def tiny(reference) -> VQAutoencoder:
    net = vq_net(**reference.autoencoder).eval()
    net.vq.load_state_dict(from_published(reference.weights("vq_f4_tiny"), net.vq.state_dict(), net.levels))
    return net


@pytest.mark.parametrize(("case", "size"), [("a", (64, 64)), ("b", (64, 96))])
@torch.inference_mode()
def test_outputs_are_the_published_networks(reference, tiny, case, size):
    picture = torch.from_numpy(reference.drawn(f"vq/x/{case}", (1, 3, *size))).clamp(-1, 1)
    latent = tiny.encode(picture)
    outputs = {
        "latent": latent,
        "decoded": tiny.decode(latent),
        "decoded_noquant": tiny.decode(latent, quantise=False),
    }
    for name, output in outputs.items():
        golden = torch.from_numpy(reference.golden[f"vq_{case}_{name}"])
        assert (output - golden).abs().max() < 1e-4 * golden.abs().max(), name


def test_the_published_network_has_its_names_shapes_and_size(reference):
    with torch.device("meta"):
        net = vq_net()
    state = to_published(net.vq.state_dict(), net.levels)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == reference.names["vq_f4_paper"]
    assert sum(weight.numel() for weight in net.parameters()) == 55_322_782


def test_names_lead_there_and_back(reference, tiny):
    state = tiny.vq.state_dict()
    back = to_published(state, tiny.levels)
    weights = reference.weights("vq_f4_tiny")
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_the_nearest_code_is_chosen_also_under_autocast(tiny):
    entries = tiny.vq.quantize.embedding.weight.detach()
    code = torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    positions = code.movedim(1, -1).reshape(-1, 3)
    nearest = torch.cdist(positions.double(), entries.double()).argmin(dim=1)
    expected = entries[nearest].reshape(2, 40, 50, 3).movedim(-1, 1)
    assert torch.equal(tiny.quantise(code), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(tiny.quantise(code), expected)


def test_without_diffusers_the_error_says_what_to_install(reference, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModelError, match=r"-e '\.\[papers\]'"):
        vq_net(**reference.autoencoder)


@torch.inference_mode()
def test_levels_can_have_different_numbers_of_blocks():
    """As in the released VQ-f8; levels count from the picture on both sides."""
    torch.manual_seed(0)
    net = vq_net(widths=(32, 32, 64, 64), blocks_by_level=(1, 2, 1, 3), latent_channels=8, codes=4)
    assert [len(level.resnets) for level in net.vq.encoder.down_blocks] == [1, 2, 1, 3]
    assert [len(level.resnets) for level in net.vq.decoder.up_blocks[::-1]] == [2, 3, 2, 4]
    code = net.encode(torch.rand(1, 3, 16, 24))
    assert (net.factor, code.shape, net.decode(code).shape) == (8, (1, 8, 2, 3), (1, 3, 16, 24))


def test_one_number_of_blocks_for_each_level():
    with pytest.raises(SettingError, match="blocks_by_level has 2 numbers for 3 levels; give one for each level"):
        vq_net(blocks_by_level=(1, 2))
