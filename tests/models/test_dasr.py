"""DASR: a plain implementation of its description, and its published entries."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from deltasr.errors import CheckpointError, SettingError
from deltasr.imaging import Picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.dasr import Dasr
from deltasr.models.published import import_published


def entries(
    *, blocks: int = 16, width: int = 64, experts: int = 5, degradation_parameters: int = 33
) -> dict[str, dict[str, tuple[int, ...]]]:
    """The entries of the two published files with their shapes."""
    convolutions = {"conv_first": (3, width)}
    for block in range(blocks):
        convolutions |= {f"body.{block}.conv{number}": (width, width) for number in (1, 2)}
    convolutions |= {"upconv1": (width, 4 * width), "upconv2": (width, 4 * width)}
    convolutions |= {"conv_hr": (width, width), "conv_last": (width, 3)}
    generator: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in convolutions.items():
        generator |= {f"{name}.weight": (experts, outputs, inputs, 3, 3), f"{name}.bias": (experts, outputs)}
    predictor: dict[str, tuple[int, ...]] = {}
    parameters = degradation_parameters
    sides = [3, *[width] * 5, parameters]
    for number in range(6):
        predictor |= {
            f"ConvNet.{2 * number}.weight": (sides[number + 1], sides[number], 5, 5),
            f"ConvNet.{2 * number}.bias": (sides[number + 1],),
        }
    predictor |= {"MappingNet.0.weight": (15, parameters), "MappingNet.0.bias": (15,)}
    predictor |= {"MappingNet.1.weight": (experts, 15), "MappingNet.1.bias": (experts,)}
    return {"generator": generator, "predictor": predictor}


SMALL = {"blocks": 2, "width": 8, "experts": 3, "degradation_parameters": 7}


def states(**sizes: int) -> dict[str, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return {
        part: {name: torch.randn(shape, generator=generator) * 0.2 for name, shape in names.items()}
        for part, names in entries(**sizes).items()
    }


def plainly(weights: dict[str, dict[str, Tensor]], lr: Tensor) -> Tensor:
    """One picture (1, 3, h, w), expert by expert."""
    predictor, generator = weights["predictor"], weights["generator"]
    x = lr
    for number in range(6):
        kernel, bias = (predictor[f"ConvNet.{2 * number}.{kind}"] for kind in ("weight", "bias"))
        x = F.leaky_relu(F.conv2d(x, kernel, bias, padding=2, stride=2 if number == 3 else 1), 0.2)
    hidden = predictor["MappingNet.0.weight"] @ x.mean(dim=(2, 3))[0] + predictor["MappingNet.0.bias"]
    shares = predictor["MappingNet.1.weight"] @ hidden + predictor["MappingNet.1.bias"]

    def mixed(name: str, x: Tensor) -> Tensor:
        kernels, biases = generator[f"{name}.weight"], generator[f"{name}.bias"]
        return sum(share * F.conv2d(x, k, b, padding=1) for share, k, b in zip(shares, kernels, biases, strict=True))

    x = F.leaky_relu(mixed("conv_first", lr), 0.1)
    for block in range(SMALL["blocks"]):
        x = x + mixed(f"body.{block}.conv2", F.relu(mixed(f"body.{block}.conv1", x)))
    for name in ("upconv1", "upconv2"):
        x = F.leaky_relu(F.pixel_shuffle(mixed(name, x), 2), 0.1)
    x = mixed("conv_last", F.leaky_relu(mixed("conv_hr", x), 0.1))
    return x + F.interpolate(lr, scale_factor=4, mode="bilinear", align_corners=False)


def pictures(number: int = 2) -> Tensor:
    return torch.rand(number, 3, 10, 13, generator=torch.Generator().manual_seed(1))


def small() -> Dasr:
    model = Dasr(**SMALL)
    weights = states(**SMALL)
    for part, state in weights.items():
        model.net.get_submodule(part).load_state_dict(state)
    return model.eval()


@torch.inference_mode()
def test_each_picture_of_a_batch_has_weights_of_its_own():
    model, lr = small(), pictures()
    weights = states(**SMALL)
    expected = torch.cat([plainly(weights, picture) for picture in lr.split(1)])
    torch.testing.assert_close(model.unclamped(lr), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(model(lr), model.unclamped(lr).clamp(0, 1))


def test_the_published_entries_have_their_places():
    with torch.device("meta"):
        model = Dasr()
        for part, names in entries().items():
            state = {name: torch.empty(shape) for name, shape in names.items()}
            assert checkpoint.misfit(model.net.get_submodule(part).state_dict(), state) is None
    assert sum(p.numel() for p in model.net.generator.parameters()) == 5 * 1_517_571


@pytest.mark.parametrize("wrapper", [None, "params", "params_ema"])
def test_the_published_files_become_a_model(wrapper: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from dataclasses import replace

    from deltasr.models.published import PUBLISHED

    monkeypatch.setitem(PUBLISHED, "dasr-x4", replace(PUBLISHED["dasr-x4"], options=SMALL))
    weights = states(**SMALL)
    files = [tmp_path / "net_g.pth", tmp_path / "net_p.pth"]
    for file, state in zip(files, weights.values(), strict=True):
        old = {name: torch.zeros_like(value) for name, value in state.items()}
        torch.save({"params": old, wrapper: state} if wrapper else state, file)
    import_published(files[::-1], tmp_path / "dasr.safetensors", name="dasr-x4")
    model = catalogue.load(tmp_path / "dasr.safetensors")
    assert (model.name, model.scale, model.tiled) == ("dasr-x4", 4, False)
    lr = pictures(1)
    with torch.inference_mode():
        torch.testing.assert_close(model.unclamped(lr), plainly(weights, lr), rtol=1e-4, atol=1e-4)


def test_files_of_another_kind_of_model_are_one_sentence(tmp_path: Path):
    weights = states(**SMALL)
    files = [tmp_path / "net_g.pth", tmp_path / "net_p.pth"]
    for file, state in zip(files, weights.values(), strict=True):
        torch.save(state, file)
    with pytest.raises(
        CheckpointError, match=r"net_g\.pth is DASR's upscaling network, neither a ResShift denoiser nor"
    ):
        import_published(files, tmp_path / "out.safetensors", name="resshift-realsr-x4-s4")
    with pytest.raises(CheckpointError, match="The predictor's file is missing; give the generator's and the"):
        import_published(files[:1], tmp_path / "out.safetensors", name="dasr-x4")
    with pytest.raises(CheckpointError, match=r"net_g\.pth is not the generator of dasr-x4: '.*' has the shape"):
        import_published(files, tmp_path / "out.safetensors", name="dasr-x4")


def test_a_picture_is_not_cut_into_tiles():
    pixels = (pictures(1)[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    shares: list[float] = []
    result = Upscaler(small(), device="cpu").upscale(Picture(pixels=pixels), progress=shares.append)
    assert (result.height, result.width, shares) == (40, 52, [1.0])


def test_impossible_options_are_one_sentence():
    with pytest.raises(SettingError, match="Dasr has no experts 0"):
        Dasr(experts=0)
