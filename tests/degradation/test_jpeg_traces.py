"""JPEG's traces in pixels: the blocks' place and the quality are found, and nothing where there was no JPEG."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from deltasr.degradation.jpeg import jpeg
from deltasr.degradation.jpeg_traces import find_traces, quality_of_table, standard_table, transformed

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def scene(height: int = 96, width: int = 96) -> torch.Tensor:
    """(1, 3, height, width) in 8-bit levels: waves of many lengths, and grain."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    grain = torch.rand(1, height, width, generator=torch.Generator().manual_seed(5))
    waves = torch.sin(30 * (x + 0.3) ** 2 + 9 * y) + torch.sin(25 * y**2 - 12 * x)
    tints = torch.tensor([1.0, 0.9, 0.7])[:, None, None]
    picture = 0.5 + tints * (0.15 * waves + 0.1 * (grain - 0.5))
    return (picture[None].clamp(0, 1) * 255).round() / 255


def traces_of(images: torch.Tensor):
    window = (images[0] * 255).round().permute(1, 2, 0).numpy().astype(np.float32)
    return find_traces([window], [window @ LUMA])


def test_tables_are_libjpegs(tmp_path):
    for quality in (1, 10, 49, 50, 51, 75, 95, 100):
        Image.new("L", (8, 8)).save(tmp_path / "a.jpg", quality=quality)
        written = Image.open(tmp_path / "a.jpg").quantization[0]
        assert standard_table(quality).tolist() == list(written)
        assert quality_of_table(written) == quality


def test_tables_of_others_are_like_the_nearest():
    table = standard_table(60)
    assert quality_of_table(table * 1.03) in (58, 59, 60)
    assert quality_of_table([1] * 64) == 100
    assert quality_of_table([255] * 64) == 1


@pytest.mark.parametrize("quality", [92, 80, 65, 50, 40, 25])
@pytest.mark.parametrize("offset", [(0, 0), (3, 5), (15, 9)])
def test_quality_and_place_are_found(quality, offset):
    for subsampling in ("4:2:0", "4:4:4"):
        traces = traces_of(jpeg(scene(), quality=quality, subsampling=subsampling, offset=offset))
        assert traces.offset == (-offset[0] % 8, -offset[1] % 8)
        assert traces.quality is not None
        assert abs(traces.quality - quality) <= 2


def test_the_last_of_two_compressions_is_found():
    twice = jpeg(jpeg(scene(), quality=85, offset=(2, 2)), quality=60, offset=(5, 1))
    assert traces_of(twice).quality == 60


def test_of_a_clean_picture_nothing_is_said():
    assert traces_of(scene()).quality is None
    assert traces_of(torch.full((1, 3, 64, 64), 0.5)).quality is None
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert traces_of((noise * 255).round() / 255).quality is None


def test_squares_of_flat_colour_are_no_blocks():
    squares = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1)).round()
    assert traces_of(squares.repeat_interleave(8, -1).repeat_interleave(8, -2)).quality is None


def test_pictures_clipped_all_over_are_known_by_their_blocks():
    checks = torch.zeros(1, 3, 96, 96)
    checks[..., ::5, :] = 1
    checks[..., :, 3::7] = 1
    assert traces_of(checks).quality is None
    qualities = [traces_of(jpeg(checks, quality=quality, offset=(3, 3))).quality for quality in (30, 15)]
    assert None not in qualities


def test_the_transform_is_the_orthonormal_dct():
    luma = (scene()[0, 0] * 255).numpy()
    expected = dctn(luma[3:11, 2:10], norm="ortho")
    np.testing.assert_allclose(transformed(luma, (3, 2))[0], expected, rtol=0, atol=1e-3)
    assert transformed(luma, (3, 2)).shape == (121, 8, 8)
