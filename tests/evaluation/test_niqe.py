"""NIQE: its features against scipy's, its score against a plain formula, and what it says of blurred pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.transform import resize

from deltasr.errors import CheckpointError, ModelError
from deltasr.evaluation.niqe import (
    FEATURES,
    NaturalScenes,
    Niqe,
    block_features,
    fit,
    grey_levels,
)
from deltasr.imaging import read_rgb8

ndimage = pytest.importorskip("scipy.ndimage")
special = pytest.importorskip("scipy.special")


def textured(seed: int = 0, height: int = 200, width: int = 300) -> torch.Tensor:
    """(3, height, width) in [0, 1]: soft blobs of several sizes, with some noise."""
    rng = np.random.default_rng(seed)
    levels = sum(
        resize(rng.normal(size=(height // side, width // side, 3)), (height, width, 3), order=3) * side**0.5
        for side in (2, 5, 20)
    )
    scaled = (levels - levels.min()) / np.ptp(levels)
    return torch.from_numpy(scaled + 0.01 * rng.normal(size=levels.shape)).permute(2, 0, 1).clamp(0, 1).float()


def moments_fit(values: np.ndarray) -> tuple[float, float, float]:
    """Shape and scales of an asymmetric generalised Gaussian, by the table of the paper's released program."""
    shapes = np.arange(0.2, 10.001, 0.001)
    table = special.gamma(2 / shapes) ** 2 / (special.gamma(1 / shapes) * special.gamma(3 / shapes))
    left, right = np.sqrt(np.mean(values[values < 0] ** 2)), np.sqrt(np.mean(values[values > 0] ** 2))
    ratio = left / right
    wanted = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    wanted *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = shapes[np.argmin((table - wanted) ** 2)]
    scale = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, left * scale, right * scale


def plain_features(grey: np.ndarray, side: int) -> np.ndarray:
    """(blocks, 18) of one size."""
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    window = np.outer(window, window) / window.sum() ** 2
    mean = ndimage.correlate(grey, window, mode="nearest")
    deviation = np.sqrt(np.abs(ndimage.correlate(grey**2, window, mode="nearest") - mean**2))
    normalised = (grey - mean) / (deviation + 1)
    rows = []
    for top in range(0, grey.shape[0], side):
        for left in range(0, grey.shape[1], side):
            block = normalised[top : top + side, left : left + side]
            shape, low, high = moments_fit(block.ravel())
            row = [shape, (low + high) / 2]
            for move in ((0, 1), (1, 0), (1, 1), (1, -1)):
                shape, low, high = moments_fit((block * np.roll(block, move, axis=(0, 1))).ravel())
                row += [shape, (high - low) * special.gamma(2 / shape) / special.gamma(1 / shape), low, high]
            rows.append(row)
    return np.array(rows)


def halved(grey: np.ndarray) -> np.ndarray:
    """MATLAB's `imresize(grey, 0.5)`: a cubic kernel twice as wide, at the middles of pairs, mirrored at borders."""
    distance = np.abs(np.arange(-3.5, 4) / 2)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    kernel = np.where(distance <= 1, near, far)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(grey, [(3, 3) if side == axis else (0, 0) for side in (0, 1)], mode="symmetric")
        count = grey.shape[axis] // 2
        grey = sum(
            weight * np.take(padded, 2 * np.arange(count) + place, axis=axis) for place, weight in enumerate(kernel)
        )
    return grey


def plain_score(picture: np.ndarray, scenes: NaturalScenes) -> float:
    mean, covariance = picture.mean(axis=0), np.cov(picture.T)
    difference = scenes.mean - mean
    return float(np.sqrt(difference @ np.linalg.pinv((scenes.covariance + covariance) / 2) @ difference))


def test_features_and_score_are_those_of_a_plain_implementation():
    picture = textured()
    grey = grey_levels(picture)
    rounded = np.round(picture.numpy().astype(np.float64).transpose(1, 2, 0) * 255 @ [0.298936, 0.587043, 0.114021])
    assert np.array_equal(grey.numpy(), rounded)
    cropped = rounded[:192, :288]
    expected = np.hstack([plain_features(cropped, 96), plain_features(halved(cropped), 48)])
    found, _ = block_features(grey)
    assert found.shape == (6, FEATURES)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)  # a shape may fall on a neighbour in the table
    scenes = NaturalScenes.bundled()
    assert Niqe()(picture[None]).item() == pytest.approx(plain_score(expected, scenes), rel=5e-3)


