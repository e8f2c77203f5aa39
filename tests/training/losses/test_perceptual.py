"""The perceptual loss: which features it compares, what moves, where weights come from, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deltasr.errors import CheckpointError, ModelError, SettingError
from deltasr.evaluation.lpips import Lpips
from deltasr.nets.classifier_layers import ClassifierName, layer_index, layer_names
from deltasr.nets.classifiers import STACKS
from deltasr.training.losses.perceptual import Activation, PerceptualLoss

NETWORKS: tuple[ClassifierName, ...] = get_args(ClassifierName)
networks = pytest.mark.parametrize("network", NETWORKS)
activations = pytest.mark.parametrize("activation", get_args(Activation))
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
DEEPEST: dict[ClassifierName, str] = {"vgg19": "conv5_4", "alex": "conv5", "squeeze": "fire9"}
LPIPS_FILES: dict[ClassifierName, str] = {"alex": "lpips_alex_v0.1.pth", "squeeze": "lpips_squeeze_v0.1.pth"}


@pytest.fixture(scope="module")
def stack() -> Callable[[ClassifierName], nn.Sequential]:
    """A network's stack with random weights, made once."""
    made: dict[str, nn.Sequential] = {}

    def of(network: ClassifierName) -> nn.Sequential:
        if network not in made:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                made[network] = STACKS[network]()
        return made[network]

    return of


def pictures(side: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hr = torch.rand(2, 3, side, side, generator=generator)
    return (hr + 0.1 * torch.randn(hr.shape, generator=generator)).clamp(0, 1), hr


def loss_at(
    stack: Callable[[ClassifierName], nn.Sequential],
    network: ClassifierName = "alex",
    layer: str | None = None,
    **arguments: Any,
) -> PerceptualLoss:
    return PerceptualLoss(
        stack(network), network=network, layer=layer or DEEPEST[network], **{"activation": "before", **arguments}
    )


@networks
def test_values_are_those_of_the_named_layer(network: ClassifierName, stack):
    """Against features taken out of the whole stack by its numbers."""
    sr, hr = pictures(20 if network == "vgg19" else 40)
    for layer in (layer_names(network)[0], layer_names(network)[2], DEEPEST[network]):
        index, whole = layer_index(network, layer), stack(network)
        after = [whole[: index + 2]((x - MEAN) / STD) for x in (sr, hr)]
        if isinstance(whole[index], nn.Conv2d):
            before = [whole[: index + 1]((x - MEAN) / STD) for x in (sr, hr)]
        else:
            after = [whole[: index + 1]((x - MEAN) / STD) for x in (sr, hr)]
            before = [whole[index].expand(whole[:index]((x - MEAN) / STD)) for x in (sr, hr)]
        for activation, (of_sr, of_hr) in (("before", before), ("after", after)):
            for distance, expected in (("l1", (of_sr - of_hr).abs()), ("l2", (of_sr - of_hr).square())):
                loss = loss_at(stack, network, layer, activation=activation, distance=distance)(sr, hr)
                assert loss.shape == ()
                torch.testing.assert_close(loss, expected.mean(), rtol=1e-5, atol=1e-9)


@networks
def test_before_and_after_differ_by_the_activation(network: ClassifierName, stack):
    sr, hr = pictures()
    before, after = (loss_at(stack, network, activation=activation) for activation in ("before", "after"))
    features = before._features_of(sr)
    assert (features < 0).any()
    assert torch.equal(after._features_of(sr), features.relu())
    assert after(sr, hr) < before(sr, hr)


@pytest.mark.parametrize("network", list(LPIPS_FILES))
def test_features_are_those_that_lpips_looks_at(network: Any, shared: Path):
    lpips = Lpips.from_file(shared / "models", net=network)
    sr, _ = pictures()
    seen = lpips._layers(sr)
    for layer, expected in ((layer_names(network)[0], seen[0]), (DEEPEST[network], seen[-1])):
        loss = PerceptualLoss.from_source(shared / "models", network=network, layer=layer, activation="after")
        torch.testing.assert_close(loss._features_of(sr), expected, rtol=0, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize("network", list(LPIPS_FILES))
@activations
def test_trained_features_tell_more_noise_from_less(network: Any, activation: Activation, shared: Path):
    loss = PerceptualLoss.from_source(
        shared / "models", network=network, layer=layer_names(network)[3], activation=activation
    )
    _, hr = pictures(48)
    noise = torch.randn(hr.shape, generator=torch.Generator().manual_seed(3))
    distances = [loss((hr + size * noise).clamp(0, 1), hr).item() for size in (0.0, 0.02, 0.1, 0.4)]
    assert distances[0] == 0
    assert distances == sorted(set(distances))


@networks
@activations
def test_gradients_move_the_result_and_nothing_else(network: ClassifierName, activation: Activation, stack):
    sr, hr = (picture.requires_grad_() for picture in pictures())
    loss = loss_at(stack, network, activation=activation)
    loss(sr, hr).backward()
    assert sr.grad is not None
    assert sr.grad.isfinite().all()
    assert sr.grad.abs().sum() > 0
    assert hr.grad is None
    assert not any(weight.requires_grad or weight.grad is not None for weight in loss.parameters())
    assert not any(module.training for module in loss.train().modules())


def test_a_step_along_the_gradient_comes_closer(stack):
    sr, hr = pictures()
    sr.requires_grad_()
    loss = loss_at(stack, layer="conv2", distance="l2")
    before = loss(sr, hr)
    before.backward()
    assert sr.grad is not None
    assert loss(sr - 0.01 * sr.grad / sr.grad.abs().max(), hr) < before


@activations
def test_the_squared_distance_is_divided_by_width_and_height(activation: Activation, stack):
    """SRGAN eq. 5: channels are summed."""
    sr, hr = pictures()
    loss = loss_at(stack, activation=activation, distance="squared")
    of_sr, of_hr = loss._features_of(sr), loss._features_of(hr)
    pictures_, channels, height, width = of_sr.shape
    expected = sum(float((one - other).norm()) ** 2 for one, other in zip(of_sr, of_hr, strict=True))
    torch.testing.assert_close(float(loss(sr, hr)), expected / (height * width) / pictures_, rtol=1e-5, atol=0)
    mean = loss_at(stack, activation=activation, distance="l2")(sr, hr)
    torch.testing.assert_close(loss(sr, hr), channels * mean, rtol=1e-5, atol=1e-9)


@networks
def test_layers_beyond_the_one_asked_for_are_not_there(network: ClassifierName, stack):
    for layer in layer_names(network):
        assert len(loss_at(stack, network, layer).features) == layer_index(network, layer) + 1


@activations
def test_it_computes_in_float32_under_autocast(activation: Activation, stack):
    sr, hr = pictures()
    loss = loss_at(stack, activation=activation)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(sr, hr)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss(sr, hr))
    assert loss(sr.bfloat16(), hr.bfloat16()).dtype == torch.float32


def test_the_smallest_pictures_have_features_and_smaller_ones_are_refused(stack):
    for network in NETWORKS:
        loss = loss_at(stack, network)
        assert loss(*pictures(loss.smallest_side)).isfinite()
        with pytest.raises(ModelError, match=rf"{network} {DEEPEST[network]} needs pictures of at least "):
            loss(*pictures(loss.smallest_side - 1))
    assert loss_at(stack, "vgg19", "conv1_2").smallest_side == 1


def test_different_shapes_are_refused(stack):
    with pytest.raises(ModelError, match="equal shapes"):
        loss_at(stack)(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 41))


