"""Measuring a set: what is upscaled, what is scored, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.errors import PictureError, SettingError
from deltasr.evaluation import benchmark as benchmark_module
from deltasr.evaluation.benchmark import Measurement, measure_results, measure_upscaling
from deltasr.evaluation.metrics import psnr_y, ssim_y
from deltasr.evaluation.sets import find_set
from deltasr.imaging import Picture
from deltasr.resampling.tensors import downscale


def enlarged(picture: Picture) -> Picture:
    """Each pixel four by four times."""
    return Picture(pixels=picture.pixels.repeat(4, axis=0).repeat(4, axis=1))


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].double() / 255


def test_scores_are_of_the_saved_files(hr_folder: Path, tmp_path: Path):
    seen: list[Measurement] = []
    saved = tmp_path / "saved"
    measured = measure_upscaling(
        enlarged, find_set(hr_folder), model="nearest", scale=4, save=saved, on_measured=seen.append
    )
    assert measured == seen
    assert [m.image for m in measured] == ["picture_0", "picture_1", "picture_2"]
    for m in measured:
        assert (m.model, m.dataset, m.scale, m.border) == ("nearest", "Tiny", 4, 4)
        assert m.seconds is not None
        truth = np.asarray(Image.open(hr_folder / f"{m.image}.png"))[: m.height, : m.width]
        sr, hr = as_tensor(np.asarray(Image.open(saved / f"{m.image}.png"))), as_tensor(truth)
        assert m.psnr_y == psnr_y(sr, hr, border=4).item()
        assert m.ssim_y == ssim_y(sr, hr, border=4).item()


def test_results_that_are_not_kept_score_the_same_and_are_never_written(
    hr_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def faded(picture: Picture) -> Picture:
        levels = enlarged(picture).pixels.astype(np.uint16)
        return Picture(pixels=levels * np.uint16(211) + np.uint16(77))

    kept = measure_upscaling(faded, find_set(hr_folder), model="m", scale=4, save=tmp_path / "saved")
    from_files = measure_results(tmp_path / "saved", find_set(hr_folder), model="m", scale=4)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a result was written")

    monkeypatch.setattr(benchmark_module, "write_picture", refuse)
    thrown_away = measure_upscaling(faded, find_set(hr_folder), model="m", scale=4)
    for seen in (kept, thrown_away):
        assert [replace(m, seconds=None) for m in seen] == from_files


def test_a_16_bit_result_is_scored_as_8_bits(hr_folder: Path, tmp_path: Path):
    def sixteen(picture: Picture) -> Picture:
        levels = enlarged(picture).pixels.astype(np.uint32) * 257
        return Picture(pixels=np.minimum(levels + 100, 65535).astype(np.uint16))

    eight = measure_upscaling(enlarged, find_set(hr_folder), model="m", scale=4)
    rounded = measure_upscaling(sixteen, find_set(hr_folder), model="m", scale=4, save=tmp_path / "saved")
    assert [m.psnr_y for m in rounded] == [m.psnr_y for m in eight]
    assert Image.open(tmp_path / "saved" / "picture_0.png").mode == "RGB"


def test_hr_is_cut_to_the_scale_and_degraded_in_8_bits(hr_folder: Path):
    inputs: list[Picture] = []

    def remember(picture: Picture) -> Picture:
        inputs.append(picture)
        return enlarged(picture)

    measured = measure_upscaling(remember, find_set(hr_folder), model="m", scale=4)
    assert [(m.height, m.width, m.cut) for m in measured] == [
        (40, 48, False),
        (36, 36, False),
        (40, 48, True),
    ]
    assert all(m.degraded for m in measured)
    hr = as_tensor(np.asarray(Image.open(hr_folder / "picture_2.png"))[:40, :48])
    expected = (downscale(hr, 4)[0] * 255).round().permute(1, 2, 0).numpy()
    assert inputs[2].pixels.dtype == np.uint8
    assert np.array_equal(inputs[2].pixels, expected)


def test_grey_stays_grey_on_its_way_to_the_upscaler(tmp_path: Path):
    Image.fromarray(np.arange(48 * 48).reshape(48, 48).astype(np.uint8)).save(tmp_path / "grey.png")
    inputs: list[Picture] = []

    def remember(picture: Picture) -> Picture:
        inputs.append(picture)
        return enlarged(picture)

    (measured,) = measure_upscaling(remember, find_set(tmp_path), model="m", scale=4)
    assert inputs[0].pixels.shape == (12, 12, 1)
    assert 0 < measured.psnr_y < 100


def test_given_lr_pictures_are_used(hr_folder: Path, tmp_path: Path):
    lr = tmp_path / "LR"
    lr.mkdir()
    for path, (width, height) in zip(sorted(hr_folder.iterdir()), [(12, 10), (9, 9), (12, 10)], strict=True):
        Image.new("RGB", (width, height), (10, 200, 90)).save(lr / f"{path.stem}_LRBI_x4.png")
    measured = measure_upscaling(enlarged, find_set(hr_folder, lr), model="m", scale=4)
    assert [m.lr_psnr for m in measured] == [float("inf")] * 3
    assert not any(m.degraded for m in measured)


def test_ready_results_score_as_they_did_when_they_were_made(hr_folder: Path, tmp_path: Path):
    benchmark = find_set(hr_folder)
    made = measure_upscaling(enlarged, benchmark, model="m", scale=4, save=tmp_path / "saved")
    scored = measure_results(tmp_path / "saved", benchmark, model="m", scale=4)
    assert [m.seconds for m in scored] == [None] * 3
    for one, other in zip(made, scored, strict=True):
        assert (one.psnr_y, one.ssim_y, one.lr_psnr) == (other.psnr_y, other.ssim_y, other.lr_psnr)


def test_the_scale_of_ready_results_comes_from_the_sizes(hr_folder: Path, tmp_path: Path):
    lr = tmp_path / "LR"
    lr.mkdir()
    for path, size in zip(sorted(hr_folder.iterdir()), [(24, 20), (18, 18), (25, 20)], strict=True):
        Image.open(path).resize(size).save(lr / path.name)
    results = tmp_path / "results"
    results.mkdir()
    for path in hr_folder.iterdir():
        image = Image.open(path)
        image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2)).save(results / path.name)
    measured = measure_results(results, find_set(hr_folder, lr), model="m")
    assert [(m.scale, m.border) for m in measured] == [(2, 2)] * 3
    assert [m.psnr_y for m in measured] == [float("inf")] * 3


def test_ready_results_without_lr_need_a_scale(hr_folder: Path):
    with pytest.raises(SettingError, match="give it by --scale"):
        measure_results(hr_folder, find_set(hr_folder), model="m")


def test_border_and_perceptual_metrics_are_passed_on(hr_folder: Path):
    shapes: list[torch.Size] = []

    def distance(sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        shapes.append(sr.shape)
        return (sr - hr).abs().mean().view(1)

    whole = measure_upscaling(enlarged, find_set(hr_folder), model="m", scale=4, border=0, perceptual={"L1": distance})
    cropped = measure_upscaling(enlarged, find_set(hr_folder), model="m", scale=4)
    assert all(m.border == 0 and m.perceptual["L1"] > 0 for m in whole)
    assert shapes == [(1, 3, 40, 48), (1, 3, 36, 36), (1, 3, 40, 48)]
    assert [m.psnr_y for m in whole] != [m.psnr_y for m in cropped]


def test_lr_of_another_scale_is_refused(hr_folder: Path, tmp_path: Path):
    lr = tmp_path / "LR"
    lr.mkdir()
    for path in hr_folder.iterdir():
        Image.new("RGB", (24, 20)).save(lr / path.name)
    with pytest.raises(PictureError, match=r"picture_0\.png has 24x20 pixels.*48x40 divided by 4"):
        measure_upscaling(enlarged, find_set(hr_folder, lr), model="m", scale=4)


def test_results_of_another_size_are_refused(hr_folder: Path):
    with pytest.raises(PictureError, match=r"picture_2\.png has 50x41 pixels.*needs 48x40"):
        measure_results(hr_folder, find_set(hr_folder), model="m", scale=4)


def test_a_picture_too_small_to_score_is_named(hr_folder: Path):
    Image.new("RGB", (16, 16)).save(hr_folder / "little.png")
    with pytest.raises(PictureError, match=r"little\.png cannot be scored: .*smaller border"):
        measure_upscaling(enlarged, find_set(hr_folder), model="m", scale=4)
