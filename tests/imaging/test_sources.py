from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.errors import PictureError
from deltasr.imaging import Picture, picture_from


def test_paths_and_pictures(tmp_path, samples):
    Image.fromarray(samples.rgb8).save(tmp_path / "a.png")
    assert np.array_equal(picture_from(tmp_path / "a.png").pixels, samples.rgb8)
    assert np.array_equal(picture_from(str(tmp_path / "a.png")).pixels, samples.rgb8)
    picture = Picture(pixels=samples.rgb8)
    assert picture_from(picture) is picture


def test_bytes_and_file_objects(tmp_path, samples):
    Image.fromarray(samples.rgb8).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for source in (content, bytearray(content), io.BytesIO(content)):
        assert np.array_equal(picture_from(source).pixels, samples.rgb8)
    with pytest.raises(PictureError, match="over the limit of 599"):
        picture_from(content, max_pixels=599)
    with pytest.raises(PictureError, match="given bytes"):
        picture_from(b"nonsense")


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1)])
def test_masks_are_black_and_white(samples, shape):
    mask = samples.grey8[..., 0] > 99
    expected = np.where(mask, 255, 0)
    picture = picture_from(mask.reshape(shape))
    assert picture.pixels.dtype == np.uint8
    assert np.array_equal(picture.pixels[..., 0], expected)
    for tensor in (torch.from_numpy(mask), torch.from_numpy(mask)[None]):
        assert np.array_equal(picture_from(tensor).pixels[..., 0], expected)


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays(samples, channels, dtype):
    array = np.random.default_rng(0).integers(0, 256, (5, 7, channels or 1)).astype(dtype)
    picture = picture_from(array if channels else array[..., 0])
    colours = 1 if channels < 3 else 3
    assert np.array_equal(picture.pixels, array[..., :colours])
    assert picture.pixels.dtype == dtype
    if channels in (2, 4):
        assert np.array_equal(picture.alpha, array[..., -1])
    else:
        assert picture.alpha is None


def test_big_endian_arrays(samples):
    assert np.array_equal(picture_from(samples.rgb16.astype(">u2")).pixels, samples.rgb16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_rounded_to_16_bits(samples, dtype):
    picture = picture_from((samples.rgb16 / 65535).astype(dtype))
    assert np.array_equal(picture.pixels, samples.rgb16)
    assert picture_from(np.array([[1.0005, -0.0005]], dtype)).pixels[0, :, 0].tolist() == [65535, 0]


@pytest.mark.parametrize("value", [1.5, -0.2, 255.0, np.nan, np.inf])
def test_floats_out_of_range_are_refused(value):
    array = np.full((2, 2, 3), 0.5)
    array[0, 0, 0] = value
    with pytest.raises(PictureError, match="range from 0 to 1"):
        picture_from(array)


@pytest.mark.parametrize("shape", [(3, 8, 9), (1, 3, 8, 9)])
def test_tensors(shape):
    tensor = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    picture = picture_from(tensor)
    expected = tensor.reshape(3, 8, 9).permute(1, 2, 0).double().mul(65535).round().numpy()
    assert np.array_equal(picture.pixels, expected.astype(np.uint16))
    assert np.allclose(picture.to_tensor().numpy(), tensor.reshape(1, 3, 8, 9).numpy(), atol=1 / 131000)
    assert picture_from(tensor.requires_grad_().to(torch.bfloat16)).height == 8


def test_uint8_tensors_stay_exact(samples):
    tensor = torch.from_numpy(samples.rgb8).permute(2, 0, 1)
    assert np.array_equal(picture_from(tensor).pixels, samples.rgb8)


def test_tensors_whose_sign_is_only_noted():
    negated = torch.complex(torch.zeros(3, 4, 5), -torch.full((3, 4, 5), 0.5)).conj().imag
    assert negated.is_neg()
    assert (picture_from(negated).pixels == 32768).all()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(3, 4, 5, device="meta"), "meta device is not a picture: it holds no values"),
        (torch.zeros(3, 4, 5).to_sparse(), r"layout torch.sparse_coo is not a picture; give tensor.to_dense\(\)"),
        (torch.zeros(3, 4, 5, dtype=torch.complex64).conj(), "complex64 is not a picture"),
    ],
)
def test_tensors_without_plain_values_are_refused(tensor, message):
    with pytest.raises(PictureError, match=message):
        picture_from(tensor)


