"""ResShift's denoiser: the published numbers, any size, other types, compiled."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from msgspec.structs import asdict

from deltasr.models.configs import DenoiserConfig
from deltasr.nets import swin_unet
from deltasr.nets.swin_unet import SwinUNet, timestep_embedding
from deltasr.nets.window_attention import from_windows, relative_position_index, shift_mask, to_windows

COMPUTED = ("attn_mask", "relative_position_index")


def swin_net(**options) -> SwinUNet:
    return SwinUNet(**asdict(DenoiserConfig(**{"in_channels": 3, "out_channels": 3, **options})))


@pytest.fixture(scope="module")
def tiny(reference) -> SwinUNet:
    net = swin_net(**reference.denoiser).eval()
    net.load_state_dict(swin_unet.from_published(reference.weights("swin_unet_tiny")))
    return net


def inputs(reference, case: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    height, width, t = map(int, reference.golden[f"unet_{case}_meta"])
    x_t, lq = (torch.from_numpy(reference.drawn(f"unet/{name}/{case}", (1, 3, height, width))) for name in ("x", "lq"))
    return x_t, lq, torch.tensor([t])


@pytest.mark.parametrize("case", ["a", "b", "c"])
@torch.inference_mode()
def test_outputs_are_the_published_networks(reference, tiny, case):
    golden = torch.from_numpy(reference.golden[f"unet_{case}_out"])
    assert (tiny(*inputs(reference, case)) - golden).abs().max() < 1e-4 * golden.abs().max()


def test_the_published_network_has_its_names_shapes_and_size(reference):
    with torch.device("meta"):
        net = swin_net()
    published = {n: s for n, s in reference.names["swin_unet_paper"].items() if not n.endswith(COMPUTED)}
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == published
    assert sum(weight.numel() for weight in net.parameters()) == 118_593_583


def test_every_picture_of_a_batch_has_its_own_timestep(reference, tiny):
    x_t, lq, t = inputs(reference, "a")
    with torch.inference_mode():
        both = tiny(torch.cat([x_t, lq]), torch.cat([lq, x_t]), torch.tensor([int(t), 9]))
        torch.testing.assert_close(both[:1], tiny(x_t, lq, t), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(both[1:], tiny(lq, x_t, torch.tensor([9])), atol=1e-4, rtol=1e-4)


def test_masks_are_made_once_a_size(reference, monkeypatch):
    made: list[int] = []

    def counted(height, width, window, device):
        made.append(height)
        return shift_mask(height, width, window, device)

    monkeypatch.setattr(swin_unet, "shift_mask", counted)
    net = swin_net(**reference.denoiser).eval()
    with torch.inference_mode():
        for _ in range(2):
            net(*inputs(reference, "a"))
    assert sorted(made) == [16, 32, 64]


@pytest.mark.usefixtures("bf16")
@torch.inference_mode()
def test_bfloat16_is_close(reference, tiny):
    golden = torch.from_numpy(reference.golden["unet_a_out"])
    with torch.autocast("cpu", torch.bfloat16):
        result = tiny(*inputs(reference, "a"))
    assert (result.float() - golden).abs().max() < 0.05 * golden.abs().max()


@torch.inference_mode()
def test_a_larger_picture_is_brought_to_the_state_s_grid():
    """Two stages of a convolution, SiLU and a strided convolution: to 16, 32, 32 and 64 channels."""
    torch.manual_seed(0)
    net = swin_net(
        model_channels=32, channel_mult=[1], num_res_blocks=[1], swin_embed_dim=32, lq_channels=4, lq_stages=2
    )
    x = lq = torch.randn(1, 4, 32, 48)
    for first, channels in ((0, 16), (3, 32)):
        stage = dict(net.feature_extractor.named_parameters())
        x = F.silu(F.conv2d(x, stage[f"{first}.weight"], stage[f"{first}.bias"], padding=1))
        assert x.shape[1] == channels
        x = F.conv2d(x, stage[f"{first + 2}.op.weight"], stage[f"{first + 2}.op.bias"], stride=2, padding=1)
    torch.testing.assert_close(net.feature_extractor(lq), x)
    assert x.shape == (1, 64, 8, 12)
    assert net.input_blocks[0][0].in_channels == 3 + 64
    assert net(torch.randn(1, 3, 8, 16), torch.randn(1, 4, 32, 64), torch.tensor([0])).shape == (1, 3, 8, 16)


def test_it_is_one_graph_for_the_compiler():
    sizes = {"model_channels": 32, "channel_mult": [1], "num_res_blocks": [1], "swin_embed_dim": 32}
    net = swin_net(**sizes, num_head_channels=16, mlp_ratio=1, image_size=16).eval()
    x_t, lq = torch.randn(2, 1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x_t, lq, torch.tensor([1])), net(x_t, lq, torch.tensor([1])))


def test_training_reaches_every_weight(reference):
    torch.manual_seed(0)
    net = swin_net(**reference.denoiser)
    for block in net.modules():
        if isinstance(block, swin_unet.ResidualBlock):
            torch.nn.init.normal_(block.out_layers[3].weight, std=0.05)
    net(torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64), torch.tensor([2])).square().mean().backward()
    unreached = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unreached == []


def test_the_embedding_is_cosines_then_sines():
    embedding = timestep_embedding(torch.tensor([0, 3]), 8)
    assert embedding[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    angles = [3 * 10_000 ** (-k / 4) for k in range(4)]
    expected = torch.tensor([*map(math.cos, angles), *map(math.sin, angles)])
    torch.testing.assert_close(embedding[1], expected)


def test_windows_are_cut_row_by_row_and_put_back():
    x = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    windows = to_windows(x, 4)
    assert windows.shape == (2, 6, 16, 3)
    assert torch.equal(windows[1, 4, :, 2], x[1, 2, 4:8, 4:8].flatten())
    assert torch.equal(from_windows(windows, 4, 8, 12), x)


def test_the_mask_parts_the_halves_of_the_last_row_of_windows():
    mask = shift_mask(16, 24, 8, torch.device("cpu"))
    assert mask.shape == (6, 64, 64)
    assert not mask[:3].any()
    left, right = 2 * 8 + 3, 5 * 8 + 4
    for window in mask[3:]:
        assert window[left, right] == window[right, left] == -100
        assert window[left, 8 * 7] == window[right, 7] == 0


def test_pairs_with_the_same_displacement_share_a_bias():
    index = relative_position_index(4).reshape(4, 4, 4, 4)
    assert index[1, 1, 0, 2] == index[3, 2, 2, 3] != index[0, 2, 1, 1]
    assert index[0, 0, 3, 3] == 0
    assert index[3, 3, 0, 0] == 48
    assert len(index.unique()) == 49
