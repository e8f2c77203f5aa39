"""Training crops in an order that depends only on a seed.

The crop at a position is a function of (seed, position). A run can therefore be resumed at any position, and the number
of worker processes has no effect on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from deltasr.degradation.draws import derived_seed
from deltasr.degradation.kinds import degrade
from deltasr.degradation.resizing import resize
from deltasr.training.data.cache import CachedPicture

_ORIENTATIONS = 8
_MIRRORED = 4
"""The orientation that is mirrored left to right and not turned."""
_GRAPHICS, _STRENGTHS = 1, 2
"""Random number streams of a position, beside the one of its place and orientation."""
_MOST_OPEN = 8_192
_FEWEST_OPEN = 16


def _most_open() -> int:
    """Pictures, of two files each, that are kept open: at most a quarter of the files that the process may open."""
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return _FEWEST_OPEN
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_OPEN if files == resource.RLIM_INFINITY else max(_FEWEST_OPEN, min(_MOST_OPEN, files // 8))


class Crop(NamedTuple):
    """A training example, or a batch of them.

    Attributes:
        lr: (3, crop, crop) uint8.
        hr: the true picture, (3, scale crop, scale crop) uint8.
        target: of pixel losses, of the same shape and type: `hr`, or a mixture of it with a teacher's result.
        restoration: how degraded `lr` is, () float32 in [0, 1]: 0 for all degradations but `web`, whose strength it is.
    """

    lr: Tensor
    hr: Tensor
    target: Tensor
    restoration: Tensor


def drawn_strength(seed: int, position: int) -> float:
    """The strength of the degradation `web` at a position: in 40 % of crops 0, in 45 % up to 0.5, else from 0.5 to 1.

    Most pictures are degraded only by JPEG compression, which the strengths up to 0.5 are for.
    """
    rng = np.random.default_rng((seed, position, _STRENGTHS))
    part, place = rng.random(2)
    if part < 0.4:
        return 0.0
    return float(0.5 * (1 - place) if part < 0.85 else 0.5 + 0.5 * place)


class Crops(Dataset):
    """An endless sequence of aligned crops; item k is always the same.

    In an epoch the number of crops of a picture is proportional to its area, so that on average each HR pixel is used
    once. Each item is a `Crop`, whose parts are rotated and mirrored together.

    With `rescale_gt` a crop is what ResShift's published code makes instead: a random square over the whole of a
    picture's short side, resized to the crop by area (`degradation.resizing`, `area-opencv`) and mirrored left to right
    in half of the cases. An epoch has one crop of each picture then.

    Args:
        pictures: from `build_cache`, none smaller than a crop.
        scale: the factor between the two.
        crop: side of the LR crop in pixels.
        seed: of order, places, orientations and degradations.
        degradation: how the LR crop is made, a name in `degradation.kinds.KINDS`; `bicubic` crops are cut from the LR
            picture in the cache, so that they also depend on HR pixels outside the crop.
        teacher: share of the teacher's result in the target, in [0, 1]; the rest is HR. For pictures without a
            teacher's result the target is HR.
        drawn: pictures from `training.data.graphics`, in the cache like the others.
        graphics: share of crops that are cut from those, in [0, 1].
        rescale_gt: crops are whole squares of pictures, made smaller (above).
    """

    def __init__(
        self,
        pictures: list[CachedPicture],
        *,
        scale: int,
        crop: int,
        seed: int,
        degradation: str = "bicubic",
        teacher: float = 0.0,
        drawn: Sequence[CachedPicture] = (),
        graphics: float = 0.0,
        rescale_gt: bool = False,
    ) -> None:
        self.pictures, self.scale, self.crop, self.seed = [*pictures, *drawn], scale, crop, seed
        self.degradation, self.teacher, self.graphics = degradation, teacher, graphics
        self.rescale_gt = rescale_gt
        self._photographs = len(pictures)
        crop_area = (scale * crop) ** 2
        counts = [
            1 if rescale_gt else max(1, round(picture.height * picture.width / crop_area)) for picture in pictures
        ]
        self._slots = np.repeat(np.arange(len(pictures)), counts)
        self._order: tuple[int, np.ndarray] = (-1, self._slots)
        self._arrays: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {}
        self._most_open = _most_open()

    @property
    def epoch_length(self) -> int:
        """Crops in an epoch; drawn pictures do not count."""
        return len(self._slots)

    def picture_at(self, position: int) -> int:
        """The index of the picture that the crop at a position is cut from; drawn pictures follow the others."""
        if self.graphics:
            rng = np.random.default_rng((self.seed, position, _GRAPHICS))
            if rng.random() < self.graphics:
                return int(rng.integers(self._photographs, len(self.pictures)))
        epoch, index = divmod(position, self.epoch_length)
        if self._order[0] != epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(self._slots)
            self._order = (epoch, order)
        return int(self._order[1][index])

    def _open(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        if number not in self._arrays:
            while len(self._arrays) >= self._most_open:
                self._arrays.pop(next(iter(self._arrays)))
            picture = self.pictures[number]
            self._arrays[number] = (*picture.arrays(), picture.teacher() if self.teacher else None)
        return self._arrays[number]

    def __getitem__(self, position: int) -> Crop:
        hr, lr, taught = self._open(self.picture_at(position))
        epoch, index = divmod(position, self.epoch_length)
        rng = np.random.default_rng((self.seed, epoch, index))
        step = 1 if self.rescale_gt else self.scale
        side = min(hr.shape[:2]) if self.rescale_gt else self.crop * self.scale
        top, left = (int(rng.integers((length - side) // step + 1)) * step for length in hr.shape[:2])
        orientation = int(rng.integers(2)) * _MIRRORED if self.rescale_gt else int(rng.integers(_ORIENTATIONS))

        def cut(picture: np.ndarray) -> Tensor:
            return _resized(oriented(_window(picture, top, left, side), orientation), self.crop * self.scale)

        true = cut(hr)
        target = true
        if taught is not None:
            target = torch.lerp(true.float(), cut(taught).float(), self.teacher).round().to(torch.uint8)
        strength = drawn_strength(self.seed, position) if self.degradation == "web" else 0.0
        if self.degradation == "bicubic" and not self.rescale_gt:
            small = oriented(_window(lr, top // step, left // step, self.crop), orientation)
        else:
            small = self._degraded(true, position, strength if self.degradation == "web" else None)
        return Crop(small, true, target, torch.tensor(strength))

    def _degraded(self, true: Tensor, position: int, strength: float | None) -> Tensor:
        seed = derived_seed(self.seed, f"degradation/{position}")
        hr = true[None].float() / 255
        made = degrade(hr, kind=self.degradation, scale=self.scale, seed=seed, strength=strength)
        return (made[0] * 255).round().to(torch.uint8)


def _window(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    return picture[top : top + side, left : left + side]


def oriented(crop: np.ndarray, orientation: int) -> Tensor:
    """One of the eight symmetries of a square, 0 to 7, of a (side, side, 3) crop, as a (3, side, side) tensor."""
    turned = np.rot90(crop, orientation % 4)
    mirrored = turned[:, ::-1] if orientation >= 4 else turned
    return torch.from_numpy(np.ascontiguousarray(mirrored.transpose(2, 0, 1)))


def _resized(square: Tensor, side: int) -> Tensor:
    """(3, H, H) uint8 to (3, side, side) uint8, by area."""
    if square.shape[-1] == side:
        return square
    return resize(square[None].float(), size=(side, side), method="area-opencv")[0].round().to(torch.uint8)


class Positions(Sampler[int]):
    """The positions from `start` up to, but not including, `end`."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.end))

    def __len__(self) -> int:
        return self.end - self.start
