"""ResShift, and DeltaDiff as published: the chain in codes, its conventions, and one noise for the whole picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.process import reverse_step
from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import SettingError
from deltasr.imaging import Picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models import checkpoint
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
AUTOENCODER = {"widths": [32, 32, 32], "blocks": 1, "codes": 64}


def build(preset: str = "resshift-s4") -> ResShift:
    """A small model, for multiples of 16 pixels, in which every weight takes part."""
    schedule = PRESETS[preset]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ResShift(eta=schedule.eta, kappa=schedule.kappa, denoiser=DENOISER, autoencoder=AUTOENCODER)
        for module in model.denoiser.modules():
            if isinstance(module, ResidualBlock):
                nn.init.normal_(module.out_layers[3].weight, std=0.05)
        nn.init.normal_(model.autoencoder.vq.quantize.embedding.weight)
    return model.eval()


class NearbyDenoiser(nn.Module):
    """Sees one pixel to each side, where the real one sees everything."""

    def forward(self, x_t, lq, t):
        return F.avg_pool2d(x_t, 3, stride=1, padding=1, count_include_pad=False) * 0.5 + 0.3 * lq + 0.01 * t


class NearbyAutoencoder(nn.Module):
    """A mean for each code, and nearest neighbours back."""

    def encode(self, picture):
        return F.avg_pool2d(picture, 4)

    def decode(self, code):
        return F.interpolate(code, scale_factor=4, mode="nearest")


def nearby(preset: str = "resshift-s4") -> ResShift:
    """A model that sees little, but has the conventions of the real one."""
    model = build(preset)
    model.denoiser, model.autoencoder = NearbyDenoiser(), NearbyAutoencoder()
    return model


def picture(height: int, width: int) -> Picture:
    return Picture(pixels=np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def lr(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_one_step_follows_the_released_conventions():
    """Start, input scaling, step index, condition and first stage, each written out."""
    model = build()
    schedule, noise, low = model.schedule, NoiseField(seed=5), lr()
    steps: list[tuple[int, torch.Tensor, torch.Tensor]] = []
    result = model(low, noise=noise, callback=lambda *step: steps.append(step))

    upsampled = F.interpolate(low * 2 - 1, scale_factor=4, mode="bicubic", align_corners=False, antialias=False)
    y_0 = model.autoencoder.vq.encode(upsampled).latents
    x_t = y_0 + 2.0 * math.sqrt(schedule.eta[4]) * noise(4, y_0)
    torch.testing.assert_close(steps[0][1], x_t, atol=1e-4, rtol=1e-4)
    seen = x_t / math.sqrt(2.0**2 * schedule.eta[4] + 1)
    prediction = model.denoiser(seen, low * 2 - 1, torch.tensor([3]))
    torch.testing.assert_close(steps[0][2], prediction, atol=1e-4, rtol=1e-4)
    x_3 = reverse_step(x_t, prediction, 4, schedule, noise(3, y_0))
    torch.testing.assert_close(steps[1][1], x_3, atol=1e-4, rtol=1e-4)
    assert [t for t, _, _ in steps] == [4, 3, 2, 1]
    decoded = model.autoencoder.vq.decode(steps[-1][2]).sample
    torch.testing.assert_close(result, ((decoded + 1) / 2).clamp(0, 1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("preset", "steps"), [("resshift-s15", 15), ("resshift-s4", 4), ("deltadiff", 4)])
def test_every_schedule_runs_its_steps(preset, steps):
    model = nearby(preset)
    seen: list[int] = []
    result = model(lr(), callback=lambda t, *_: seen.append(t))
    assert seen == list(range(steps, 0, -1))
    assert result.shape == (1, 3, 128, 128)
    assert model.stochastic == (preset != "deltadiff")


@torch.inference_mode()
def test_without_kappa_nothing_is_drawn_and_the_chain_starts_at_y_0():
    model = nearby("deltadiff")

    def refuse(t, like):
        raise AssertionError("noise was asked for")

    states: list[torch.Tensor] = []
    state = torch.get_rng_state()
    model(lr(), noise=refuse, callback=lambda t, x_t, prediction: states.append(x_t))
    assert torch.equal(states[0], model.predictor(lr())[0])
    assert torch.equal(torch.get_rng_state(), state)


@torch.inference_mode()
def test_a_picture_does_not_depend_on_its_batch():
    model = nearby()
    together = model(torch.cat([lr(0), lr(1)]), noise=NoiseField(seed=2))
    assert torch.equal(together[1:], model(lr(1), noise=NoiseField(seed=2)))


def test_tiles_see_one_noise_field(monkeypatch):
    """Whatever the tiles are, every position has the same noise."""
    whole = {t: NoiseField(seed=7)(t, torch.empty(1, 3, 160, 160)) for t in range(1, 5)}
    windows: list[tuple[int, int]] = []
    draw = NoiseField.__call__

    def checked(self, t, like):
        noise = draw(self, t, like)
        height, width = like.shape[-2:]
        windows.append((self.top, self.left))
        assert torch.equal(noise, whole[t][..., self.top : self.top + height, self.left : self.left + width])
        return noise

    monkeypatch.setattr(NoiseField, "__call__", checked)
    for tile in (0, 16, 25, 40):
        Upscaler(nearby(), tile=tile).upscale(picture(120, 110), seed=7)
    assert len(set(windows)) >= 16


@pytest.mark.parametrize("preset", ["resshift-s4", "deltadiff"])
def test_results_do_not_depend_on_the_tile_size(preset):
    source = picture(120, 110)
    whole = Upscaler(nearby(preset), tile=0).upscale(source, seed=7)
    for tile in (16, 25, 40):
        tiled = Upscaler(nearby(preset), tile=tile).upscale(source, seed=7)
        assert np.abs(tiled.pixels.astype(int) - whole.pixels).max() <= 1


def test_the_seed_decides():
    source = picture(20, 18)
    upscaler = Upscaler(build())
    first, again, other = (upscaler.upscale(source, seed=seed).pixels for seed in (1, 1, 2))
    assert first.shape == (80, 72, 3)
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 1
    with pytest.raises(SettingError, match="not a seed"):
        upscaler.upscale(source, seed=-1)


@pytest.mark.usefixtures("bf16")
@torch.inference_mode()
def test_bfloat16_keeps_the_chain_in_float32():
    model = build()
    exact: list[torch.Tensor] = []
    rounded: list[torch.Tensor] = []
    model(lr(), callback=lambda t, *tensors: exact.extend(tensors))
    with torch.autocast("cpu", torch.bfloat16):
        result = model(lr(), callback=lambda t, *tensors: rounded.extend(tensors))
    assert {tensor.dtype for tensor in (result, *rounded)} == {torch.float32}
    for one, other in zip(exact, rounded, strict=True):
        assert (one - other).abs().mean() < 0.1 * one.abs().mean()


def test_a_checkpoint_brings_it_back(tmp_path):
    model = build()
    checkpoint.save(model, tmp_path / "model.safetensors")
    loaded = checkpoint.load(tmp_path / "model.safetensors")
    assert isinstance(loaded, ResShift)
    assert loaded.schedule == model.schedule
    assert loaded.arguments() == model.arguments()
    assert loaded.arguments()["denoiser"]["window_size"] == 8
    with torch.inference_mode():
        assert torch.equal(loaded(lr()), model(lr()))


def test_the_default_is_the_published_model():
    with torch.device("meta"):
        model = ResShift()
    assert sum(weight.numel() for weight in model.parameters()) == 118_593_583 + 55_322_782
    assert (model.scale, model.schedule.steps, model.schedule.kappa) == (4, 15, 2.0)
    assert (model.size_requirements.minimum, model.size_requirements.multiple_of) == (64, 64)
