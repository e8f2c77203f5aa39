"""The order, the places and the orientations of crops."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from deltasr.degradation.draws import derived_seed
from deltasr.degradation.kinds import degrade as degrade_pictures
from deltasr.training.data import crops as crops_module
from deltasr.training.data.cache import CachedPicture, build_cache, degrade, find_pictures
from deltasr.training.data.crops import Crops, Positions, drawn_strength, oriented


@pytest.fixture
def cached(pictures: Path, decoded: Path) -> list[CachedPicture]:
    return build_cache(find_pictures(pictures), decoded, scale=4, smallest=32)[0]


def _crops(cached: list[CachedPicture], *, crop: int = 8, seed: int = 0, degradation: str = "bicubic") -> Crops:
    return Crops(cached, scale=4, crop=crop, seed=seed, degradation=degradation)


def _fingerprints(crops: Crops, positions: range) -> list[bytes]:
    return [b"".join(part.numpy().tobytes() for part in crops[position]) for position in positions]


def test_a_crop_depends_on_seed_and_position_alone(cached: list[CachedPicture]):
    forwards = _fingerprints(_crops(cached), range(40))
    backwards = _fingerprints(_crops(cached), range(39, -1, -1))
    assert forwards == backwards[::-1]
    assert forwards != _fingerprints(_crops(cached, seed=1), range(40))


def test_the_order_of_a_seed_never_changes(cached: list[CachedPicture]):
    """Saved runs are resumed by later versions: a new order would show them other crops."""
    crops = _crops(cached)
    order = [crops.picture_at(position) for position in range(2 * crops.epoch_length)]
    assert order == [
        *(0, 3, 1, 3, 0, 1, 2, 2, 4, 3, 2, 3, 4, 2, 0, 4),
        *(3, 0, 3, 2, 1, 0, 4, 3, 1, 4, 2, 4, 2, 3, 0, 2),
    ]


def test_the_places_and_orientations_of_a_seed_never_change(tmp_path: Path):
    """The red of an LR pixel is its row, the green its column."""
    rows, columns = np.mgrid[:30, :40].astype(np.uint8)
    np.save(tmp_path / "lr.npy", np.stack([rows, columns, columns], axis=2))
    np.save(tmp_path / "hr.npy", np.zeros((60, 80, 3), np.uint8))
    crops = Crops([CachedPicture(Path("x"), tmp_path / "hr.npy", tmp_path / "lr.npy", 60, 80)], scale=2, crop=4, seed=7)
    corners = [tuple(crops[position][0][:2, corner, 0].tolist()) for position in range(5) for corner in (0, -1)]
    assert corners == [
        *((28, 26), (28, 23), (22, 30), (19, 30), (26, 4)),
        *((29, 4), (14, 28), (14, 31), (7, 34), (4, 34)),
    ]


def test_each_epoch_has_an_order_of_its_own(cached: list[CachedPicture]):
    crops = _crops(cached)
    length = crops.epoch_length
    first, second = ([crops.picture_at(k) for k in range(n * length, (n + 1) * length)] for n in range(2))
    assert first != second
    assert Counter(first) == Counter(second)


def test_an_epoch_covers_pictures_in_proportion_to_their_area(cached: list[CachedPicture]):
    crops = _crops(cached, crop=4)
    seen = Counter(crops.picture_at(position) for position in range(crops.epoch_length))
    for number, picture in enumerate(cached):
        assert seen[number] == round(picture.height * picture.width / 16**2)


def test_workers_change_nothing(cached: list[CachedPicture]):
    def batches(workers: int) -> list[torch.Tensor]:
        loader = DataLoader(_crops(cached), batch_size=3, sampler=Positions(5, 17), num_workers=workers)
        return [batch.hr for batch in loader]

    alone, shared = batches(0), batches(2)
    assert len(alone) == 4
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))


def test_a_degradation_leaves_hr_as_it_is_and_depends_on_seed_and_position_alone(cached: list[CachedPicture]):
    plain, degraded = _crops(cached), _crops(cached, degradation="realesrgan")
    forwards = _fingerprints(degraded, range(12))
    assert forwards == _fingerprints(_crops(cached, degradation="realesrgan"), range(11, -1, -1))[::-1]
    assert forwards != _fingerprints(_crops(cached, degradation="realesrgan", seed=1), range(12))
    for position in range(12):
        (lr, hr, *_), (expected_lr, expected_hr, *_) = degraded[position], plain[position]
        assert torch.equal(hr, expected_hr)
        assert (lr.shape, lr.dtype) == (expected_lr.shape, torch.uint8)
        assert not torch.equal(lr, expected_lr)
        assert (lr.float().mean() - expected_lr.float().mean()).abs() < 40, "another place, or another range"


def test_a_degraded_crop_is_that_of_the_turned_hr_crop(cached: list[CachedPicture]):
    crops = _crops(cached, degradation="area")
    for position in range(8):
        lr, hr, *_ = crops[position]
        means = hr.float().unfold(1, 4, 4).unfold(2, 4, 4).mean(dim=(3, 4))
        assert (lr - means).abs().max() <= 0.5 + 1e-3


def test_each_position_has_chance_of_its_own(tmp_path: Path):
    """Of a picture of one colour, all crops are the same; what degrades them is not."""
    for name, side in (("hr", 64), ("lr", 16)):
        np.save(tmp_path / f"{name}.npy", np.full((side, side, 3), 120, np.uint8))
    picture = CachedPicture(Path("x"), tmp_path / "hr.npy", tmp_path / "lr.npy", 64, 64)
    crops = _crops([picture], degradation="resshift-test")
    assert len({crops[position][0].numpy().tobytes() for position in range(6)}) == 6


def test_workers_do_not_change_a_degradation(cached: list[CachedPicture]):
    def batches(workers: int) -> list[torch.Tensor]:
        crops = _crops(cached, degradation="realesrgan")
        return [batch.lr for batch in DataLoader(crops, batch_size=3, sampler=Positions(5, 11), num_workers=workers)]

    assert all(torch.equal(one, other) for one, other in zip(batches(0), batches(2), strict=True))


def test_positions_run_from_where_a_run_stands_to_its_end():
    assert list(Positions(4, 9)) == [4, 5, 6, 7, 8]
    assert len(Positions(4, 9)) == 5


def test_lr_and_hr_show_the_same_place(cached: list[CachedPicture]):
    """Away from its borders, beyond which the kernel sees nothing, the LR crop is the HR crop's downscaling."""
    crops = _crops(cached)
    for position in range(30):
        lr, hr, *_ = crops[position]
        assert lr.shape == (3, 8, 8)
        assert hr.shape == (3, 32, 32)
        assert lr.dtype == hr.dtype == torch.uint8
        again = degrade(hr.permute(1, 2, 0).numpy(), 4)
        difference = lr.permute(1, 2, 0).numpy().astype(int) - again
        assert np.abs(difference[2:-2, 2:-2]).max() <= 1


