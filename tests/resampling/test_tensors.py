"""`imresize` against a plain dense implementation, against published LR pictures, and as a differentiable function."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deltasr.errors import SettingError
from deltasr.resampling import tensors
from deltasr.resampling.kernels import resize_taps
from deltasr.resampling.tensors import downscale, imresize, mirror

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


@pytest.mark.parametrize("size", [(2, 3), (7, 9), (10, 3), (10, 24)])
def test_gradients_flow(size: tuple[int, int]):
    assert torch.autograd.gradcheck(lambda image: imresize(image, size=size), (picture(1, 5, 6).requires_grad_(),))


def test_sizes_first_seen_in_inference_serve_training_too():
    resize_taps.cache_clear()
    with torch.inference_mode():
        imresize(picture(1, 8, 8), scale=0.6)
    image = picture(1, 8, 8).requires_grad_()
    imresize(image, scale=0.6).sum().backward()
    assert image.grad is not None


def test_it_computes_where_the_picture_is_and_not_on_the_default_device():
    image = picture(1, 8, 8)
    with torch.device("meta"):
        for scale in (0.6, 0.5):
            assert imresize(image, scale=scale).device.type == "cpu"


def test_pictures_are_mirrored_around_themselves():
    image = torch.arange(6).reshape(1, 2, 3)
    assert mirror(image, range(-1, 4), range(-4, 5)).tolist() == [
        [
            [2, 2, 1, 0, 0, 1, 2, 2, 1],
            [2, 2, 1, 0, 0, 1, 2, 2, 1],
            [5, 5, 4, 3, 3, 4, 5, 5, 4],
            [5, 5, 4, 3, 3, 4, 5, 5, 4],
            [2, 2, 1, 0, 0, 1, 2, 2, 1],
        ]
    ]


WAYS = [  # height, width, its height and width afterwards, and whether PyTorch's interpolation does it
    (64, 48, 16, 12, True), (4, 4, 1, 1, True), (1, 1, 4, 4, True), (1, 5, 8, 40, True), (3, 2, 24, 4, True),
    (37, 16, 37, 1, True), (2, 48, 2, 3, True), (33, 21, 22, 14, True), (999, 30, 333, 10, True),
    (3000, 8, 9000, 24, False), (40, 40, 60, 60, False), (48, 48, 36, 36, False), (17, 34, 8, 16, False),
    (7, 9, 5, 4, False), (34, 34, 2, 2, False),
]  # fmt: skip
"""Of each pair of sides both factors need a power of two above a denominator of at most 16."""


@pytest.mark.parametrize(("height", "width", "new_height", "new_width", "interpolated"), WAYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_give_the_same_numbers(
    monkeypatch, height: int, width: int, new_height: int, new_width: int, interpolated: bool, dtype: torch.dtype
):
    image = picture(2, 3, height, width).to(dtype)
    ways = []
    real = tensors._interpolated
    monkeypatch.setattr(tensors, "_interpolated", lambda *arguments: ways.append(1) or real(*arguments))
    found = imresize(image, size=(new_height, new_width))
    assert bool(ways) is interpolated
    monkeypatch.setattr(tensors, "_interpolation_is_exact", lambda *_: False)
    by_taps = imresize(image, size=(new_height, new_width))
    assert found.dtype == dtype
    assert found.shape == by_taps.shape
    assert found.is_contiguous()
    torch.testing.assert_close(found, by_taps, atol=5e-7 if dtype == torch.float32 else 1e-14, rtol=0)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_enlarging_by_a_power_of_two_gives_the_taps_bits(monkeypatch, scale: int):
    """The results of the model `bicubic` hang on them: from 8-bit pictures, many lie halfway between two levels."""
    image = (picture(1, 3, 61, 33) * 255).round().float() / 255
    found = imresize(image, scale=scale)
    monkeypatch.setattr(tensors, "_interpolation_is_exact", lambda *_: False)
    assert torch.equal(found, imresize(image, scale=scale))


@pytest.mark.parametrize("size", [(1004, 260), (251, 65), (502, 130), (1000, 300)])
def test_the_number_of_threads_changes_no_bit(size: tuple[int, int]):
    image = picture(1, 3, 502, 130).float()
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(imresize(image, size=size))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("size", [(2, 3), (3, 2), (16, 24)])
def test_pictures_in_other_layouts_and_no_pictures_at_all(size: tuple[int, int]):
    image = picture(2, 3, 8, 12).float()
    expected = imresize(image, size=size)
    assert torch.equal(imresize(image.to(memory_format=torch.channels_last), size=size), expected)
    assert torch.equal(imresize(image[0, 0], size=size), expected[0, 0])
    assert imresize(image[:0], size=size).shape == (0, 3, *size)


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
