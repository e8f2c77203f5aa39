"""The kind `web`: what each strength does, that it grows worse, and where its JPEG blocks lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deltasr.degradation import KINDS, RealESRGAN, Web, degrade, degrade_with_history, downscale
from deltasr.degradation.strength import JPEG_ALONE, quality_of, strength_of
from deltasr.degradation.web import milder
from deltasr.errors import SettingError


def scene(side: int = 256) -> torch.Tensor:
    """(1, 3, side, side): waves of all lengths, an edge, and grain."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    waves = torch.stack([gain * torch.sin(40 * x**2 + 25 * y) for gain in (1.0, 0.8, 0.6)])
    grain = torch.rand(3, side, side, generator=torch.Generator().manual_seed(1))
    return (0.5 + 0.2 * waves + 0.2 * (x > y).float() + 0.05 * (grain - 0.5)).clamp(0, 1)[None]


def mean_psnr(hr: torch.Tensor, strength: float, seeds: range = range(12)) -> float:
    clean = downscale(hr, 4)
    errors = [((degrade(hr, kind="web", seed=seed, strength=strength) - clean) ** 2).mean() for seed in seeds]
    return float((-10 * torch.stack(errors).clamp(min=1e-9).log10()).mean())


def names(history) -> list[str]:
    return [operation.name for operation in history]


def test_pictures_get_worse_with_the_strength():
    hr = scene()
    curve = [mean_psnr(hr, strength) for strength in (0, 0.05, 0.2, 0.5, 0.75, 1)]
    assert curve == sorted(curve, reverse=True)
    assert curve[0] - curve[1] > 1
    assert curve[3] - curve[5] > 1


def test_strength_0_only_resizes():
    for seed in range(30):
        (history,) = degrade_with_history(scene(64), kind="web", seed=seed, strength=0)[1]
        assert set(names(history[1:])) == {"resize"}


@pytest.mark.parametrize("strength", [0.001, 0.1, 0.3, JPEG_ALONE])
def test_up_to_a_half_there_is_one_jpeg_of_the_strengths_quality(strength):
    subsampled = set()
    for seed in range(30):
        (history,) = degrade_with_history(scene(64), kind="web", seed=seed, strength=strength)[1]
        assert names(history)[-1] == "jpeg"
        assert names(history).count("jpeg") == 1
        assert set(names(history)) == {"web", "resize", "jpeg"}
        assert history[-1].values["quality"] == quality_of(strength)
        subsampled.add(history[-1].values["subsampling"])
    assert subsampled == {"4:2:0", "4:4:4"}


def test_quality_and_strength_are_each_others_inverse():
    assert [quality_of(strength) for strength in (0, 0.25, 0.5)] == [100, 65, 30]
    assert all(quality_of(strength_of(quality)) == quality for quality in range(30, 101))
    assert strength_of(10) > JPEG_ALONE


def test_above_a_half_all_of_real_esrgan_comes_in():
    told = [degrade_with_history(scene(64), kind="web", seed=seed, strength=0.75)[1][0] for seed in range(40)]
    counts = {name: [names(history).count(name) for history in told] for name in ("blur", "noise", "jpeg", "resize")}
    assert min(counts["noise"]) == 1
    assert max(counts["noise"]) == 2
    assert set(counts["jpeg"]) == {2}
    assert set(counts["blur"]) >= {0, 1, 2}
    assert set(counts["resize"]) == {2, 3}


def test_the_milder_real_esrgan_leads_from_no_effect_to_its_own():
    assert milder(1.0) == RealESRGAN()
    least = milder(JPEG_ALONE)
    assert least.final_jpeg_quality == (30, 30)
    assert least.jpeg_quality == (100, 100)
    assert least.first.noise.gaussian_sigma == (0, 0)
    assert least.first.resize.factor == (1, 1)
    assert least.first.blur_probability == least.second_order_probability == least.final_sinc_probability == 0
    sigmas = [milder(strength).first.noise.gaussian_sigma[1] for strength in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)]
    assert sigmas == sorted(sigmas)


def test_without_a_strength_one_is_drawn_and_told():
    hr = scene(64)
    strengths = []
    for seed in range(60):
        lr, (history,) = degrade_with_history(hr, kind="web", seed=seed)
        strength = history[0].values["strength"]
        assert torch.equal(degrade(hr, kind="web", seed=seed, strength=strength), lr)
        strengths.append(strength)
    assert min(strengths) < 0.1
    assert max(strengths) > 0.9
    assert 0.35 < np.mean(strengths) < 0.65


def test_a_setting_of_ones_own_is_the_same_as_the_strength():
    hr = scene(64)
    for strength in (0.0, 0.4, 0.8):
        assert torch.equal(
            degrade(hr, kind=Web(strength=strength), seed=3), degrade(hr, kind="web", seed=3, strength=strength)
        )


def block_corners(lr: torch.Tensor) -> tuple[int, int]:
    """Rows and columns before the first whole block, by where neighbours differ most."""
    grey = lr[0].mean(0)
    down = (grey[1:] - grey[:-1]).abs().mean(1)
    right = (grey[:, 1:] - grey[:, :-1]).abs().mean(0)
    found = [int(np.argmax([steps[phase::8].mean() for phase in range(8)])) for steps in (down, right)]
    return (found[0] + 1) % 8, (found[1] + 1) % 8


def test_blocks_lie_anywhere_and_where_the_history_says():
    hr = torch.nn.functional.interpolate(scene(16), size=(1024, 1024), mode="bilinear")
    places = set()
    for seed in range(12):
        lr, (history,) = degrade_with_history(hr, kind="web", seed=seed, strength=0.5)
        cut = [history[-1].values[key] for key in ("rows_above", "columns_before")]
        assert block_corners(lr) == tuple(-count % 8 for count in cut)
        places.add(tuple(cut))
    assert len(places) > 8


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan")])
def test_a_strength_out_of_range_is_told(strength):
    with pytest.raises(SettingError, match="from 0 to 1"):
        degrade(scene(16), kind="web", strength=strength)


@pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind != "web"), RealESRGAN()])
def test_other_kinds_have_no_strength(kind):
    with pytest.raises(SettingError, match="no strength"):
        degrade(scene(16), kind=kind, strength=0.5)
