"""Drawn pictures in the training cache, beside the decoded ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL

from deltasr.degradation.draws import derived_seed
from deltasr.training.data.cache import CachedPicture, degrade, save_array, shape_of
from deltasr.training.data.graphics.fonts import training_fonts
from deltasr.training.data.graphics.pictures import draw

COUNT = 400
SIDE = 512
_FORMAT = 1
_BACKGROUNDS = 32


def drawn_pictures(
    cache: Path,
    *,
    seed: int,
    scale: int,
    photographs: Sequence[CachedPicture] = (),
    count: int = COUNT,
    side: int = SIDE,
    progress: Callable[[float], None] | None = None,
) -> list[CachedPicture]:
    """Draw pictures into the cache, with the fonts for training; those that are in it already are not drawn again.

    Args:
        cache: the folder, which exists.
        seed: of all random choices.
        scale: the factor of the LR partners.
        photographs: some of them lie under text and windows.
        count: how many.
        side: their height and width in pixels, cut to a multiple of `scale`.
        progress: called with the share that is done.

    Returns:
        The pictures; `source` is a description in place of a file.

    Raises:
        TrainingError: the cache cannot be written.
    """
    fonts = training_fonts()
    side -= side % scale
    under = [picture.arrays()[0] for picture in photographs[:: max(1, len(photographs) // _BACKGROUNDS)]][:_BACKGROUNDS]
    parts = [str(_FORMAT), str(seed), str(scale), str(side), PIL.__version__]
    parts += [Path(face.file).name for face in fonts.faces] + [picture.hr_file.name for picture in photographs]
    key = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
    pictures = []
    for number in range(count):
        hr_file, lr_file = (cache / f"drawn-{key}-{number:05d}.{what}.npy" for what in ("hr", "lr"))
        if shape_of(hr_file) != (side, side, 3) or shape_of(lr_file) is None:
            drawn = draw(
                derived_seed(seed, f"graphics/{number}"), height=side, width=side, fonts=fonts, backgrounds=under
            )
            hr = np.array(drawn.pixels)
            save_array(lr_file, degrade(hr, scale))
            save_array(hr_file, hr)
        pictures.append(CachedPicture(Path(f"drawn picture {number}"), hr_file, lr_file, height=side, width=side))
        if progress is not None:
            progress((number + 1) / count)
    return pictures
