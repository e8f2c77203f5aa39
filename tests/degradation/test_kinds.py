"""What every degradation promises: size, range, type, determinism, and pictures that do not depend on each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deltasr.degradation import KINDS, BlurAndNoise, RealESRGAN, degrade, downscale
from deltasr.degradation.draws import derived_seed, generator_for, permutation, uniform_integer
from deltasr.degradation.sheet import contact_sheet
from deltasr.errors import SettingError

RANDOM = [name for name, kind in KINDS.items() if kind.random]


def pictures(count: int = 3, height: int = 41, width: int = 34) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scale", "size"), [(1, (41, 34)), (2, (20, 17)), (3, (13, 11)), (4, (10, 8))])
def test_odd_sizes_come_out_exact_and_in_range(kind, scale, size):
    lr = degrade(pictures(), kind=kind, scale=scale, seed=1)
    assert lr.shape == (3, 3, *size)
    assert lr.dtype == torch.float32
    assert lr.min() >= 0
    assert lr.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind):
    hr = pictures()
    torch.rand(5)
    assert torch.equal(degrade(hr, kind=kind, seed=4), degrade(hr, kind=kind, seed=4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_does_not_depend_on_the_rest_of_its_batch(kind):
    hr = pictures(4)
    together = degrade(hr, kind=kind, seed=9)
    other = hr.clone()
    other[[0, 2, 3]] = torch.rand(3, *hr.shape[1:])
    assert torch.equal(degrade(other, kind=kind, seed=9)[1], together[1])
    assert torch.equal(degrade(hr[:2], kind=kind, seed=9), together[:2])
    assert torch.equal(degrade(hr.to(memory_format=torch.channels_last), kind=kind, seed=9), together)


@pytest.mark.parametrize("kind", RANDOM)
def test_pictures_and_seeds_differ(kind):
    same = pictures(1).expand(3, -1, -1, -1)
    lr = degrade(same, kind=kind, seed=1)
    assert not torch.equal(lr[0], lr[1])
    assert not torch.equal(lr[1], lr[2])
    assert not torch.equal(lr, degrade(same, kind=kind, seed=2))


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in RANDOM])
def test_deterministic_kinds_pass_over_the_seed(kind):
    assert torch.equal(degrade(pictures(), kind=kind, seed=1), degrade(pictures(), kind=kind, seed=2))


@pytest.mark.parametrize("kind", RANDOM)
def test_neither_the_global_generator_nor_the_default_device_matter(kind):
    hr = pictures()
    state = torch.get_rng_state()
    with torch.device("meta"):
        lr = degrade(hr, kind=kind, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(lr, degrade(hr, kind=kind, seed=4))


def test_bicubic_is_the_standard_degradation():
    hr = pictures(2, 40, 32)
    assert torch.equal(degrade(hr, kind="bicubic", scale=4), downscale(hr, 4))


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(RANDOM),
    height=st.integers(4, 30),
    width=st.integers(4, 30),
    seed=st.integers(-(2**70), 2**70),
)
def test_tiny_pictures_and_any_seed(kind, height, width, seed):
    lr = degrade(pictures(1, height, width), kind=kind, seed=seed)
    assert lr.shape == (1, 3, height // 4, width // 4)
    assert lr.isfinite().all()


def test_settings_of_ones_own():
    hr = pictures()
    once = degrade(hr, kind=RealESRGAN(second_order_probability=0.0), seed=3)
    assert not torch.equal(once, degrade(hr, kind=RealESRGAN(second_order_probability=1.0), seed=3))
    assert torch.equal(degrade(hr, kind=BlurAndNoise(), seed=3), degrade(hr, kind="resshift-test", seed=3))


@pytest.mark.parametrize(
    ("hr", "options", "named"),
    [
        (pictures(), {"kind": "nothing"}, "realesrgan"),
        (pictures(), {"kind": "bicubic", "scale": 0}, "by 0"),
        (pictures()[0], {"kind": "bicubic"}, "(3, 41, 34)"),
        (pictures()[:, :1], {"kind": "bicubic"}, "(3, 1, 41, 34)"),
        (pictures()[:0], {"kind": "bicubic"}, "(0, 3, 41, 34)"),
        ((pictures() * 255).byte(), {"kind": "bicubic"}, "uint8"),
        (pictures(1, 3, 9), {"kind": "bicubic"}, "9x3"),
    ],
)
def test_what_cannot_be_degraded(hr, options, named):
    with pytest.raises(SettingError) as raised:
        degrade(hr, **options)
    assert named in str(raised.value)


def test_derived_seeds_are_stable_and_apart():
    assert derived_seed(7, 0) == derived_seed(7, "0") == 5751740483655848561
    seeds = {derived_seed(seed, key) for seed in range(-20, 20) for key in range(50)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_whole_numbers_and_orders():
    generator = generator_for(0, 0)
    assert {uniform_integer((7, 13), generator, step=2) for _ in range(200)} == {7, 9, 11, 13}
    assert {tuple(permutation(3, generator)) for _ in range(200)} == {
        (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0),
    }  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_cuda_agrees_with_the_cpu(kind):
    hr = pictures(2, 64, 64)
    result = degrade(hr.cuda(), kind=kind, seed=5)
    assert result.device.type == "cuda"
    difference = (result.cpu() - degrade(hr, kind=kind, seed=5)).abs()
    assert difference.mean() < 2e-3


def test_the_sheet_shows_the_picture_and_every_kind():
    hr = torch.zeros(1, 3, 42, 50)
    hr[:, 0] = 1.0
    sheet = contact_sheet(hr, scale=4, seed=1)
    cells = 1 + len(KINDS) + 2 * len(RANDOM)
    red = (sheet[..., 0] > 120) & (sheet[..., 1:].max(axis=-1) < 120)
    assert red.sum() > 0.9 * cells * 40 * 48
    assert sheet.shape == (-(-cells // 4) * (40 + 24) + 6, 4 * (48 + 6) + 6, 3)
    assert (sheet[:24, :54] < 128).all(axis=-1).any()
