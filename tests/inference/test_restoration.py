"""How degraded a picture is, told or estimated, and what an upscaler does with it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.errors import SettingError
from deltasr.imaging import Picture, picture_from, read_picture, write_picture
from deltasr.inference import consistency
from deltasr.inference.batch import Request
from deltasr.inference.conditions import Conditions, decided_restoration
from deltasr.inference.upscaler import Upscaler
from deltasr.models.base import Model
from deltasr.models.deltadiff import DeltaDiff
from deltasr.resampling.kernels import resize_matrix


class Told(Model):
    """Grey of the level that it is told as restoration, in the first picture of a batch; what the others are told."""

    name, scale, restoring, consistent, receptive_field = "told", 2, True, False, 0

    def forward(self, lr: torch.Tensor, restoration: torch.Tensor) -> torch.Tensor:
        self.told = restoration
        return restoration.view(-1, 1, 1, 1).expand(-1, 3, 2 * lr.shape[2], 2 * lr.shape[3]).clone()


def photo(height: int = 64, width: int = 80) -> np.ndarray:
    """(height, width, 3) uint8: smooth colour with soft texture."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)).resize((width, height), 3)
    fine = Image.fromarray(rng.integers(0, 40, (height // 2, width // 2, 3), dtype=np.uint8)).resize((width, height), 3)
    return (np.asarray(coarse) * 0.8 + np.asarray(fine)).clip(0, 255).astype(np.uint8)


def jpeg(quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "JPEG", quality=quality)
    return file.getvalue()


def test_it_is_estimated_from_a_file_unless_it_is_told():
    upscaler = Upscaler(Told())
    estimated = upscaler.upscale(jpeg(50))
    assert abs(int(estimated.pixels[0, 0, 0]) / 255 - 0.36) < 0.02, "quality 50 is strength 50 / 140"
    (note,) = estimated.notes
    assert "0.36" in note
    assert "JPEG of quality 50" in note
    assert "quality 50" in estimated.metadata.text["deltasr:restoration"]
    told = upscaler.upscale(jpeg(50), restoration=0.8)
    assert int(told.pixels[0, 0, 0]) == 204
    assert told.notes == ("Restoration 0.8, as asked for.",)


def test_a_clean_picture_says_nothing_of_it():
    result = Upscaler(Told()).upscale(jpeg(50), restoration=0)
    assert result.pixels.max() == 0
    assert result.notes == ()
    assert "deltasr:restoration" not in result.metadata.text


@pytest.mark.parametrize(("format_name", "holds"), [("png", True), ("jpeg", False)])
def test_a_format_without_text_loses_nothing_that_was_the_picture_s(format_name: str, holds: bool):
    result = Upscaler(Told()).upscale(jpeg(50))
    file = io.BytesIO()
    assert write_picture(result, file, format=format_name) == []
    assert ("deltasr:restoration" in read_picture(file.getvalue()).metadata.text) == holds


def test_a_picture_that_was_a_jpeg_is_found_out():
    pixels = np.asarray(Image.open(io.BytesIO(jpeg(30))).convert("RGB"))
    amount, why = decided_restoration(picture_from(pixels), "auto")
    assert amount > 0.3
    assert "by its pixels" in why


def test_what_a_model_made_is_clean():
    """A second pass sees the first one's result."""
    model = Told()
    Upscaler(model).upscale(jpeg(50), scale=4)
    assert model.told.tolist() == [0.0]


def test_alpha_is_clean():
    model = Told()
    rgba = np.dstack([photo(), np.linspace(0, 255, 64 * 80).reshape(64, 80).astype(np.uint8)])
    Upscaler(model).upscale(rgba, restoration=0.5)
    assert model.told.tolist() == [0.5, 0.0]


def test_the_projection_fades():
    lr = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    sr = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    shares = consistency.share_at(torch.tensor([0.0, 0.05, 0.5]))
    torch.testing.assert_close(shares, torch.tensor([1.0, 0.5, 0.0]))
    result, whole = consistency.project(sr, lr, share=shares), consistency.project(sr, lr)
    torch.testing.assert_close(result[0], whole[0])
    torch.testing.assert_close(result[1], (sr[1] + whole[1]) / 2)
    assert torch.equal(result[2], sr[2])


def test_a_clean_picture_is_projected_and_a_ruined_one_is_not():
    torch.manual_seed(0)
    model = DeltaDiff(restoring=True)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape)
    upscaler = Upscaler(model)

    def error(restoration: float) -> float:
        result = torch.from_numpy(upscaler.upscale(photo(), restoration=restoration).pixels)
        small = torch.from_numpy(resize_matrix(256, 64)).float() @ result.permute(2, 0, 1).float() / 255
        small = small @ torch.from_numpy(resize_matrix(320, 80)).float().mT
        return float((small.permute(1, 2, 0) * 255 - torch.from_numpy(photo()).float()).abs().max())

    assert error(0.0) < 2 < 10 < error(1.0)
    upscaler = Upscaler(model, consistency=True)
    assert error(1.0) < 4, "asked for, it holds for every picture"


def test_tiles_agree_with_the_whole_picture():
    torch.manual_seed(0)
    model = DeltaDiff(restoring=True)
    for parameter in model.parameters():
        parameter.data += 0.01 * torch.randn(parameter.shape)
    whole, tiled = (Upscaler(model, tile=tile).upscale(jpeg(60)).pixels.astype(int) for tile in (0, 32))
    assert np.abs(whole - tiled).max() <= 1


@pytest.mark.parametrize("wrong", ["automatic", -0.1, 1.5, float("nan"), True, [0.5]])
def test_what_is_not_possible_is_named(wrong: object):
    with pytest.raises(SettingError, match="restoration"):
        Upscaler(Told()).upscale(photo(), restoration=wrong)  # type: ignore[call-overload]
    with pytest.raises(SettingError, match="restoration"):
        Request(restoration=wrong)  # type: ignore[arg-type]


def test_a_model_without_the_dial_takes_no_number():
    upscaler = Upscaler(DeltaDiff())
    assert upscaler.upscale(jpeg(50)).notes == ()
    with pytest.raises(SettingError, match="no restoration dial"):
        upscaler.upscale(photo(), restoration=0.0)


def test_a_picture_keeps_how_its_file_was_compressed_until_it_is_upscaled():
    picture = read_picture(jpeg(70))
    assert isinstance(picture, Picture)
    assert picture.compression is not None
    assert Upscaler(Told()).upscale(picture).compression is None


def test_conditions_are_told_to_models_that_restore_only():
    conditions = Conditions(restoration=0.3)
    assert conditions.arguments(Told()) == {"restoration": 0.3}
    assert "restoration" not in conditions.arguments(DeltaDiff())
