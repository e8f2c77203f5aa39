"""NIQE (Mittal, Soundararajan and Bovik, "Making a 'Completely Blind' Image Quality Analyzer", 2013).

A picture's grey values are normalised by their local mean and deviation; the shapes of the distributions of these
values, and of the products of neighbours, are 36 features of every block of 96x96 pixels. NIQE is the distance between
the mean and covariance of a picture's features and those of undistorted pictures: lower is better.

What is compared with was fitted to this project's training photographs (`fit`, `scripts/fit_niqe.py`). Scores therefore
differ from those with the authors' parameters, which `NaturalScenes.from_file` reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deltasr.errors import CheckpointError, ModelError
from deltasr.resampling.tensors import imresize

BLOCK = 96
FEATURES = 36
PARAMETERS = Path(__file__).with_name("niqe.safetensors")
"""The bundled parameters' file."""

_SHARPNESS = 0.75
_WINDOW, _WINDOW_SIGMA = 7, 7 / 6
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = torch.arange(200, 10_001, dtype=torch.float64) / 1000
"""The shape parameters that are compared with a distribution's moments."""

_AUTHORS_NAMES = {"mean": "mu_pris_param", "covariance": "cov_pris_param"}


@dataclass(frozen=True)
class NaturalScenes:
    """The multivariate normal distribution of the features of undistorted pictures.

    Attributes:
        mean: (36,).
        covariance: (36, 36).
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def bundled(cls) -> NaturalScenes:
        """The one that was fitted to this project's training photographs."""
        return cls.from_file(PARAMETERS)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> NaturalScenes:
        """From a .safetensors file with `mean` and `covariance`, or an .npz file that may have the authors' names.

        The authors' are `mu_pris_param` and `cov_pris_param`.

        Raises:
            CheckpointError: there is no such file, or it holds something else.
        """
        file = Path(path)
        if not file.is_file():
            raise CheckpointError(f"There is no file {file} of NIQE's parameters; check the name.")
        try:
            found = _arrays(file)
            mean = np.asarray(found["mean"], np.float64).reshape(FEATURES)
            covariance = np.asarray(found["covariance"], np.float64).reshape(FEATURES, FEATURES)
        except Exception as error:  # numpy, zipfile and safetensors raise different errors for other files
            raise CheckpointError(
                f"{file} does not hold NIQE's parameters: a mean of {FEATURES} numbers and a covariance of "
                f"{FEATURES}x{FEATURES}, as 'mean' and 'covariance' or '{_AUTHORS_NAMES['mean']}' and "
                f"'{_AUTHORS_NAMES['covariance']}' of an .npz or .safetensors file."
            ) from error
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise CheckpointError(f"{file} holds parameters of NIQE that are not finite; fetch the file again.")
        return cls(mean, covariance)


def _arrays(file: Path) -> dict[str, NDArray[np.float64]]:
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        found = load_file(file)
    else:
        with np.load(file, allow_pickle=False) as archive:
            found = dict(archive)
    return {name: found[name] if name in found else found[other] for name, other in _AUTHORS_NAMES.items()}