def test_an_unknown_layer_is_refused_before_any_file_is_read(tmp_path: Path):
    with pytest.raises(SettingError, match=r"'vgg19' has no layer 'conv5_5'; its layers are conv1_1, .*conv5_4\."):
        PerceptualLoss.from_source(tmp_path / "absent.pth", network="vgg19", layer="conv5_5", activation="before")


def from_source(source: Path | None, network: ClassifierName = "squeeze", layer: str = "fire3") -> PerceptualLoss:
    return PerceptualLoss.from_source(source, network=network, layer=layer, activation="before")


def published(stack: nn.Sequential) -> dict[str, Tensor]:
    """What torchvision's files hold: the convolutions, and a classifier."""
    return {**stack.state_dict(prefix="features."), "classifier.0.weight": torch.zeros(4, 4)}


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("squeeze", "squeezenet1_1-b8a52dc0.pth"),
        ("squeeze", "lpips_squeeze_v0.1.pth"),
        ("alex", "alexnet-owt-7be5be79.pth"),
        ("alex", "alexnet.safetensors"),
        ("vgg19", "vgg19-dcbb9e9d.pth"),
    ],
)
def test_weights_come_from_a_file_or_a_folder_with_it(network: ClassifierName, name: str, tmp_path: Path, stack):
    weights = {key: value.half() for key, value in published(stack(network)).items()}
    if name.endswith(".pth"):
        torch.save(weights, tmp_path / name)
    else:
        save_file(weights, tmp_path / name)
    layer = layer_names(network)[1]
    for source in (tmp_path / name, tmp_path):
        loss = from_source(source, network, layer)
        assert all(weight.dtype == torch.float32 for weight in loss.parameters())
        found = loss.features.state_dict(prefix="features.")
        assert all(torch.equal(value, weights[key].float()) for key, value in found.items())


