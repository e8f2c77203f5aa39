"""Models of spandrel's architectures, run by deltasr, and deltasr's RRDB run by spandrel."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spandrel
import torch
from torch import Tensor, nn

from deltasr.cli import main
from deltasr.errors import ModelError, SettingError
from deltasr.imaging import Metadata, Picture, fill_transparent, read_picture, write_picture
from deltasr.inference.padding import run_padded
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.external import External
from deltasr.models.rrdb import Rrdb
from deltasr.nets.rrdb import RrdbNet

Build = Callable[..., nn.Module]
Save = Callable[..., Path]

SWIN = {"img_size": 16, "window_size": 4, "upscale": 4, "upsampler": "pixelshuffle", "depths": [2], "num_heads": [2]}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "SwinIR": {**SWIN, "embed_dim": 12, "mlp_ratio": 2},
    "ESRGAN": {"num_filters": 8, "num_blocks": 1},
    "Swin2SR": {**SWIN, "embed_dim": 12},
    "HAT": {**SWIN, "embed_dim": 30},
    "DAT": {"img_size": 16, "embed_dim": 24, "depth": [2], "num_heads": [2], "split_size": [4, 8], "upscale": 4},
    "RCAN": {"n_resgroups": 1, "n_resblocks": 2, "n_feats": 16, "reduction": 4, "scale": 4},
    "SPAN": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16, "upscale": 4},
    "Compact": {"num_feat": 16, "num_conv": 4, "upscale": 1},
    "SeemoRe": {},
}


@pytest.fixture
def built(build: Build) -> Callable[[str], nn.Module]:
    """A small network of an architecture, with results in the middle of the range."""

    def centred(architecture: str) -> nn.Module:
        net = build(architecture, **ARCHITECTURES[architecture])
        if architecture == "ESRGAN":
            with torch.no_grad():
                inside = net(noise(1, 3, 12, 12))[..., 8:-8, 8:-8]
                net.model[-1].weight.mul_(0.05 / inside.std(dim=(2, 3)).mean())
                net.model[-1].bias.add_(0.5 - net(noise(1, 3, 12, 12))[0, :, 8:-8, 8:-8].mean(dim=(1, 2)))
        return net

    return centred


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def picture_16(height: int = 20, width: int = 24) -> Picture:
    """Noise in every one of 16 bits, alpha that is nowhere flat and nowhere zero, and a text."""
    generator = np.random.default_rng(0)
    return Picture(
        pixels=generator.integers(0, 65536, (height, width, 3), np.uint16),
        alpha=generator.integers(1, 65536, (height, width), np.uint16),
        metadata=Metadata(text={"Title": "noise"}),
    )


def run(*arguments: object) -> int:
    """The exit status of `deltasr` with these arguments; warnings, which people would see, are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SystemExit) as exit_:
            main([*map(str, arguments)])
    return int(exit_.value.code or 0)


def as_tensor(levels: np.ndarray) -> Tensor:
    return torch.from_numpy(levels.astype(np.float32) / 65535).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("architecture", "file", "inside"),
    [
        ("SwinIR", "net.pth", None),
        ("SwinIR", "net.safetensors", None),
        ("ESRGAN", "net.pth", "params_ema"),
        ("ESRGAN", "net.safetensors", None),
    ],
)
def test_a_16_bit_picture_with_alpha_keeps_both(
    tmp_path: Path, built: Callable[[str], nn.Module], save: Save, architecture: str, file: str, inside: str | None
):
    net = built(architecture)
    weights = save(net, file, inside=inside)
    source = picture_16()
    write_picture(source, tmp_path / "small.png")
    assert run("upscale", tmp_path / "small.png", "-o", tmp_path / "large.png", "--model", weights) == 0
    result = read_picture(tmp_path / "large.png")
    assert (result.height, result.width, result.bits) == (80, 96, 16)
    assert result.metadata.text["Title"] == "noise"
    with torch.inference_mode():
        filled = fill_transparent(source.pixels, source.alpha)
        colour = net(as_tensor(filled)).clamp(0, 1)[0].permute(1, 2, 0).numpy()
        alpha = net(as_tensor(source.alpha[..., None]).expand(1, 3, -1, -1)).clamp(0, 1)[0].mean(0).numpy()
    assert colour.std() > 0.01
    assert alpha.std() > 0.01
    assert np.abs(result.pixels - 65535 * colour).max() <= 2
    assert np.abs(result.alpha - 65535 * alpha).max() <= 2
    assert (result.pixels % 257 != 0).mean() > 0.9


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_keeps_a_model_s_promises(built: Callable[[str], nn.Module], save: Save, architecture: str):
    model = catalogue.load(save(built(architecture), "net.pth"))
    assert isinstance(model, External)
    assert f"{architecture} x{model.scale}" in model.description
    lr = noise(2, 3, 19, 13)
    kept = lr.clone()
    with torch.inference_mode():
        alone = [run_padded(model, one) for one in lr.split(1)]
        model.to(memory_format=torch.channels_last)
        together = run_padded(model, lr.contiguous(memory_format=torch.channels_last))
    assert together.shape == (2, 3, 19 * model.scale, 13 * model.scale)
    assert 0 <= float(together.min()) < float(together.max()) <= 1
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)
    assert torch.equal(lr, kept)