def test_to_tensor_repeats_grey_and_covers_the_range(samples):
    tensor = Picture(pixels=samples.grey16).to_tensor()
    assert tensor.shape == (1, 3, 20, 30)
    assert tensor.dtype == torch.float32
    assert torch.equal(tensor[:, 0], tensor[:, 2])
    assert (tensor.min(), tensor.max()) == (0, 1)
    assert Picture(pixels=samples.rgb8).to_tensor()[0, 1, 4, 5] == pytest.approx(samples.rgb8[4, 5, 1] / 255)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pillow_there_and_back(samples, mode):
    image = Image.fromarray(np.dstack((samples.rgb8, samples.alpha8))).convert(mode)
    again = picture_from(image).to_pil()
    assert again.mode == mode
    assert np.array_equal(np.asarray(again), np.asarray(image))


def test_pillow_palettes_bits_and_16_bits(samples):
    palette = Image.fromarray(samples.rgb8).quantize(16)
    assert np.array_equal(picture_from(palette).pixels, np.asarray(palette.convert("RGB")))
    palette.info["transparency"] = 3
    assert np.array_equal(picture_from(palette).alpha, np.where(np.asarray(palette) == 3, 0, 255))
    bits = Image.fromarray(samples.grey8[..., 0] > 99)
    assert np.array_equal(picture_from(bits).pixels[..., 0], np.where(samples.grey8[..., 0] > 99, 255, 0))
    deep = Image.fromarray(samples.grey16[..., 0])
    assert deep.mode == "I;16"
    assert np.array_equal(picture_from(deep).pixels, samples.grey16)
    assert np.array_equal(np.asarray(picture_from(deep).to_pil()), samples.grey16[..., 0])


def test_pillow_cmyk_like_the_same_file(tmp_path, samples):
    image = Image.fromarray(np.dstack((samples.rgb8, samples.grey8)), "CMYK")
    image.save(tmp_path / "a.tif")
    picture, from_file = picture_from(image), picture_from(tmp_path / "a.tif")
    assert np.array_equal(picture.pixels, from_file.pixels)
    assert picture.metadata.icc == from_file.metadata.icc
    assert picture.notes == from_file.notes != ()


@pytest.mark.parametrize(
    ("dpi", "expected"),
    [
        (300, (300, 300)),
        (72.5, (72.5, 72.5)),
        ((300, 150), (300, 150)),
        ([300, 150], (300, 150)),
        ("300", (300, 300)),
        ((300,), None),
        (("a", "b"), None),
        ((0, 0), None),
        (float("nan"), None),
        (None, None),
        ({}, None),
    ],
)
def test_pillow_resolutions_of_any_type(samples, dpi, expected):
    image = Image.fromarray(samples.rgb8)
    image.info["dpi"] = dpi
    found = picture_from(image).metadata.resolution
    assert found == (expected if expected is None else pytest.approx([value / 25.4 for value in expected]))


@pytest.mark.parametrize("key", ["exif", "xmp", "icc_profile"])
@pytest.mark.parametrize("value", [7, {"a": 1}, object()])
def test_pillow_metadata_of_other_types_are_left_out_with_a_note(samples, key, value):
    image = Image.fromarray(samples.rgb8)
    image.info[key] = value
    picture = picture_from(image)
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert (picture.metadata.exif, picture.metadata.xmp, picture.metadata.icc) == (None, None, None)
    (note,) = picture.notes
    assert f"a {type(value).__name__} instead of bytes" in note


def test_pillow_exif_objects(samples, exif):
    image = Image.fromarray(samples.rgb8)
    image.info["exif"] = exif
    picture = picture_from(image)
    assert picture.pixels.shape == (30, 20, 3)
    assert picture.metadata.exif is not None


def test_pillow_images_that_cannot_be_read(tmp_path, samples):
    image = Image.fromarray(samples.rgb8)
    image.save(tmp_path / "a.png")
    unread = Image.open(tmp_path / "a.png")
    unread.close()
    closed = Image.fromarray(samples.rgb8)
    closed.close()
    for one in (unread, closed):
        with pytest.raises(PictureError, match=r"^The Pillow image cannot be read: .*\.$"):
            picture_from(one)
    image.info["transparency"] = "red"
    with pytest.raises(PictureError, match="transparency of the Pillow image cannot be used"):
        picture_from(image)


def test_pillow_transparent_colour(samples):
    image = Image.fromarray(samples.rgb8)
    image.info["transparency"] = tuple(int(v) for v in samples.rgb8[2, 2])
    assert picture_from(image).alpha[2, 2] == 0


@pytest.mark.parametrize(
    "source",
    [
        7,
        None,
        [[1, 2], [3, 4]],
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((2, 2), np.int32),
        torch.zeros(2, 3, 4, 4),
        torch.zeros(4, 4),
        Image.new("F", (2, 2)),
    ],
)
def test_what_is_no_picture_is_refused(source):
    with pytest.raises(PictureError, match=r"is not a picture|is not supported"):
        picture_from(source)
