"""What an `Upscaler` is given: wrong arguments and their sentences, many pictures at once, copies of itself."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.errors import DeltasrError, PictureError, SettingError
from deltasr.imaging import Picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models.base import Model
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb

SMALL = {"model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "swin_embed_dim": 32}
MODELS: dict[str, Callable[[], Model]] = {
    "interpolation": lambda: Interpolation(method="bicubic"),
    "deltadiff": lambda: DeltaDiff(dial=True),
    "rrdb": lambda: Rrdb(blocks=1, width=8),
    "resshift": lambda: ResShift(first_stage="pixel-unshuffle", denoiser=SMALL),
}


def _levels(height: int = 6, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def upscaler(conv_net) -> Upscaler:
    return Upscaler(conv_net(dial=True))


def _sentence(error: DeltasrError) -> str:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 300
    return text


NO_FACTORS = [0, -1, float("nan"), float("inf"), "2", [2], (2, 2), True, 10**11, 10**400, 10**5000, 1e300, b"2", 2j]


@pytest.mark.parametrize("scale", NO_FACTORS, ids=lambda scale: type(scale).__name__)
def test_impossible_factors_are_refused(upscaler, scale):
    with pytest.raises(SettingError, match=r"cannot be scaled by .* give a factor above 0") as error:
        upscaler.upscale(_levels(), scale=scale)
    _sentence(error.value)
    with pytest.raises(SettingError, match="cannot be scaled by"):
        upscaler.result_size(Picture(pixels=_levels()), scale)


@pytest.mark.parametrize(
    "size", [0, 12, "12x12", (12,), (12, 0), (12, -1), (12, 1.5), (12, "12"), (12, True), (12, 10**99)]
)
def test_impossible_sizes_are_refused(upscaler, size):
    with pytest.raises(SettingError, match=r"cannot have the size .* give \(height, width\)") as error:
        upscaler.upscale(_levels(), size=size)
    _sentence(error.value)


def test_a_scale_and_a_size_together_are_refused(upscaler):
    with pytest.raises(SettingError, match="leave one of them out"):
        upscaler.upscale(_levels(), scale=2, size=(12, 10))


@pytest.mark.parametrize(
    "fidelity", [-0.1, 1.5, float("nan"), float("inf"), "x", "0.5", [0.5], True, 10**5000], ids=type
)
def test_impossible_fidelities_are_refused(upscaler, fidelity):
    with pytest.raises(SettingError, match="give a number from 0 to 1") as error:
        upscaler.upscale(_levels(), fidelity=fidelity)
    _sentence(error.value)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", True, [1], float("nan")])
def test_impossible_seeds_are_refused(upscaler, seed):
    with pytest.raises(SettingError, match="is not a seed; give a whole number") as error:
        upscaler.upscale(_levels(), seed=seed)
    _sentence(error.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *[
            ({"device": device}, "device")
            for device in ("abacus", None, "meta", "vulkan", "xla", 1.5, "", [], "\x1b[2J")
        ],
        *[({"dtype": dtype}, "no dtype") for dtype in ("int8", None, 16, ["float32"], torch.int8)],
        *[({"tile": tile}, "A tile of .* is not possible") for tile in (-1, 1.5, "x", True, [64], float("nan"))],
        *[({name: "no"}, f"The setting {name} is no; give True or False") for name in ("consistency", "ensemble")],
    ],
)
def test_wrong_settings_are_named(wrong, message):
    with pytest.raises(SettingError, match=message) as error:
        Upscaler(Interpolation(method="bicubic"), **wrong)
    assert "\x1b" not in _sentence(error.value)


@pytest.mark.parametrize("model", [None, 5, "deltadiff-x4", torch.nn.Linear(2, 2), Interpolation], ids=type)
def test_what_is_no_model_is_refused(model):
    with pytest.raises(SettingError, match=r"is not a model of deltasr; give what deltasr\.load returns") as error:
        Upscaler(model)
    _sentence(error.value)


def test_a_dtype_that_the_model_does_not_support_is_refused(conv_net):
    model = conv_net()
    model.dtypes = ("float32", "bfloat16")
    with pytest.raises(SettingError, match="conv-net does not compute in float16; choose one of float32, bfloat16"):
        Upscaler(model, dtype="float16")
    Upscaler(model, dtype="bfloat16")


def test_numpys_numbers_are_numbers(upscaler):
    picture = _levels()
    expected = upscaler.upscale(picture, scale=1.5, seed=3, fidelity=0.5)
    asked: dict[str, Any] = {"scale": np.float32(1.5), "seed": np.int64(3), "fidelity": np.float32(0.5)}
    assert np.array_equal(upscaler.upscale(picture, **asked).pixels, expected.pixels)
    assert np.array_equal(
        upscaler.upscale(picture, size=(np.int64(12), np.int32(10))).pixels, upscaler.upscale(picture).pixels
    )


def test_a_default_device_of_torch_changes_nothing(upscaler):
    picture, scales = np.dstack([_levels(40, 30), _levels(40, 30)[..., 0]]), (None, 1.5, 3)
    expected = [upscaler.upscale(picture, scale=scale) for scale in scales]
    consistent = Upscaler(DeltaDiff(dial=True)).upscale(picture)
    torch.set_default_device("meta")
    try:
        results = [upscaler.upscale(picture, scale=scale) for scale in scales]
        again = Upscaler(Interpolation(method="bicubic"), consistency=True).upscale(picture)
    finally:
        torch.set_default_device(None)
    for result, wanted in zip(results, expected, strict=True):
        assert np.array_equal(result.pixels, wanted.pixels)
        assert np.array_equal(result.alpha, wanted.alpha)
    assert again.pixels.shape == consistent.pixels.shape


def test_a_file_s_bytes_and_an_open_file_are_the_picture_in_them(upscaler, tmp_path):
    file = tmp_path / "picture.png"
    Image.fromarray(_levels()).save(file)
    expected = upscaler.upscale(_levels()).pixels
    with file.open("rb") as opened:
        for source in (file.read_bytes(), bytearray(file.read_bytes()), opened, io.BytesIO(file.read_bytes())):
            assert np.array_equal(upscaler.upscale(source).pixels, expected)
    assert [result.height for result in upscaler.upscale([file, file.read_bytes()])] == [12, 12]


def test_a_mask_is_black_and_white(upscaler):
    mask = _levels()[..., 0] > 100
    for source in (mask, torch.from_numpy(mask)):
        result = upscaler.upscale(source)
        assert np.array_equal(result.pixels, upscaler.upscale(mask.astype(np.uint8) * 255).pixels)


def test_a_path_with_a_null_character_is_refused(upscaler):
    with pytest.raises(PictureError, match="null") as error:
        upscaler.upscale("a\0b")
    _sentence(error.value)


def _several() -> list[Any]:
    levels = [_levels(seed=seed) for seed in range(3)]
    return [levels[0], Image.fromarray(levels[1]), torch.from_numpy(levels[2]).permute(2, 0, 1)]


@pytest.mark.parametrize("form", [list, tuple, iter, lambda pictures: (picture for picture in pictures)])
def test_many_pictures_give_an_iterator_of_results(upscaler, form):
    results = upscaler.upscale(form(_several()), scale=1.5, fidelity=0.2)
    assert isinstance(results, Iterator)
    for result, source in zip(results, _several(), strict=True):
        assert np.array_equal(result.pixels, upscaler.upscale(source, scale=1.5, fidelity=0.2).pixels)


def test_pictures_are_taken_one_at_a_time(upscaler):
    taken: list[int] = []

    def pictures() -> Iterator[np.ndarray]:
        for number in range(3):
            taken.append(number)
            yield _levels(seed=number)

    results = upscaler.upscale(pictures())
    assert taken == []
    next(results)
    assert taken == [0]


ONE_PICTURE = [b"file", bytearray(b"file"), io.BytesIO(b"file"), "file", Path("file"), _levels()]


@pytest.mark.parametrize("source", ONE_PICTURE, ids=type)
def test_what_can_be_iterated_over_and_is_one_picture_is_taken_whole(upscaler, monkeypatch, source):
    given: list[object] = []

    def picture_from(one: object) -> Picture:
        given.append(one)
        return Picture(pixels=_levels())

    monkeypatch.setattr("deltasr.inference.upscaler.picture_from", picture_from)
    assert isinstance(upscaler.upscale(source), Picture)
    assert len(given) == 1
    assert given[0] is source


def test_a_picture_that_fails_does_not_end_the_others(upscaler, tmp_path):
    results = upscaler.upscale([_levels(), tmp_path / "missing.png", [[1, 2], [3, 4]], _levels()])
    first = next(results)
    for _ in range(2):
        with pytest.raises(PictureError):
            next(results)
    assert np.array_equal(next(results).pixels, first.pixels)
    assert next(results, None) is None


def test_wrong_settings_of_many_pictures_are_named_at_once(upscaler):
    for wrong in ({"scale": "2"}, {"seed": -1}, {"fidelity": 2}, {"size": 3}):
        with pytest.raises(SettingError):
            upscaler.upscale([_levels()], **wrong)


@pytest.mark.parametrize("source", [None, 5, {}, {"a": 1}, object()], ids=type)
def test_what_is_neither_a_picture_nor_several_is_refused(upscaler, source):
    with pytest.raises(PictureError, match="is not a picture"):
        upscaler.upscale(source)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_work_as_the_first_one_does(name, copied):
    upscaler = Upscaler(MODELS[name](), tile=8)
    expected = upscaler.upscale(_levels(20, 17), scale=1.5)
    again = copied(upscaler)
    assert np.array_equal(again.upscale(_levels(20, 17), scale=1.5).pixels, expected.pixels)
    assert again.overlap == upscaler.overlap


@pytest.mark.parametrize("name", MODELS)
def test_another_process_gives_the_same_bytes(name):
    upscaler = Upscaler(MODELS[name]())
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        result = processes.submit(upscaler.upscale, _levels(), scale=3).result()
    assert np.array_equal(result.pixels, upscaler.upscale(_levels(), scale=3).pixels)