def test_restoration_keeps_the_size(built: Callable[[str], nn.Module], save: Save):
    model = catalogue.load(save(built("Compact"), "denoise.pth"))
    result = Upscaler(model, device="cpu").upscale(picture_16())
    assert (result.height, result.width, result.bits) == (20, 24, 16)


def test_tiles_do_not_show(built: Callable[[str], nn.Module], save: Save):
    model = catalogue.load(save(built("ESRGAN"), "net.pth"))
    picture = Picture(pixels=np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8))
    whole, tiled = (Upscaler(model, device="cpu", tile=tile).upscale(picture).pixels.astype(int) for tile in (0, 24))
    assert whole.std() > 5
    assert np.abs(whole - tiled).max() <= 1


def strong_rrdb() -> Rrdb:
    """A model of ours whose dense blocks count for a good part of the result."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Rrdb(blocks=2).eval()
    with torch.inference_mode():
        for name, weight in model.named_parameters():
            if ".rdb" in name and name.endswith("weight"):
                weight.mul_(8)
        model.conv_last.bias.zero_()
        model.conv_last.weight.mul_(0.15 / RrdbNet.forward(model, noise(1, 3, 12, 12)).std())
        model.conv_last.bias.fill_(0.5)
    return model


def test_spandrel_runs_our_rrdb_file_as_it_is(tmp_path: Path):
    ours = strong_rrdb()
    checkpoint.save(ours, tmp_path / "rrdb.safetensors")
    theirs = spandrel.ModelLoader().load_from_file(tmp_path / "rrdb.safetensors").eval()
    assert (theirs.architecture.id, theirs.scale, theirs.tags) == ("ESRGAN", 4, ["64nf", "2nb"])
    lr = noise(1, 3, 16, 12)
    with torch.inference_mode():
        expected = ours(lr)
        assert float(expected.std()) > 0.05
        torch.testing.assert_close(theirs(lr.clone()), expected, atol=1e-5, rtol=0)


def test_esrgan_files_of_others_give_our_rrdb_s_picture(save: Save):
    ours = strong_rrdb()
    theirs = catalogue.load(save(ours, "esrgan.pth", inside="params_ema"))
    assert isinstance(theirs, External)
    lr = noise(1, 3, 16, 12)
    with torch.inference_mode():
        torch.testing.assert_close(theirs(lr), ours(lr), atol=1e-5, rtol=0)


def test_grey_models_are_refused_in_one_sentence(build: Build, save: Save):
    path = save(build("DnCNN"), "dncnn.pth")
    with pytest.raises(ModelError, match=r"is a DnCNN model from 1 to 1 channels; only models from RGB to RGB run\.$"):
        catalogue.load(path)


def test_unknown_and_incomplete_files_are_refused_in_one_sentence(
    built: Callable[[str], nn.Module], save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    save(nn.Linear(2, 2), "unknown.pth")
    net = built("SwinIR")
    del net.conv_last
    save(net, "incomplete.pth")
    for name, said in {
        "unknown.pth": f"no architecture with the entries of {tmp_path / 'unknown.pth'}, which begin with 'weight'",
        "incomplete.pth": f"spandrel cannot build the model in {tmp_path / 'incomplete.pth'} (",
    }.items():
        status, printed = run("info", tmp_path / name), capsys.readouterr()
        assert (status, printed.out) == (1, "")
        assert said in printed.err
        assert printed.err.count("\n") == 1


def test_what_spandrel_says_of_a_model_is_heeded(built: Callable[[str], nn.Module], save: Save):
    """SwinIR is not to be tiled and not for float16; ESRGAN takes both."""
    swin, esrgan = (catalogue.load(save(built(name), f"{name}.pth")) for name in ("SwinIR", "ESRGAN"))
    assert (swin.tiled, swin.dtypes) == (False, ("float32", "bfloat16"))
    assert (esrgan.tiled, esrgan.dtypes) == (True, ("float32", "bfloat16", "float16"))
    with pytest.raises(SettingError, match="SwinIR does not compute in float16; choose one of float32, bfloat16"):
        Upscaler(swin, dtype="float16")
    seen: list[tuple[int, ...]] = []
    swin.net.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].shape[-2:]))
    result = Upscaler(swin, device="cpu").upscale(np.zeros((130, 120, 3), np.uint8))
    assert (result.height, result.width) == (520, 480)
    assert seen[-1] == (130, 120)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_copies_work(built: Callable[[str], nn.Module], save: Save, architecture: str):
    upscaler = Upscaler(catalogue.load(save(built(architecture), "net.pth")), device="cpu")
    expected = upscaler.upscale(picture_16()).pixels
    again, shared = copy.deepcopy(upscaler), copy.copy(upscaler)
    assert np.array_equal(shared.upscale(picture_16()).pixels, expected)
    with torch.no_grad():
        for weight in upscaler.model.parameters():
            weight.zero_()
    assert np.array_equal(again.upscale(picture_16()).pixels, expected)


def test_pickling_says_why_not(built: Callable[[str], nn.Module], save: Save):
    upscaler = Upscaler(catalogue.load(save(built("SPAN"), "net.pth")), device="cpu")
    with pytest.raises(
        ModelError, match=r"net cannot be pickled, .*; load its file by deltasr\.load where it is needed"
    ):
        pickle.dumps(upscaler)
