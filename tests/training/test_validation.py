"""PSNR-Y per step on held-out pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deltasr.evaluation.metrics import psnr_y, to_8_bit_levels
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.rrdb import Rrdb
from deltasr.training.data.cache import CachedPicture, build_cache, degrade, find_pictures
from deltasr.training.recipes.chain import ResShiftRecipe
from deltasr.training.systems import build_model
from deltasr.training.validation import split, validate


def _stand_ins(count: int) -> list[CachedPicture]:
    return [CachedPicture(Path(f"{n}.png"), Path("hr"), Path("lr"), 64, 64) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "wanted", "held_out"),
    [(451, 16, 16), (100, 16, 16), (40, 16, 10), (8, 16, 2), (3, 16, 1), (2, 1, 1), (1, 16, 0), (9, 0, 0)],
)
def test_split_holds_out_what_was_asked_for_but_not_too_much(count: int, wanted: int, held_out: int):
    pictures = _stand_ins(count)
    training, validation, tested = split(pictures, wanted)
    assert tested == []
    assert len(validation) == held_out
    assert not set(training) & set(validation)
    assert sorted([*training, *validation], key=pictures.index) == pictures


def test_split_is_evenly_spaced():
    _, validation, _ = split(_stand_ins(100), 4)
    assert [picture.source.stem for picture in validation] == ["12", "37", "62", "87"]


@pytest.mark.parametrize(
    ("count", "validation", "test", "sizes"),
    [
        (100, 0.1, 0.1, (80, 10, 10)),
        (451, 0.1, 0.1, (361, 45, 45)),
        (100, 0.25, 5, (70, 25, 5)),
        (12, 3, 0.5, (7, 3, 2)),
    ],
)
def test_test_pictures_are_neither_trained_nor_validated_on(
    count: int, validation: float, test: float, sizes: tuple[int, int, int]
):
    pictures = _stand_ins(count)
    parts = split(pictures, validation, test)
    assert tuple(map(len, parts)) == sizes
    assert sorted([picture for part in parts for picture in part], key=pictures.index) == pictures


def test_test_pictures_do_not_change_which_are_validated_on():
    pictures = _stand_ins(50)
    assert split(pictures, 0.1, 0.1)[1] == split(pictures, 0.1)[1] == split(pictures, 5)[1]


@pytest.fixture
def model() -> DeltaDiff:
    torch.manual_seed(0)
    model = DeltaDiff(size="tiny").eval()
    with torch.no_grad():
        model.net.tail.weight.normal_(0, 0.01)
    return model


def test_values_are_those_of_the_model_s_own_predictions(model: DeltaDiff, pictures: Path, decoded: Path):
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    expected = []
    for picture in usable[:2]:
        hr, lr = (torch.from_numpy(array.copy()).permute(2, 0, 1)[None] / 255 for array in picture.arrays())
        shown: list[torch.Tensor] = [model.upsample(lr)]
        with torch.no_grad():
            result = model(lr, callback=lambda t, x_t, prediction, shown=shown: shown.append(prediction))
        assert torch.equal(result, model.decode(shown[-1]).clamp(0, 1))
        levels = [to_8_bit_levels(model.decode(code)) for code in shown]
        expected.append([psnr_y(level, hr, border=4).item() for level in levels])
    result = validate(model, usable[:2], torch.device("cpu"), scale=4)
    assert [result.bicubic, *result.steps] == pytest.approx(np.mean(expected, axis=0).tolist(), abs=1e-6)
    assert len(set(result.steps)) == 4


def test_the_middle_of_a_large_picture_is_enough(model: DeltaDiff, tmp_path: Path):
    hr = np.random.default_rng(0).integers(0, 256, (4 * 110, 4 * 100, 3), dtype=np.uint8)
    lr = degrade(hr, 4)

    def picture(name: str, rows: slice, columns: slice) -> CachedPicture:
        large = [slice(4 * side.start, 4 * side.stop) for side in (rows, columns)]
        np.save(tmp_path / f"{name}.hr.npy", hr[large[0], large[1]])
        np.save(tmp_path / f"{name}.lr.npy", lr[rows, columns])
        size = (large[0].stop - large[0].start, large[1].stop - large[1].start)
        return CachedPicture(Path(name), tmp_path / f"{name}.hr.npy", tmp_path / f"{name}.lr.npy", *size)

    whole = picture("whole", slice(0, 110), slice(0, 100))
    middle = picture("middle", slice(7, 103), slice(2, 98))
    cpu = torch.device("cpu")
    assert validate(model, [whole], cpu, scale=4) == validate(model, [middle], cpu, scale=4)


def test_an_autoencoder_is_measured_by_what_it_gives_back(pictures: Path, decoded: Path):
    pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = Autoencoder(autoencoder={"widths": [32, 32, 32], "blocks": 1, "codes": 16}).eval()
    picture = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)[0][1]
    hr = torch.from_numpy(picture.arrays()[0].copy()).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = psnr_y(to_8_bit_levels(model(hr)), hr, border=4).item()
    assert validate(model, [picture], torch.device("cpu"), scale=4).steps == pytest.approx([expected], abs=1e-6)


def test_a_model_without_steps_has_one_value_and_sizes_need_not_fit(pictures: Path, decoded: Path):
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    torch.manual_seed(0)
    model = Rrdb(blocks=1, width=4).eval()
    assert len(validate(model, usable, torch.device("cpu"), scale=4).steps) == 1


def test_a_stochastic_model_has_the_same_noise_each_time(
    pictures: Path, decoded: Path, tiny_denoiser: dict[str, object]
):
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    model = build_model(ResShiftRecipe()).eval()
    assert usable[1].width % 16, "it has to be padded"
    first, second = (validate(model, usable[:2], torch.device("cpu"), scale=4) for _ in range(2))
    assert first == second
    assert len(first.steps) == 4


def test_pictures_are_degraded_as_in_training_and_always_alike(model: DeltaDiff, pictures: Path, decoded: Path):
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    cpu = torch.device("cpu")
    clean, first, second = (
        validate(model, usable[:2], cpu, scale=4, degradation=kind) for kind in ("bicubic", "realesrgan", "realesrgan")
    )
    assert first == second
    assert first.bicubic < clean.bicubic


def test_a_dial_is_validated_at_both_ends(pictures: Path, decoded: Path):
    usable, _ = build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)
    torch.manual_seed(0)
    model = DeltaDiff(dial=True, default_fidelity=0.5).eval()
    with torch.no_grad():
        for weight in (model.net.tail.weight, model.net.time.out.weight, model.net.fidelity.out.weight):
            weight.normal_(0, 0.02)
    result = validate(model, usable[:2], torch.device("cpu"), scale=4)
    assert len(result.steps) == 4
    for expected, fidelity in ((result.steps[-1], 1.0), (result.natural, 0.0)):
        model.default_fidelity = fidelity
        again = validate(model, usable[:2], torch.device("cpu"), scale=4)
        with torch.no_grad():
            values = []
            for picture in usable[:2]:
                hr, lr = (torch.from_numpy(a.copy()).permute(2, 0, 1)[None] / 255 for a in picture.arrays())
                values.append(psnr_y(to_8_bit_levels(model(lr)), hr, border=4).item())
        assert expected == pytest.approx(np.mean(values), abs=1e-6)
        assert again == result


def test_a_flat_picture_does_not_make_the_mean_infinite(model: DeltaDiff, tmp_path: Path):
    np.save(tmp_path / "hr.npy", np.full((64, 64, 3), 255, dtype=np.uint8))
    np.save(tmp_path / "lr.npy", np.full((16, 16, 3), 255, dtype=np.uint8))
    white = CachedPicture(Path("white"), tmp_path / "hr.npy", tmp_path / "lr.npy", 64, 64)
    assert validate(model, [white], torch.device("cpu"), scale=4).bicubic == 100