def test_the_eight_orientations_are_the_symmetries_of_the_square():
    square = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = torch.from_numpy(square).permute(2, 0, 1)
    expected = {
        transposed.flip(sides).contiguous().numpy().tobytes()
        for transposed in (image, image.mT)
        for sides in ([], [1], [2], [1, 2])
    }
    assert len(expected) == 8
    assert {oriented(square, number).numpy().tobytes() for number in range(8)} == expected
    assert torch.equal(oriented(square, 0), image)


def test_every_orientation_and_every_place_occurs(tmp_path: Path):
    """Of a picture one LR pixel larger than a crop, 4 places times 8 orientations can be seen."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for name, array in (("hr", pixels), ("lr", degrade(pixels, 4))):
        np.save(tmp_path / f"{name}.npy", array)
    picture = CachedPicture(Path("x.png"), tmp_path / "hr.npy", tmp_path / "lr.npy", 20, 20)
    seen = set(_fingerprints(Crops([picture], scale=4, crop=4, seed=0), range(400)))
    assert len(seen) == 32


def test_pictures_are_not_all_kept_open(cached: list[CachedPicture], monkeypatch: pytest.MonkeyPatch):
    whole = _fingerprints(_crops(cached), range(20))
    monkeypatch.setattr(crops_module, "_most_open", lambda: 2)
    crops = _crops(cached)
    assert _fingerprints(crops, range(20)) == whole
    assert len(crops._arrays) == 2


def test_a_quarter_of_the_files_of_a_process_is_kept_open_at_the_most(monkeypatch: pytest.MonkeyPatch):
    resource = pytest.importorskip("resource")
    for limit, pictures in ((1_024, 128), (64, 16), (10**6, 8_192), (resource.RLIM_INFINITY, 8_192)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, limit=limit: (limit, limit))
        assert crops_module._most_open() == pictures


@pytest.fixture
def taught(cached: list[CachedPicture], tmp_path: Path) -> list[CachedPicture]:
    """The cached pictures, all but the last with a teacher's: HR, inverted."""
    files = []
    for number, picture in enumerate(cached[:-1]):
        files.append(tmp_path / f"{number}.npy")
        np.save(files[-1], 255 - picture.arrays()[0])
    return [replace(picture, teacher_file=file) for picture, file in zip(cached, [*files, None], strict=True)]


def test_a_teacher_s_crop_lies_where_the_picture_s_does(taught: list[CachedPicture]):
    crops = Crops(taught, scale=4, crop=8, seed=0, teacher=1.0)
    plain = Crops(taught, scale=4, crop=8, seed=0)
    for position in range(crops.epoch_length):
        crop, alone = crops[position], plain[position]
        assert torch.equal(crop.lr, alone.lr)
        assert torch.equal(crop.hr, alone.hr)
        assert torch.equal(alone.hr, alone.target)
        has_teacher = crops.picture_at(position) < len(taught) - 1
        assert torch.equal(crop.target, 255 - crop.hr if has_teacher else crop.hr)


def test_a_target_is_mixed_by_its_share(taught: list[CachedPicture]):
    crops = Crops(taught, scale=4, crop=8, seed=0, teacher=0.25)
    crop = crops[next(k for k in range(99) if crops.picture_at(k) == 0)]
    assert crop.target.dtype == torch.uint8
    expected = 0.75 * crop.hr.float() + 0.25 * (255 - crop.hr.float())
    assert (expected - crop.target.float()).abs().max() <= 0.5


