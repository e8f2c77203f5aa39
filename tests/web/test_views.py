"""Parts of pictures as the page shows them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deltasr.imaging import Picture
from deltasr.web import views
from deltasr.web.failures import WebError
from deltasr.web.storage import Storage


@pytest.fixture
def samples_of():
    storage = Storage(10**8)

    def keep(pixels, alpha=None):
        file = storage.new_file()
        views.keep(Picture(pixels=pixels, alpha=alpha), file)
        assert file.size == file.path.stat().st_size
        return views.kept(file.path)

    yield keep
    storage.close()


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def box(left, top, right, bottom) -> views.Box:
    return views.Box(left=left, top=top, right=right, bottom=bottom)


RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (50, 70, 3), np.uint8)


def test_at_its_own_size_a_part_is_exact(samples_of):
    alpha = RNG.integers(0, 256, (50, 70), np.uint8)
    kept = samples_of(RGB, alpha)
    shown = opened(views.part(kept, box(10, 5, 40, 25), (30, 20)))
    assert np.array_equal(shown[..., :3], RGB[5:25, 10:40])
    assert np.array_equal(shown[..., 3], alpha[5:25, 10:40])
    grey = samples_of(RGB[..., :1])
    assert np.array_equal(opened(views.part(grey, box(0, 0, 70, 50), (70, 50))), RGB[..., 0])
    deep = samples_of(RGB.astype(np.uint16) * 257)
    assert np.array_equal(opened(views.part(deep, box(0, 0, 7, 5), (7, 5))), RGB[:5, :7])


def test_parts_fit_together(samples_of):
    """An enlarged part is what a whole enlarged picture has there."""
    kept = samples_of(RGB)
    whole = np.asarray(Image.fromarray(RGB).resize((280, 200), Image.Resampling.BICUBIC))
    assert np.array_equal(opened(views.part(kept, box(0, 0, 70, 50), (280, 200))), whole)
    part = opened(views.part(kept, box(10, 20, 30, 30), (80, 40)))
    assert np.abs(part.astype(int) - whole[80:120, 40:120]).max() <= 1


def test_a_shrunken_picture_keeps_its_light(samples_of):
    large = np.asarray(Image.fromarray(RGB).resize((700, 500), Image.Resampling.BICUBIC))
    shown = opened(views.part(samples_of(large), box(35, 20, 665, 470), (70, 50))).astype(int)
    direct = Image.fromarray(large).resize((70, 50), Image.Resampling.BICUBIC, box=(35, 20, 665, 470))
    assert np.abs(shown - np.asarray(direct)).mean() < 4
    assert abs(shown.mean() - np.asarray(direct).mean()) < 0.2


def test_the_profile_is_in_it(samples_of):
    content = views.part(samples_of(RGB), box(0, 0, 5, 5), (5, 5), icc=b"a profile")
    assert Image.open(io.BytesIO(content)).info["icc_profile"] == b"a profile"


@pytest.mark.parametrize(
    ("part", "size"),
    [
        (box(70, 0, 90, 9), (3, 3)),
        (box(5, 5, 5, 9), (3, 3)),
        (box(0, 0, 9, 9), (0, 3)),
        (box(0, 0, 9, 9), (9999, 9999)),
    ],
)
def test_impossible_parts_are_refused(samples_of, part, size):
    with pytest.raises(WebError) as refused:
        views.part(samples_of(RGB), part, size)
    assert refused.value.status == 400
