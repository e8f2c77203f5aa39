"""RRDB as a model: a range, a receptive field that tiles can rely on, and checkpoints with ESRGAN's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from deltasr.errors import SettingError
from deltasr.imaging import Picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.rrdb import Rrdb
from deltasr.nets.rrdb import RrdbNet


def build(*, blocks: int = 1, width: int = 4) -> Rrdb:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Rrdb(blocks=blocks, width=width).eval()


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def strong() -> Rrdb:
    """A model whose far pixels count: large dense blocks, and results about the middle of the range."""
    model = build()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".rdb" in name and name.endswith("weight"):
                weight.mul_(8)
        model.conv_last.bias.zero_()
        spread = RrdbNet.forward(model, noise(1, 3, 24, 24)).std()
        model.conv_last.weight.mul_(0.1 / spread)
        model.conv_last.bias.fill_(0.5)
    return model


@pytest.mark.parametrize("blocks", [2, 10, 15, 23])
def test_the_depths_of_the_comparison(blocks: int):
    with torch.device("meta"):
        model = Rrdb(blocks=blocks)
    assert model.name == f"rrdb-{blocks}-x4"
    assert f"{blocks} residual-in-residual" in model.description
    assert model.receptive_field == 15 * blocks + 4
    assert (model.scale, model.stochastic, model.consistent) == (4, False, False)


def test_results_are_in_range():
    model = build()
    model.conv_last.weight.data.mul_(100)
    with torch.inference_mode():
        result = model(noise(2, 3, 5, 7))
    assert result.shape == (2, 3, 20, 28)
    assert (float(result.min()), float(result.max())) == (0.0, 1.0)


def test_nothing_beyond_the_receptive_field_is_seen():
    model = strong()
    reach = model.receptive_field
    lr = noise(1, 3, 9, 2 * reach + 9)
    changed = lr.clone()
    centre = reach + 4
    changed[..., centre] = 1 - changed[..., centre]
    with torch.inference_mode():
        different = (model(lr) != model(changed)).any(dim=(0, 1, 2)).nonzero() // 4 - centre
    assert int(different.abs().max()) <= reach
    assert int(different.abs().max()) > 10


def test_tiled_is_untiled():
    model = strong()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    whole, tiled = (
        Upscaler(model, device="cpu", tile=tile).upscale(Picture(pixels=pixels)).pixels.astype(int) for tile in (0, 16)
    )
    assert whole.std() > 10
    assert np.abs(whole - tiled).max() <= 1


def test_checkpoints_have_esrgan_s_names_and_come_back(tmp_path: Path):
    model, path = build(blocks=2), tmp_path / "rrdb.safetensors"
    checkpoint.save(model, path)
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
    assert {"conv_first.weight", "body.1.rdb3.conv5.bias", "conv_body.weight", "conv_last.weight"} < names
    assert not any(name.startswith("net.") for name in names)
    loaded = catalogue.load(path)
    assert isinstance(loaded, Rrdb)
    assert loaded.arguments() == {"blocks": 2, "width": 4}
    lr = noise(1, 3, 4, 4)
    assert torch.equal(loaded(lr), model(lr))


@pytest.mark.parametrize("name", ["blocks", "width"])
def test_sizes_that_cannot_be(name: str):
    with pytest.raises(SettingError, match=rf"Rrdb has no {name} 0; give a whole number from 1 to "):
        Rrdb(**{name: 0})