def test_a_share_of_crops_is_cut_from_drawn_pictures(cached: list[CachedPicture]):
    crops = Crops(cached[:3], scale=4, crop=8, seed=0, drawn=cached[3:], graphics=0.25)
    plain = Crops(cached[:3], scale=4, crop=8, seed=0)
    numbers = [crops.picture_at(position) for position in range(4_000)]
    drawn = [number for number in numbers if number >= 3]
    assert 0.22 < len(drawn) / len(numbers) < 0.28
    assert set(drawn) == {3, 4}
    assert all(number in (plain.picture_at(position), 3, 4) for position, number in enumerate(numbers))
    place = numbers.index(4)
    hr = np.array(cached[4].arrays()[0]).transpose(2, 0, 1)
    assert np.isin(crops[place].hr.numpy(), hr).all()


def test_a_web_crop_says_how_degraded_it_is(cached: list[CachedPicture]):
    crops, clean = (_crops(cached, degradation=kind) for kind in ("web", "bicubic"))
    strengths = [float(crops[position].restoration) for position in range(60)]
    assert strengths == [pytest.approx(drawn_strength(0, position)) for position in range(60)]
    assert all(float(clean[position].restoration) == 0 for position in range(4))
    assert 10 < strengths.count(0.0) < 40
    place = strengths.index(max(strengths))
    expected = degrade_pictures(
        crops[place].hr[None] / 255, kind="web", seed=derived_seed(0, f"degradation/{place}"), strength=strengths[place]
    )
    assert torch.equal(crops[place].lr, (expected[0] * 255).round().to(torch.uint8))


def test_strengths_are_drawn_as_they_are_described():
    drawn = np.array([drawn_strength(3, position) for position in range(20_000)])
    assert abs((drawn == 0).mean() - 0.4) < 0.01
    assert abs(((drawn > 0) & (drawn <= 0.5)).mean() - 0.45) < 0.01
    assert drawn.max() < 1
    assert abs(drawn[drawn > 0.5].mean() - 0.75) < 0.01


@pytest.fixture
def oblong(tmp_path: Path) -> CachedPicture:
    """A picture of 48x80 pixels whose red grows to the right and whose green grows downwards; LR is not used."""
    rows, columns = np.mgrid[:48, :80].astype(np.uint8)
    np.save(tmp_path / "hr.npy", np.stack([columns * 3, rows * 3, rows * 0], axis=2))
    np.save(tmp_path / "lr.npy", np.zeros((12, 20, 3), np.uint8))
    return CachedPicture(Path("x.png"), tmp_path / "hr.npy", tmp_path / "lr.npy", 48, 80)


def test_a_rescaled_crop_is_a_square_over_the_short_side_resized_by_area(oblong: CachedPicture):
    crops = Crops([oblong], scale=4, crop=6, seed=3, rescale_gt=True)
    assert crops.epoch_length == 1
    picture = oblong.arrays()[0].astype(float)
    lefts, mirrored = set(), 0
    for position in range(200):
        crop = crops[position]
        assert (crop.hr.shape, crop.lr.shape) == ((3, 24, 24), (3, 6, 6))
        red = crop.hr[0, 0].int()
        is_mirrored = bool(red[0] > red[-1])
        mirrored += is_mirrored
        left = round((min(red.tolist()) - 1.5) / 3)
        square = picture[:, left : left + 48]
        means = square.reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))
        expected = (means[:, ::-1] if is_mirrored else means).transpose(2, 0, 1)
        assert np.abs(crop.hr.numpy() - expected).max() <= 0.5
        made = degrade_pictures(crop.hr[None].float() / 255, kind="bicubic", scale=4)[0]
        assert torch.equal(crop.lr, (made * 255).round().to(torch.uint8))
        lefts.add(left)
    assert lefts == set(range(33))
    assert 80 < mirrored < 120


def test_rescaled_crops_have_one_of_each_picture_in_an_epoch(cached: list[CachedPicture]):
    crops = Crops(cached, scale=4, crop=8, seed=0, degradation="resshift-code", rescale_gt=True)
    assert sorted(crops.picture_at(position) for position in range(crops.epoch_length)) == list(range(len(cached)))
    assert _fingerprints(crops, range(6)) == _fingerprints(crops, range(5, -1, -1))[::-1]
    assert _fingerprints(crops, range(6)) != _fingerprints(_crops(cached, degradation="resshift-code"), range(6))


def test_a_teacher_s_rescaled_crop_is_that_of_the_picture(taught: list[CachedPicture]):
    crops = Crops(taught, scale=4, crop=8, seed=0, teacher=1.0, rescale_gt=True)
    for position in range(crops.epoch_length):
        crop = crops[position]
        has_teacher = crops.picture_at(position) < len(taught) - 1
        expected = 255 - crop.hr.int() if has_teacher else crop.hr.int()
        assert (crop.target.int() - expected).abs().max() <= 1
