"""`imresize` against a plain dense implementation, against published LR pictures, and as a differentiable function."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deltasr.degradation.bicubic import cubic, downscale, imresize, resize_taps
from deltasr.errors import SettingError

Array = NDArray[np.float64]


def keys_kernel(x: float) -> float:
    """Keys' cubic, a = -0.5, one number at a time."""
    a, x = -0.5, abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def dense(length: int, size: int, scale: float, *, antialias: bool) -> Array:
    """(size, length): the matrix of a resize, each weight by looking at every source sample and its mirror images."""
    stretch = min(scale, 1.0) if antialias else 1.0
    reach = math.ceil(2 / stretch) + 1
    matrix = np.zeros((size, length))
    for row in range(size):
        position = (row + 0.5) / scale - 0.5
        for sample in range(math.floor(position) - reach, math.ceil(position) + reach + 1):
            seen = sample
            while not 0 <= seen < length:
                seen = -1 - seen if seen < 0 else 2 * length - 1 - seen
            matrix[row, seen] += keys_kernel((position - sample) * stretch)
    return matrix / matrix.sum(axis=1, keepdims=True)


def resize_densely(image: Array, height: int, width: int, scales: tuple[float, float], *, antialias: bool) -> Array:
    rows = dense(image.shape[-2], height, scales[0], antialias=antialias)
    columns = dense(image.shape[-1], width, scales[1], antialias=antialias)
    return np.einsum("ay,...yx,bx->...ab", rows, image, columns)


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_kernel_values():
    x = torch.tensor([-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0], dtype=torch.float64)
    expected = [0.0, 0.0, -0.0625, 0.0, 0.5625, 1.0, 0.8671875, 0.5625, 0.0, -0.0625, 0.0, 0.0]
    assert cubic(x).tolist() == expected


def test_kernel_sums_to_one_and_is_exact_for_a_parabola():
    offsets = torch.arange(-3, 4, dtype=torch.float64)
    for shift in (0.0, 0.1, 0.37, 0.5, 0.99):
        weights = cubic(shift - offsets)
        for power in (0, 1, 2):
            assert float((weights * offsets**power).sum()) == pytest.approx(shift**power, abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 13), width=st.integers(1, 13), new_height=st.integers(1, 17), new_width=st.integers(1, 17),
    antialias=st.booleans(),
)  # fmt: skip
def test_any_size_as_the_dense_matrix_has_it(height: int, width: int, new_height: int, new_width: int, antialias: bool):
    image = picture(2, height, width)
    expected = resize_densely(
        image.numpy(), new_height, new_width, (new_height / height, new_width / width), antialias=antialias
    )
    found = imresize(image, size=(new_height, new_width), antialias=antialias)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 0.4, 0.75, 1.0, 1.3, 2.0, 4.0])
@pytest.mark.parametrize("antialias", [True, False])
def test_any_scale_as_the_dense_matrix_has_it(scale: float, antialias: bool):
    image = picture(2, 3, 11, 14)
    height, width = math.ceil(11 * scale), math.ceil(14 * scale)
    expected = resize_densely(image.numpy(), height, width, (scale, scale), antialias=antialias)
    found = imresize(image, scale=scale, antialias=antialias)
    assert found.shape == (2, 3, height, width)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12, rtol=0)


def test_shrinking_stretches_the_kernel():
    """An impulse at 16 of 32, shrunk by four: the kernel reaches eight to each side, so 9.5 to 21.5 see it."""
    row = torch.zeros(1, 32, dtype=torch.float64)
    row[0, 16] = 1.0
    expected = np.zeros((1, 8))
    expected[0, 2:6] = [keys_kernel(distance / 4) / 4 for distance in (6.5, 2.5, 1.5, 5.5)]
    np.testing.assert_allclose(imresize(row, size=(1, 8)).numpy(), expected, atol=1e-15)


def test_scale_one_changes_nothing_and_shares_nothing():
    image = picture(3, 5, 4)
    same = imresize(image, scale=1.0)
    assert torch.equal(same, image)
    assert same.data_ptr() != image.data_ptr()


