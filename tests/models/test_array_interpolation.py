"""Interpolations on NumPy's arrays give what those of torch give, to the last bit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.array_interpolation import UPSAMPLINGS, ArrayInterpolation
from deltasr.models.interpolation import Interpolation

fused = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="torch has no fused multiply-add on this CPU"
)


def pictures(*shape: int, levels: int) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(0).integers(0, levels + 1, shape).astype(np.float32) / np.float32(levels)
    return values


@fused
@pytest.mark.parametrize("method", UPSAMPLINGS)
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (67, 90)])
def test_the_bits_are_torchs(method: str, scale: int, size: tuple[int, int]):
    for levels in (255, 65535):
        lr = pictures(2, 3, *size, levels=levels)
        found = ArrayInterpolation(method=method, scale=scale)(lr)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, Interpolation(method=method, scale=scale)(torch.from_numpy(lr)).numpy())


@fused
@pytest.mark.parametrize("method", UPSAMPLINGS)
def test_whole_pictures_have_torchs_bytes(method: str):
    model = pickle.loads(pickle.dumps(ArrayInterpolation(method=method)))
    pixels = np.random.default_rng(1).integers(0, 256, (41, 33, 3), np.uint8)
    for source in (pixels, pixels.astype(np.uint16) * 257 + np.uint16(3)):
        expected = Upscaler(Interpolation(method=method), device="cpu", tile=16).upscale(source).pixels
        np.testing.assert_array_equal(Upscaler(model, tile=16).upscale(source).pixels, expected)


def test_tensors_come_back_as_tensors():
    lr = torch.from_numpy(pictures(1, 3, 5, 4, levels=255))
    found = ArrayInterpolation(method="bicubic")(lr)
    torch.testing.assert_close(found, Interpolation(method="bicubic")(lr), atol=1e-6, rtol=0)


def test_without_torch_the_catalogue_has_all_but_bilinear(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "has_torch", lambda: False)
    for name in UPSAMPLINGS:
        model, entry = catalogue.load(name), catalogue.describe(name)
        assert isinstance(model, ArrayInterpolation)
        assert (model.name, model.description) == (name, entry.description)
        assert model.receptive_field == Interpolation(method=name).receptive_field
