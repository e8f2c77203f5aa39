"""LPIPS: its networks, its loading, and its use as a loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from deltasr.errors import CheckpointError, ModelError
from deltasr.evaluation.lpips import Lpips, NetName

nets = pytest.mark.parametrize("net", ["alex", "squeeze"])


def images(seed: int = 0, *, side: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hr = torch.rand(2, 3, side, side, generator=generator)
    return (hr + 0.1 * torch.randn(hr.shape, generator=generator)).clamp(0, 1), hr


@nets
def test_names_and_shapes_are_those_of_the_released_file(net: NetName, shared: Path):
    released = torch.load(shared / "models" / f"lpips_{net}_v0.1.pth", weights_only=True)
    ours = Lpips(net=net).state_dict()
    assert {name: value.shape for name, value in released.items()} == {n: v.shape for n, v in ours.items()}


@nets
def test_equal_images_have_distance_zero_and_others_more(net: NetName, lpips_folder: Path):
    lpips = Lpips.from_file(lpips_folder, net=net)
    sr, hr = images()
    assert torch.equal(lpips(hr, hr), torch.zeros(2))
    assert (lpips(sr, hr) > 0).all()
    assert torch.allclose(lpips(sr, hr), lpips(hr, sr), rtol=1e-5)


@nets
def test_more_noise_is_further_away(net: NetName, shared: Path):
    lpips = Lpips.from_file(shared / "models", net=net)
    _, hr = images(side=64)
    noise = torch.randn(hr.shape, generator=torch.Generator().manual_seed(3))
    distances = [lpips((hr + strength * noise).clamp(0, 1), hr).mean() for strength in (0.02, 0.1, 0.4)]
    assert distances == sorted(distances)
    assert distances[0] < distances[-1] / 2


@nets
def test_images_of_a_batch_do_not_mix(net: NetName, lpips_folder: Path):
    lpips = Lpips.from_file(lpips_folder, net=net)
    sr, hr = images()
    together = lpips(sr, hr)
    assert together.shape == (2,)
    assert torch.allclose(together, torch.cat([lpips(sr[i : i + 1], hr[i : i + 1]) for i in range(2)]), rtol=1e-4)


@nets
def test_as_a_loss_it_moves_the_image_and_not_itself(net: NetName, lpips_folder: Path):
    lpips = Lpips.from_file(lpips_folder, net=net)
    sr, hr = images()
    sr.requires_grad_()
    lpips(sr, hr).sum().backward()
    assert sr.grad is not None
    assert sr.grad.isfinite().all()
    assert sr.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in lpips.parameters())
    assert not lpips.train().training


@nets
def test_the_gradient_is_finite_where_all_features_are_zero(net: NetName):
    lpips = Lpips(net=net)
    for parameter in lpips.parameters():
        torch.nn.init.constant_(parameter, -1.0)
    sr, hr = images()
    sr.requires_grad_()
    lpips(sr, hr).sum().backward()
    assert sr.grad is not None
    assert sr.grad.isfinite().all()


@nets
def test_too_small_images_are_refused_and_the_smallest_work(net: NetName):
    lpips = Lpips(net=net)
    side = lpips.smallest_side
    lpips(*images(side=side))
    with pytest.raises(ModelError, match=f"at least {side} pixels"):
        lpips(*images(side=side - 1))


def test_different_shapes_are_refused():
    with pytest.raises(ModelError, match="equal shapes"):
        Lpips()(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 36))


@nets
def test_a_file_says_itself_which_network_it_holds(net: NetName, lpips_folder: Path):
    assert Lpips.from_file(lpips_folder / f"lpips_{net}_v0.1.pth").net == net


def test_another_network_than_wanted_is_refused(lpips_folder: Path):
    with pytest.raises(CheckpointError, match="holds LPIPS-alex, not LPIPS-squeeze"):
        Lpips.from_file(lpips_folder / "lpips_alex_v0.1.pth", net="squeeze")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"There is no LPIPS weights file .*absent\.pth"):
        Lpips.from_file(tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match=r"lpips_alex_v0\.1\.pth"):
        Lpips.from_file(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"features.0.weight": torch.zeros(1)}, "does not hold LPIPS"),
        ([1, 2], "does not hold a state dict"),
        (None, "does not hold a state dict"),
    ],
)
def test_other_content_is_refused(content: object, words: str, tmp_path: Path):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=words):
        Lpips.from_file(tmp_path / "other.pth")


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 damaged"])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path):
    (tmp_path / "damaged.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as PyTorch weights"):
        Lpips.from_file(tmp_path / "damaged.pth")


def test_code_in_a_file_is_not_run(tmp_path: Path):
    torch.save({"lin0.model.1.weight": Path("never")}, tmp_path / "pickle.pth")
    with pytest.raises(CheckpointError, match="cannot be read as PyTorch weights"):
        Lpips.from_file(tmp_path / "pickle.pth")


def test_a_file_with_missing_layers_is_refused(lpips_folder: Path):
    path = lpips_folder / "lpips_alex_v0.1.pth"
    state = torch.load(path, weights_only=True)
    del state["lin4.model.1.weight"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="does not hold all layers"):
        Lpips.from_file(path)


def test_vgg_compares_the_last_features_of_each_level(tmp_path: Path):
    """VGG16 as published: two, two, three, three and three convolutions, with a pooling before each further level."""
    torch.manual_seed(0)
    state = {name: value.abs() for name, value in Lpips(net="vgg").state_dict().items()}
    for name, value in state.items():
        if name.startswith("features") and value.ndim == 4:
            value.copy_(torch.randn(value.shape) / value[0].numel() ** 0.5)
    torch.save(state, tmp_path / "lpips_vgg_v0.1.pth")
    kernels = [name for name, value in state.items() if name.startswith("features") and value.ndim == 4]
    x = torch.cat(images(side=16))
    shift, spread = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = (2 * x - 1 - shift.view(1, 3, 1, 1)) / spread.view(1, 3, 1, 1)
    expected, done = torch.zeros(2), 0
    for level, convolutions in enumerate((2, 2, 3, 3, 3)):
        x = F.max_pool2d(x, 2) if level else x
        for name in kernels[done : done + convolutions]:
            x = F.conv2d(x, state[name], state[name.replace("weight", "bias")], padding=1).relu()
        done += convolutions
        unit = x / x.norm(dim=1, keepdim=True)
        head = state[f"lin{level}.model.1.weight"].flatten().view(1, -1, 1, 1)
        expected += ((unit[:2] - unit[2:]).square() * head).sum(dim=1).mean(dim=(1, 2))
    assert done == len(kernels)
    lpips = Lpips.from_file(tmp_path / "lpips_vgg_v0.1.pth")
    assert lpips.net == "vgg"
    assert lpips(*images(side=16)) == pytest.approx(expected, rel=1e-4)
