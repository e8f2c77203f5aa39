"""The estimated strength: right where the file or the pixels tell, and 0 where nothing was done to a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from deltasr.degradation import degrade, estimate_strength
from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.jpeg_traces import standard_table
from deltasr.degradation.strength import strength_of
from deltasr.errors import SettingError


def photo(side: int = 512) -> torch.Tensor:
    """(1, 3, side, side): noise with a spectrum like photographs, brighter on one side of an edge."""
    generator = torch.Generator().manual_seed(2)
    frequencies = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]).clamp(min=1 / side)
    spectrum = torch.fft.rfft2(torch.randn(3, side, side, generator=generator)) / frequencies**1.6
    planes = torch.fft.irfft2(spectrum, s=(side, side))
    planes = planes / planes.std(dim=(1, 2), keepdim=True)
    x = torch.linspace(0, 1, side)
    edge = (x[None] + 0.2 * torch.sin(6 * x[:, None]) > 0.5).float()
    return (0.4 + 0.1 * planes[:1] + 0.02 * planes + 0.2 * edge).clamp(0.02, 0.98)[None]


def as_pixels(images: torch.Tensor) -> np.ndarray:
    return (images[0] * 255).round().byte().permute(1, 2, 0).numpy()


def shrunk(strength: float, seed: int = 0) -> np.ndarray:
    return as_pixels(degrade(photo(), kind="web", strength=strength, seed=seed))


def page(mode: str = "RGB") -> Image.Image:
    """Lines of black text on white, a box and a slanted line."""
    image = Image.new(mode, (200, 120), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for row in range(5):
        pen.text((4, 4 + 22 * row), "Hamburgefonstiv 0123456789", fill="black", font=font)
    pen.rectangle((120, 60, 180, 110), outline="black")
    pen.line((0, 119, 199, 40), fill="black")
    return image


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_picture_has_none(seed):
    estimate = estimate_strength(shrunk(0.0, seed))
    assert (estimate.strength, estimate.quality, estimate.further) == (0.0, None, False)
    assert str(estimate) == "no sign of compression or noise"


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.3])
def test_a_jpeg_without_its_file_is_found_at_any_place(strength):
    for seed in range(3):
        estimate = estimate_strength(shrunk(strength, seed))
        assert estimate.strength == pytest.approx(strength, abs=0.03)
        assert not estimate.from_file
        assert "by its pixels" in str(estimate)


def test_ruined_pictures_are_seen_to_be():
    strengths = [estimate_strength(shrunk(1.0, seed)).strength for seed in range(10)]
    assert sorted(strengths)[4] > 0.5


@pytest.mark.parametrize("quality", [95, 75, 40, 15])
def test_the_table_of_a_file_decides(quality):
    pixels = as_pixels(jpeg(degrade(photo(256), kind="bicubic"), quality=quality))
    estimate = estimate_strength(pixels, standard_table(quality).tolist())
    assert (estimate.quality, estimate.from_file) == (quality, True)
    assert estimate.strength >= round(strength_of(quality), 2)
    tiny = estimate_strength(pixels[:9, :15], standard_table(quality).tolist())
    assert tiny.strength == round(strength_of(quality), 2)
    assert str(tiny) == f"JPEG of quality {quality}"


def test_a_file_of_high_quality_does_not_hide_a_worse_one():
    twice = as_pixels(jpeg(torch.from_numpy(shrunk(0.4).copy()).permute(2, 0, 1)[None] / 255, quality=100))
    estimate = estimate_strength(twice, standard_table(100).tolist())
    assert estimate.strength > 0.3
    assert not estimate.from_file


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((64, 64, 3), 128, np.uint8),
        np.zeros((500, 700, 1), np.uint8),
        np.full((1, 1, 3), 7, np.uint8),
        np.random.default_rng(0).integers(0, 256, (5, 900, 3), dtype=np.uint8),
        np.asarray(page()),
        np.asarray(page("L"))[..., None],
        np.asarray(page().resize((100, 60), Image.Resampling.LANCZOS)),
        np.linspace(0, 255, 128).astype(np.uint8)[None, :, None].repeat(96, 0),
        np.kron(np.random.default_rng(1).integers(0, 2, (16, 16, 1)), np.ones((8, 8, 1))).astype(np.uint8) * 255,
    ],
    ids=["flat", "black", "one pixel", "thin", "text", "grey text", "small text", "ramp", "squares"],
)
def test_what_no_camera_made_is_clean(pixels):
    assert estimate_strength(pixels).strength == 0


def test_grass_is_not_noise():
    rng = np.random.default_rng(4)
    image = Image.new("RGB", (640, 640), (60, 90, 40))
    pen = ImageDraw.Draw(image)
    for _ in range(9000):
        x, y, length, lean = rng.integers(0, 640), rng.integers(0, 680), rng.integers(15, 60), rng.integers(-14, 15)
        light = float(rng.uniform(0.5, 1.4))
        pen.line((x, y, x + lean, y - length), fill=tuple(int(light * part) for part in (80, 125, 55)), width=3)
    grass = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    assert estimate_strength(as_pixels(degrade(grass, kind="bicubic"))).strength == 0


def test_strong_noise_on_a_clean_picture_is_found():
    pixels = shrunk(0.0).astype(float)
    noise = np.random.default_rng(0).normal(0, 20, pixels.shape)
    assert estimate_strength(np.clip(pixels + noise, 0, 255).round().astype(np.uint8)).further


def test_the_same_picture_has_the_same_strength_in_16_bits_and_again():
    pixels = shrunk(0.3)
    assert estimate_strength(pixels) == estimate_strength(pixels.copy())
    assert estimate_strength(pixels.astype(np.uint16) * 257) == estimate_strength(pixels)


def test_large_pictures_are_looked_at_in_parts():
    tiles = np.tile(shrunk(0.2), (8, 9, 1))
    estimate = estimate_strength(as_pixels(jpeg(torch.from_numpy(tiles).permute(2, 0, 1)[None] / 255, quality=50)))
    assert tiles.shape[0] > 3 * 128
    assert estimate.quality == 50


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 2), np.uint8), np.zeros((9, 9, 3), np.float32)],
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(SettingError, match="cannot be estimated"):
        estimate_strength(pixels)