def test_blur_and_noise_make_it_worse(shared: Path):
    """Of a photograph, the more the worse."""
    pixels = read_rgb8(sorted((shared / "data" / "eval" / "Set14").rglob("HR/*.png"))[-1])
    photograph = pixels.astype(np.float64)
    rng = np.random.default_rng(0)

    def score(levels: np.ndarray) -> float:
        rounded = np.clip(np.round(levels), 0, 255) / 255
        return Niqe()(torch.from_numpy(rounded).permute(2, 0, 1)[None]).item()

    noise = rng.normal(size=photograph.shape)
    own = score(photograph)
    blurred = [score(ndimage.gaussian_filter(photograph, (sigma, sigma, 0))) for sigma in (0.7, 1, 2)]
    noisy = [score(photograph + sigma * noise) for sigma in (10, 25, 50)]
    for scores in (blurred, noisy):
        assert [own, *scores] == sorted([own, *scores])


def test_fit_takes_sharp_blocks_alone():
    """The right half of this picture is blurred, so that only the blocks of the left half count."""
    sharp = textured(1, 192, 192)
    soft = torch.from_numpy(ndimage.gaussian_filter(sharp.numpy(), (0, 6, 6)))
    scenes = fit([torch.cat([sharp, soft], dim=2)])
    found, sharpness = block_features(grey_levels(torch.cat([sharp, soft], dim=2)))
    taken = found[sharpness > 0.75 * sharpness.max()]
    assert 2 <= len(taken) <= 4
    np.testing.assert_allclose(scenes.mean, taken.mean(axis=0))
    np.testing.assert_allclose(scenes.covariance, np.cov(taken.T))


def test_the_distance_to_one_s_own_statistics_is_zero():
    picture = textured()
    found, _ = block_features(grey_levels(picture))
    own = NaturalScenes(found.mean(axis=0), np.cov(found.T))
    assert Niqe(own)(picture[None]).item() == pytest.approx(0, abs=1e-6)
    assert Niqe(own)(textured(1)[None]).item() > 1


@pytest.mark.parametrize(
    "picture", [torch.zeros(1, 3, 96, 191), torch.full((1, 3, 192, 192), 0.5)], ids=["small", "flat"]
)
def test_pictures_without_a_score(picture: torch.Tensor):
    with pytest.raises(ModelError, match="NIQE needs two blocks of 96x96 pixels"):
        Niqe()(picture)


def test_the_bundled_parameters_are_a_distribution():
    scenes = NaturalScenes.bundled()
    assert (scenes.mean.shape, scenes.covariance.shape) == ((FEATURES,), (FEATURES, FEATURES))
    np.testing.assert_allclose(scenes.covariance, scenes.covariance.T)
    assert np.linalg.eigvalsh(scenes.covariance).min() > -1e-6
    assert 2 < scenes.mean[0] < 4


@pytest.mark.parametrize("names", [("mean", "covariance"), ("mu_pris_param", "cov_pris_param")])
def test_other_parameters_come_from_a_file(tmp_path: Path, names: tuple[str, str]):
    mean, covariance = np.arange(36.0)[None], np.eye(36)
    np.savez(tmp_path / "others.npz", **dict(zip(names, (mean, covariance), strict=True)), gaussian_window=np.ones(3))
    scenes = NaturalScenes.from_file(tmp_path / "others.npz")
    assert np.array_equal(scenes.mean, mean[0])
    assert np.array_equal(scenes.covariance, covariance)


@pytest.mark.parametrize(
    "content", [{"mean": np.zeros(36)}, {"mean": np.zeros(3), "covariance": np.eye(36)}, b"something else"], ids=str
)
def test_a_file_of_something_else_is_one_sentence(tmp_path: Path, content: dict[str, np.ndarray] | bytes):
    file = tmp_path / "others.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.savez(file, **content)
    with pytest.raises(CheckpointError, match=r"others\.npz does not hold NIQE's parameters: a mean of 36"):
        NaturalScenes.from_file(file)


def test_a_missing_file_and_values_that_are_not_finite(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no file .*nothing\.npz of NIQE's parameters"):
        NaturalScenes.from_file(tmp_path / "nothing.npz")
    np.savez(tmp_path / "others.npz", mean=np.full(36, np.nan), covariance=np.eye(36))
    with pytest.raises(CheckpointError, match="not finite"):
        NaturalScenes.from_file(tmp_path / "others.npz")