def test_one_axis_alone():
    image = picture(3, 5, 8)
    assert torch.equal(imresize(image, size=(5, 4)), imresize(image.mT, size=(4, 5)).mT)


def test_float32_stays_close_and_is_contiguous():
    image = picture(1, 3, 64, 48)
    single = imresize(image.float(), scale=0.25)
    assert single.dtype == torch.float32
    assert single.is_contiguous()
    torch.testing.assert_close(single.double(), imresize(image, scale=0.25), atol=5e-7, rtol=0)


def test_constant_pictures_stay_constant_at_the_borders():
    for size in ((3, 2), (7, 7), (20, 31)):
        torch.testing.assert_close(
            imresize(torch.full((1, 7, 5), 0.3, dtype=torch.float64), size=size),
            torch.full((1, *size), 0.3, dtype=torch.float64),
            atol=1e-15,
            rtol=0,
        )


@pytest.mark.parametrize("size", [(2, 3), (7, 9)])
def test_gradients_flow(size: tuple[int, int]):
    assert torch.autograd.gradcheck(lambda image: imresize(image, size=size), (picture(1, 5, 6).requires_grad_(),))


@pytest.fixture
def forgotten_taps() -> Iterator[None]:
    resize_taps.cache_clear()
    yield
    resize_taps.cache_clear()


@pytest.mark.usefixtures("forgotten_taps")
def test_taps_that_were_first_made_for_inference_serve_training_too():
    with torch.inference_mode():
        imresize(picture(1, 8, 8), scale=0.5)
    image = picture(1, 8, 8).requires_grad_()
    imresize(image, scale=0.5).sum().backward()
    assert image.grad is not None


@pytest.mark.usefixtures("forgotten_taps")
def test_taps_do_not_land_on_the_default_device():
    with torch.device("meta"):
        indices, weights = resize_taps(8, 4, 0.5, True)
    assert indices.device.type == weights.device.type == "cpu"


def test_downscale_is_a_clamped_imresize():
    hr = torch.zeros(2, 3, 12, 32, dtype=torch.float64)
    hr[..., 16:] = 1.0
    lr, unclamped = downscale(hr, 4), imresize(hr, scale=0.25)
    assert lr.shape == (2, 3, 3, 8)
    assert float(unclamped.min()) < 0 < 1 < float(unclamped.max())
    assert torch.equal(lr, unclamped.clamp(0, 1))


@pytest.mark.parametrize(("height", "width"), [(13, 8), (12, 9)])
def test_downscale_refuses_sizes_that_do_not_divide(height: int, width: int):
    with pytest.raises(SettingError, match=f"{height}x{width} pixels cannot shrink by 4"):
        downscale(picture(1, 3, height, width), 4)


def test_settings_out_of_range_are_named():
    image = picture(1, 4, 4)
    for settings_, named in (
        ({}, "exactly one"),
        ({"scale": 2.0, "size": (8, 8)}, "exactly one"),
        ({"scale": 0.0}, "scale 0"),
        ({"scale": math.nan}, "scale nan"),
        ({"scale": math.inf}, "scale inf"),
        ({"size": (0, 3)}, "0x3 pixels"),
    ):
        with pytest.raises(SettingError, match=named):
            imresize(image, **settings_)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="uint8"):
        imresize(torch.zeros(1, 4, 4, dtype=torch.uint8), scale=2.0)
    with pytest.raises(SettingError, match="by 0"):
        downscale(image, 0)


def levels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


def test_published_lr_pictures_come_out_within_one_level(shared: Path):
    within = total = 0
    for lr_path in sorted((shared / "data" / "eval" / "Set14" / "LR_bicubic_x4").iterdir()):
        lr = levels(lr_path).astype(int)
        hr_path = shared / "data" / "eval" / "Set14" / "HR" / lr_path.name.replace("x4", "")
        height, width = (side * 4 for side in lr.shape[:2])
        hr = torch.from_numpy(levels(hr_path)[:height, :width].copy()).permute(2, 0, 1)[None].double() / 255
        made = (downscale(hr, 4) * 255).round()[0].permute(1, 2, 0).numpy()
        within += int((abs(made - lr) <= 1).sum())
        total += lr.size
    assert total > 500_000
    assert within / total >= 0.994
