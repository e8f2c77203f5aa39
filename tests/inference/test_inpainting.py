"""Models that fill in what is transparent, and ones that restore at the picture's own size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import PictureError, SettingError
from deltasr.imaging import Picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models.resshift import ResShift
from deltasr.nets.swin_unet import ResidualBlock

pytest.importorskip("diffusers")

DENOISER = {
    "model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "swin_embed_dim": 32,
    "num_head_channels": 16, "mlp_ratio": 1, "image_size": 32, "lq_stages": 2,
}  # fmt: skip
AUTOENCODER = {"widths": [32, 32, 32], "blocks": 1, "codes": 4}


def build(**denoiser: int) -> ResShift:
    """A small model at the picture's own size, for multiples of 64 pixels, in which every weight takes part."""
    schedule = PRESETS["resshift-s4"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ResShift(
            eta=schedule.eta, kappa=schedule.kappa, scale=1, denoiser=DENOISER | denoiser, autoencoder=AUTOENCODER
        )
        for module in model.denoiser.modules():
            if isinstance(module, ResidualBlock):
                nn.init.normal_(module.out_layers[3].weight, std=0.05)
    return model.eval()


def with_hole(height: int = 64, width: int = 64, *, bits: int = 8) -> Picture:
    """Noise, with a transparent square of 20 x 24 pixels, under which lies something else in each call."""
    dtype = np.uint8 if bits == 8 else np.uint16
    pixels = np.random.default_rng(0).integers(0, 2**bits, (height, width, 3), dtype)
    alpha = np.full((height, width), 2**bits - 1, dtype)
    alpha[8:28, 16:40] = 0
    return Picture(pixels=pixels, alpha=alpha)


@torch.inference_mode()
def expected_of(model: ResShift, source: Picture) -> np.ndarray:
    """What the released program gives: the mask, 1 where unknown, is beside the picture, which is black there.

    The picture is put back around what was filled in.
    """
    y = torch.from_numpy(source.pixels).permute(2, 0, 1)[None].float() / 255
    hole = torch.from_numpy(source.alpha == 0)[None, None].float()
    black = (y * (1 - hole) - 0.5) / 0.5
    z_y = model.autoencoder.encode(black)
    x = z_y
    kappa, first, last, noise = 2.0, 0.1, 0.99, NoiseField()
    sqrt_eta = [first * (last / first) ** ((t / 3) ** 0.3) for t in range(4)]
    x = z_y + kappa * sqrt_eta[-1] * noise(4, z_y)
    for t in reversed(range(4)):
        eta, before = sqrt_eta[t] ** 2, sqrt_eta[t - 1] ** 2 if t else 0.0
        lq = torch.cat([black, 2 * hole - 1], dim=1)
        predicted = model.denoiser(x / math.sqrt(eta * kappa**2 + 1), lq, torch.tensor([t]))
        x = before / eta * x + (eta - before) / eta * predicted
        if t:
            x = x + math.sqrt(kappa**2 * before / eta * (eta - before)) * noise(t, x)
    filled = (model.autoencoder.decode(x) * 0.5 + 0.5).clamp(0, 1)
    result = filled * hole + y * (1 - hole)
    return (result[0] * 255).round().permute(1, 2, 0).numpy().astype(np.int64)


@pytest.mark.parametrize("reference", [False, True])
def test_what_is_transparent_is_filled_in_and_the_rest_stays(reference: bool):
    model, source = build(lq_channels=4), with_hole()
    result = Upscaler(model, device="cpu", reference=reference).upscale(source)
    inside = source.alpha == 0
    assert (result.height, result.width, result.alpha) == (64, 64, None)
    assert np.array_equal(result.pixels[~inside], source.pixels[~inside])
    assert not np.array_equal(result.pixels[inside], source.pixels[inside])
    if not reference:
        difference = np.abs(result.pixels.astype(np.int64) - expected_of(model, source))
        assert difference.max() <= 1


def test_what_lies_under_transparent_pixels_has_no_effect():
    model, source = build(lq_channels=4), with_hole(bits=16)
    other = source.pixels.copy()
    other[8:28, 16:40] = 65535 - other[8:28, 16:40]
    upscaler = Upscaler(model, device="cpu")
    results = [upscaler.upscale(Picture(pixels=pixels, alpha=source.alpha)).pixels for pixels in (source.pixels, other)]
    assert results[0].dtype == np.uint16
    assert np.array_equal(*results)


@pytest.mark.parametrize("alpha", [None, 255])
def test_a_picture_with_nothing_to_fill_in_is_one_sentence(alpha: int | None):
    pixels = np.zeros((8, 8, 3), np.uint8)
    plane = None if alpha is None else np.full((8, 8), alpha, np.uint8)
    with pytest.raises(PictureError, match="fills in what is transparent, and nothing of this picture is; make the"):
        Upscaler(build(lq_channels=4), device="cpu").upscale(Picture(pixels=pixels, alpha=plane))


def test_restoration_at_the_picture_s_own_size():
    model = build()
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    result = Upscaler(model, device="cpu").upscale(Picture(pixels=pixels))
    assert (result.height, result.width) == (50, 70)
    assert model.size_requirements.multiple_of == 64
    with pytest.raises(SettingError, match="does not enlarge"):
        Upscaler(model, device="cpu").upscale(Picture(pixels=pixels), scale=2)


def test_noise_lies_on_the_codes_wherever_a_window_begins():
    """A window's noise is that of the codes below it: a code for 4x4 pixels."""
    model = build()
    seen = []

    def predictor(lr, *rest, **options):
        y_0 = torch.zeros(1, 3, 16, 16)
        return y_0, lambda x_t, t: (seen.append(x_t.clone()), y_0)[1]

    model.predictor = predictor
    with torch.inference_mode():
        model(torch.zeros(1, 3, 64, 64), noise=NoiseField(seed=3, top=64, left=128))
    whole = NoiseField(seed=3)(4, torch.zeros(1, 3, 64, 64))
    expected = 2.0 * 0.99 * whole[..., 16:32, 32:48]
    torch.testing.assert_close(seen[0], expected)


def test_a_scale_that_does_not_fit_is_one_sentence():
    with pytest.raises(SettingError, match="of factor 4 and 1 lq_stages do not make a scale of 1"):
        build(lq_stages=1)
