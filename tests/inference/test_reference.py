"""Reference runs: what ResShift's released program gives, against a plain implementation of what it does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Picture, read_picture
from deltasr.inference import reference
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.resshift import ResShift
from deltasr.nets.swin_unet import ResidualBlock

pytest.importorskip("diffusers")

DENOISER = {
    "model_channels": 32,
    "channel_mult": [1, 1],
    "num_res_blocks": [1, 1],
    "swin_embed_dim": 32,
    "num_head_channels": 16,
    "mlp_ratio": 1,
    "image_size": 32,
}
MULTIPLE = 16
"""Of LR pixels; 64 in the released networks, which have four levels."""

AUTOENCODER = {"widths": [32, 32, 32], "blocks": 1, "codes": 4}
"""With so few codes, none is so near the border between two that rounding could change which is taken."""


def build(preset: str = "resshift-s4", **options) -> ResShift:
    """A small model of the released kind, for multiples of 16 pixels, in which every weight takes part."""
    schedule = PRESETS[preset]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ResShift(
            eta=schedule.eta, kappa=schedule.kappa, **{"denoiser": DENOISER, "autoencoder": AUTOENCODER, **options}
        )
        for module in model.denoiser.modules():
            if isinstance(module, ResidualBlock):
                nn.init.normal_(module.out_layers[3].weight, std=0.05)
    return model.eval()


def picture(height: int, width: int, *, channels: int = 3) -> Picture:
    return Picture(pixels=np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8))


def plainly(model: ResShift, lr: torch.Tensor, *, times: int = 4) -> torch.Tensor:
    """One tile (1, 3, h, w) in [0, 1] as the program runs it: noise comes from torch's default generator.

    `sqrt(eta)` is geometric, from 0.2 / kappa to 0.99 in four steps; noise is drawn at every step, also at the last,
    where nothing of it is used. (`randn_like` would follow the layout in memory, which an `Upscaler` has changed.)
    """
    y = (lr - 0.5) / 0.5
    height, width = y.shape[-2:]
    y = F.pad(y, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
    kappa = 2.0
    first, last = 0.2 / kappa, 0.99
    sqrt_eta = [first * (last / first) ** ((t / (times - 1)) ** 0.3) for t in range(times)]
    z_y = model.autoencoder.vq.encode(F.interpolate(y, scale_factor=4, mode="bicubic")).latents
    x = z_y + kappa * sqrt_eta[-1] * torch.randn(z_y.shape)
    for t in reversed(range(times)):
        eta, before = sqrt_eta[t] ** 2, sqrt_eta[t - 1] ** 2 if t else 0.0
        predicted = model.denoiser(x / math.sqrt(eta * kappa**2 + 1), y, torch.tensor([t]))
        x = before / eta * x + (eta - before) / eta * predicted
        x = x + math.sqrt(kappa**2 * before / eta * (eta - before)) * torch.randn(x.shape)
    result = model.autoencoder.vq.decode(x).sample[..., : 4 * height, : 4 * width]
    return result.clamp(-1, 1) * 0.5 + 0.5


def levels(values: torch.Tensor) -> np.ndarray:
    return (values[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy().astype(np.int64)


def as_tensor(source: Picture) -> torch.Tensor:
    return torch.from_numpy(source.pixels).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def expected_of(model: ResShift, source: Picture, *, seed: int = 12345) -> np.ndarray:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return levels(plainly(model, as_tensor(source)))


def difference(result: Picture, expected: np.ndarray) -> np.ndarray:
    return np.abs(result.pixels.astype(np.int64) - expected)


def test_a_picture_is_what_the_program_makes_of_it():
    model, source = build(), picture(50, 40)
    result = Upscaler(model, reference=True).upscale(source)
    expected = expected_of(model, source)
    assert (result.height, result.width) == (200, 160)
    assert difference(result, expected).max() <= 1
    assert difference(Upscaler(model).upscale(source), expected).max() > 16


def test_the_seed_can_be_another():
    model, source = build(), picture(20, 20)
    upscaler = Upscaler(model, reference=True)
    assert difference(upscaler.upscale(source, seed=7), expected_of(model, source, seed=7)).max() <= 1
    assert difference(upscaler.upscale(source, seed=7), expected_of(model, source)).max() > 16


def test_one_picture_leaves_the_next_alone_and_torch_s_own_generator():
    model, source = build(), picture(16, 16)
    upscaler = Upscaler(model, reference=True)
    before = torch.get_rng_state()
    first, second = (upscaler.upscale(source).pixels for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_tiles_overlap_and_are_averaged(monkeypatch: pytest.MonkeyPatch):
    """Smaller tiles than 512, at the same proportions; the last ones of a side are moved back into the picture."""
    monkeypatch.setattr(reference, "TILE", 32)
    monkeypatch.setattr(reference, "STRIDE", 28)
    model, source = build(), picture(35, 62)
    shares: list[float] = []
    result = Upscaler(model, reference=True).upscale(source, progress=shares.append)
    lr = as_tensor(source)
    summed, count = torch.zeros(3, 140, 248), torch.zeros(3, 140, 248)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(12345)
        for top in (0, 3):
            for left in (0, 28, 30):
                tile = plainly(model, lr[..., top : top + 32, left : left + 32])
                place = (slice(None), slice(4 * top, 4 * top + 128), slice(4 * left, 4 * left + 128))
                summed[place] += tile[0]
                count[place] += 1
    assert count.max() == 6
    assert difference(result, levels((summed / count)[None])).max() <= 1
    assert shares == pytest.approx([n / 6 for n in range(1, 7)])


@pytest.mark.parametrize(
    ("length", "expected"),
    [(40, [0]), (512, [0]), (513, [0, 1]), (900, [0, 388]), (960, [0, 448]), (1000, [0, 448, 488]),
     (1408, [0, 448, 896]), (1409, [0, 448, 896, 897])],
)  # fmt: skip
def test_where_tiles_begin(length: int, expected: list[int]):
    assert reference.starts(length, 512, 448) == expected


def test_grey_stays_grey_and_alpha_stays():
    model, source = build(), picture(16, 16, channels=1)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:, :8] = 0
    result = Upscaler(model, reference=True).upscale(Picture(pixels=source.pixels, alpha=alpha))
    assert result.pixels.shape == (64, 64, 1)
    assert (result.alpha[:, :28] == 0).all()
    assert (result.alpha[:, 36:] == 255).all()


def test_a_picture_that_cannot_be_padded_is_one_sentence():
    with pytest.raises(PictureError, match=r"cannot pad 40x8 pixels by reflection to multiples of 16"):
        Upscaler(build(), reference=True).upscale(picture(8, 40))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"tile": 64}, "so the tile cannot be set"), ({"consistency": True}, "so the consistency cannot be set"),
     ({"engine": "auto"}, "so the engine cannot be set"), ({"reference": 1}, "The setting reference is 1"),
     ({"ensemble": True}, "leave the ensemble out")],
)  # fmt: skip
def test_settings_that_the_program_does_not_have(options: dict, words: str):
    with pytest.raises(SettingError, match=words):
        Upscaler(build(), **{"reference": True, **options})


def test_another_size_than_the_program_s():
    with pytest.raises(SettingError, match="at the factor 4; leave out the size"):
        Upscaler(build(), reference=True).upscale(picture(50, 40), scale=2)


@pytest.mark.parametrize("name", ["deltadiff-x4", "bicubic"])
def test_models_that_the_program_does_not_run(name: str):
    with pytest.raises(SettingError, match=f"which does not run {name}"):
        Upscaler(catalogue.load(name), reference=True)


def test_deltadiff_is_not_run_by_it():
    with pytest.raises(SettingError, match="which does not run deltadiff-paper"):
        Upscaler(build("deltadiff"), reference=True)


def test_the_command_line(tmp_path: Path):
    from PIL import Image

    from deltasr.cli import main

    model, source = build(), picture(16, 20)
    checkpoint.save(model, tmp_path / "model.safetensors")
    Image.fromarray(source.pixels).save(tmp_path / "small.png")
    command = ["upscale", str(tmp_path / "small.png"), "--model", str(tmp_path / "model.safetensors")]
    with pytest.raises(SystemExit) as ended:
        main([*command, "-o", str(tmp_path / "large.png"), "--reference"])
    assert not ended.value.code
    assert difference(read_picture(tmp_path / "large.png"), expected_of(model, source)).max() <= 1