def test_weights_without_a_classifier_do_as_well(tmp_path: Path, stack):
    torch.save(stack("squeeze").state_dict(prefix="features."), tmp_path / "mine.pth")
    sr, hr = pictures()
    assert torch.equal(from_source(tmp_path / "mine.pth")(sr, hr), loss_at(stack, "squeeze", "fire3")(sr, hr))


def test_reading_weights_draws_no_random_number(tmp_path: Path, stack):
    torch.save(published(stack("squeeze")), tmp_path / "mine.pth")
    before = torch.get_rng_state()
    from_source(tmp_path / "mine.pth")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_folder_without_weights_is_told_what_to_hold(tmp_path: Path):
    wanted = r"no weights of alex in it; give lpips_alex_v0\.1\.pth or alexnet-\*\.pth, or a folder with it\."
    with pytest.raises(CheckpointError, match=wanted):
        from_source(tmp_path, "alex", "conv1")


def test_other_files_are_refused(tmp_path: Path, stack):
    path = tmp_path / "other.pth"
    with pytest.raises(CheckpointError, match=r"There is no file .*other\.pth"):
        from_source(path)
    torch.save(published(stack("alex")), path)
    with pytest.raises(
        CheckpointError, match=r"other\.pth does not hold the features of squeeze: 'features\.0\.weight'"
    ):
        from_source(path)
    cut = published(stack("squeeze"))
    del cut["features.12.squeeze.bias"]
    torch.save(cut, path)
    with pytest.raises(CheckpointError, match=r"'features\.12\.squeeze\.bias' is missing"):
        from_source(path)
    torch.save({"features.0.weight": path}, path)
    with pytest.raises(CheckpointError, match="holds nothing but weights"):
        from_source(path)


class Download:
    """torchvision's `models` as far as weights go."""

    def __init__(self, state: dict[str, Tensor] | Exception) -> None:
        self.state, self.asked = state, {}

    def get_model_weights(self, name: str) -> dict[str, Any]:
        self.asked["name"] = name
        return {"IMAGENET1K_V1": self}

    def get_state_dict(self, **options: object) -> dict[str, Tensor]:
        self.asked.update(options)
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> Callable[[Download], Download]:
    def installed(download: Download) -> Download:
        monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(models=download))
        monkeypatch.setitem(sys.modules, "torchvision.models", download)
        return download

    return installed


@pytest.mark.parametrize(("network", "name"), [("squeeze", "squeezenet1_1"), ("alex", "alexnet")])
def test_without_a_source_torchvision_gives_them(network: ClassifierName, name: str, torchvision, stack):
    download = torchvision(Download(published(stack(network))))
    sr, hr = pictures()
    layer = DEEPEST[network]
    assert torch.equal(from_source(None, network, layer)(sr, hr), loss_at(stack, network, layer)(sr, hr))
    assert download.asked["name"] == name
    assert download.asked["weights_only"] is True
    assert download.asked["check_hash"] is True


def test_a_download_that_fails_is_one_sentence(torchvision):
    torchvision(Download(OSError("<urlopen error\n no route to host>")))
    with pytest.raises(ModelError) as caught:
        from_source(None, "vgg19", "conv5_4")
    assert str(caught.value) == (
        "torchvision cannot give the weights of vgg19 (<urlopen error no route to host>); "
        "give vgg19-*.pth, or a folder with it."
    )


def test_without_torchvision_one_sentence_says_what_to_give(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(ModelError) as caught:
        from_source(None, "vgg19", "conv5_4")
    assert str(caught.value) == (
        "The perceptual loss looks through vgg19, whose weights come with torchvision, which is not installed; "
        "give vgg19-*.pth, or a folder with it."
    )


class Absent:
    """An import system in which torchvision is not installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name.partition(".")[0] == "torchvision":
            raise ModuleNotFoundError(f"No module named '{name}'", name="torchvision")


def test_a_torchvision_that_does_not_work_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"torchvision cannot give .* \(operator torchvision::nms does not exist\)"):
        from_source(None, "vgg19", "conv5_4")
