"""Results of other upscalers as training targets (distillation: Hinton et al., arXiv:1503.02531).

A teacher's result has only details that can be predicted from the LR picture. The other details of the HR picture are
noise in the gradient of a network. A teacher upscales every training picture once, into the cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from deltasr.errors import DeltasrError, SettingError, TrainingError
from deltasr.files import sha256_of
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.training.data.cache import CachedPicture, save_array, shape_of

_FORMAT = 1
_TILE = 128
"""LR pixels per side of a tile; it does not depend on the free memory, so every machine makes the same pictures."""


class Teachers:
    """One or several upscalers, whose mean is the target.

    Args:
        names: each a name in the catalogue or a file, as `models.catalogue.load` takes them.
        scale: the factor that they must have.

    Attributes:
        key: a hash of the content of the models' files, which does not depend on their names.
    """

    def __init__(self, names: Sequence[str], *, scale: int) -> None:
        self.names, self.scale = tuple(names), scale
        self.key = _key(names)
        self._upscalers: list[Upscaler] = []

    def load(self) -> list[Upscaler]:
        """The upscalers; the first call loads them.

        Raises:
            ModelError, CheckpointError: one cannot be loaded.
            SettingError: one has another factor.
        """
        if not self._upscalers:
            for name in self.names:
                model = catalogue.load(name)
                if model.scale != self.scale:
                    raise SettingError(f"The teacher {name} is for x{model.scale}, and the recipe for x{self.scale}.")
                self._upscalers.append(Upscaler(model, tile=_TILE, consistency=False))
        return self._upscalers

    def picture(self, lr: np.ndarray) -> np.ndarray:
        """The mean of the teachers' results for a picture: (h, w, 3) uint8 to (scale h, scale w, 3) uint8.

        Models with a dial run at fidelity 1.
        """
        made = [
            upscaler.upscale(np.ascontiguousarray(lr), fidelity=1.0 if upscaler.model.dial else None).pixels
            for upscaler in self.load()
        ]
        return np.rint(np.mean(made, axis=0, dtype=np.float32)).astype(np.uint8)


def _key(names: Sequence[str]) -> str:
    """A hash of everything that the targets depend on: the content of the models' files."""
    contents = sorted(_content(name) for name in names)
    return hashlib.sha256("|".join([str(_FORMAT), *contents]).encode()).hexdigest()[:12]


def _content(name: str) -> str:
    file = Path(name)
    if name in catalogue.BUNDLED:
        file = catalogue.bundled_file(name, ".safetensors")
    if not file.is_file():
        return name
    return sha256_of(file)


def teach(
    pictures: Sequence[CachedPicture],
    teachers: Teachers,
    *,
    progress: Callable[[float], None] | None = None,
) -> list[CachedPicture]:
    """Make the teachers' pictures for cached pictures; existing ones are not made again.

    Each file is written whole or not at all, so after an interruption a second call goes on with the next picture.

    Args:
        pictures: from `build_cache`.
        teachers: the teachers.
        progress: called with the share of all pixels that is finished, in (0, 1].

    Returns:
        The pictures in the order given, with their `teacher_file`.

    Raises:
        TrainingError: a teacher fails on a picture, or the cache cannot be written.
        ModelError, CheckpointError, SettingError: as `Teachers.load`.
    """
    taught = []
    done, all_pixels = 0, sum(picture.height * picture.width for picture in pictures)
    for picture in pictures:
        stem = picture.hr_file.name.removesuffix(".hr.npy")
        file = picture.hr_file.with_name(f"{stem}.teacher-{teachers.key}.npy")
        if shape_of(file) != (picture.height, picture.width, 3):
            teachers.load()
            _, lr = picture.arrays()
            try:
                made = teachers.picture(lr)
            except DeltasrError as error:
                raise TrainingError(f"The teacher failed on {picture.source}: {error}") from error
            save_array(file, made)
        taught.append(replace(picture, teacher_file=file))
        done += picture.height * picture.width
        if progress is not None:
            progress(done / all_pixels)
    return taught