class Niqe:
    """NIQE of pictures, compared with some distribution of natural scenes.

    Args:
        scenes: None for the bundled one.
    """

    def __init__(self, scenes: NaturalScenes | None = None) -> None:
        self.scenes = NaturalScenes.bundled() if scenes is None else scenes

    @torch.inference_mode()
    def __call__(self, picture: Tensor) -> Tensor:
        """The score of a picture (1, 3, H, W), RGB in [0, 1]: a number, 0 or more, lower for more natural ones.

        Raises:
            ModelError: it has less than two whole blocks, or less than two that are not flat.
        """
        height, width = picture.shape[-2:]
        if (height // BLOCK) * (width // BLOCK) < 2:
            raise ModelError(f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels")
        found, _ = block_features(grey_levels(picture[0]))
        defined = found[np.isfinite(found).all(axis=1)]
        if len(defined) < 2:
            raise ModelError(f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels that are not flat")
        difference = self.scenes.mean - np.nanmean(found, axis=0)
        pooled = (self.scenes.covariance + np.cov(defined, rowvar=False)) / 2
        return torch.tensor(float(np.sqrt(max(difference @ np.linalg.pinv(pooled) @ difference, 0.0))))


def fit(pictures: Iterable[Tensor]) -> NaturalScenes:
    """The distribution of the features of undistorted pictures (section 3 of the paper).

    Of each picture only the sharp blocks count: those whose mean local deviation is above three quarters of the
    largest.

    Args:
        pictures: (3, H, W) each, RGB in [0, 1], at least 96 pixels on both sides.
    """
    sharp = []
    for picture in pictures:
        found, sharpness = block_features(grey_levels(picture))
        sharp.append(found[sharpness > _SHARPNESS * sharpness.max()])
    rows = np.concatenate(sharp)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return NaturalScenes(rows.mean(axis=0), np.cov(rows, rowvar=False))


def grey_levels(picture: Tensor) -> Tensor:
    """(3, H, W), RGB in [0, 1], to (H, W), float64: luma of BT.601 from 0 to 255, rounded as of a grey picture."""
    weights = torch.tensor([0.298936, 0.587043, 0.114021], dtype=torch.float64)
    return torch.einsum("chw,c->hw", picture.double().cpu() * 255, weights).round()


def block_features(grey: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The features of all whole blocks of 96x96 pixels, and how sharp they are.

    Args:
        grey: (H, W) in [0, 255], float64, at least 96 pixels on both sides.

    Returns:
        (blocks, 36), 18 features at full and 18 at half size, NaN where a block is flat; and (blocks,), the mean local
        deviation.
    """
    height, width = (side // BLOCK * BLOCK for side in grey.shape)
    grey = grey[:height, :width]
    normalised, deviation = _normalised(grey)
    half, _ = _normalised(imresize(grey, scale=0.5))
    features = [_features(_blocks(normalised, BLOCK)), _features(_blocks(half, BLOCK // 2))]
    return torch.cat(features, dim=1).numpy(), _blocks(deviation, BLOCK).mean(dim=(1, 2)).numpy()


def _normalised(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Grey values minus their local mean, over their local deviation plus 1; and the deviation (eq. 1 to 3)."""
    places = torch.arange(_WINDOW, dtype=grey.dtype) - _WINDOW // 2
    weights = torch.exp(-places.square() / (2 * _WINDOW_SIGMA**2))
    weights /= weights.sum()

    def blurred(values: Tensor) -> Tensor:
        padded = F.pad(values[None, None], (_WINDOW // 2,) * 4, mode="replicate")
        return F.conv2d(F.conv2d(padded, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))[0, 0]

    mean = blurred(grey)
    deviation = (blurred(grey.square()) - mean.square()).abs().sqrt()
    return (grey - mean) / (deviation + 1), deviation


def _blocks(values: Tensor, side: int) -> Tensor:
    """(H, W) to (blocks, side, side), row by row."""
    height, width = values.shape
    cut = values.reshape(height // side, side, width // side, side)
    return cut.transpose(1, 2).reshape(-1, side, side)


def _features(blocks: Tensor) -> Tensor:
    """(blocks, 18): the distribution of a block's values, and of products with neighbours in four directions."""
    shape, left, right = _asymmetric_gaussian(blocks)
    features = [shape, (left + right) / 2]
    for neighbour in _NEIGHBOURS:
        shape, left, right = _asymmetric_gaussian(blocks * torch.roll(blocks, neighbour, dims=(1, 2)))
        mean = (right - left) * (torch.lgamma(2 / shape) - torch.lgamma(1 / shape)).exp()
        features += [shape, mean, left, right]
    return torch.stack(features, dim=1)


def _asymmetric_gaussian(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shape, left and right scale, each (blocks,), of an asymmetric generalised Gaussian (eq. 8), by its moments.

    NaN where a block has no value on one side of zero.
    """
    flat = values.flatten(1)
    left, right = ((flat.square() * side).sum(dim=1).div(side.sum(dim=1)).sqrt() for side in ((flat < 0), (flat > 0)))
    ratio = left / right
    moments = flat.abs().mean(dim=1).square() / flat.square().mean(dim=1)
    wanted = moments * (ratio**3 + 1) * (ratio + 1) / (ratio.square() + 1).square()
    shape = _SHAPES[(_generalised_ratio(_SHAPES) - wanted[:, None]).abs().argmin(dim=1)]
    shape = torch.where(wanted.isfinite(), shape, torch.nan)
    scale = (0.5 * (torch.lgamma(1 / shape) - torch.lgamma(3 / shape))).exp()
    return shape, left * scale, right * scale


def _generalised_ratio(shape: Tensor) -> Tensor:
    """`Gamma(2/a)^2 / (Gamma(1/a) Gamma(3/a))`: the squared mean over the mean square of a generalised Gaussian."""
    return (2 * torch.lgamma(2 / shape) - torch.lgamma(1 / shape) - torch.lgamma(3 / shape)).exp()
