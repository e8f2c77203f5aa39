"""`deltasr graphics`: pictures drawn from a seed as screens and drawings have them, to look at and for test sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    import numpy as np


def graphics_command(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    count: int = 20,
    seed: int = 0,
    size: int = 512,
    kind: tuple[str, ...] = (),
    fonts: Path | None = None,
    test_fonts: Annotated[bool, Parameter(negative=())] = False,
    backgrounds: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Draw HR pictures as screens and drawings have them: text, interfaces, charts, line art, logos and patterns.

    The same seed, size, kinds, fonts and backgrounds give the same pictures, with the same versions of Pillow and
    NumPy. Picture k is the same however many there are.

    Parameters
    ----------
    output
        Folder for the pictures, PNG files named by seed, number and kind.
    count
        How many.
    seed
        Decides everything about them.
    size
        Height and width in pixels, at least 32.
    kind
        text, interface, chart, drawing, logo or pattern; repeat it for several. All of them unless given.
    fonts
        Folder of fonts to use instead of the system's, beside those that come with Pillow and matplotlib.
    test_fonts
        Use the families that are never trained with, and none of the system's.
    backgrounds
        Folder of photographs that may lie under text and windows.
    overwrite
        Replace files that are there already.
    """
    from deltasr.errors import PictureError, SettingError
    from deltasr.imaging import picture_from, write_picture
    from deltasr.training.data.graphics.fonts import held_out_fonts, training_fonts
    from deltasr.training.data.graphics.pictures import KINDS, render

    if count < 1:
        raise SettingError(f"--count {count} is out of range; it is at least 1.")
    used = held_out_fonts(fonts) if test_fonts else training_fonts(fonts)
    under = [] if backgrounds is None else _photographs(backgrounds)
    drawn = render(count, seed, height=size, width=size, fonts=used, backgrounds=under, kinds=kind or tuple(KINDS))
    families = sorted({face.family for face in used.faces})
    print(f"{len(used.faces)} fonts of {len(families)} families: {', '.join(families)}")
    failed = 0
    for number, picture in enumerate(drawn):
        path = output / f"{seed}-{number:05d}-{picture.kind}.png"
        try:
            if path.exists() and not overwrite:
                raise PictureError(f"{path} already exists; choose --overwrite, or another output.")
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingError(f"The folder {output} cannot be made: {error.strerror}.") from error
            write_picture(picture_from(picture.pixels), path)
        except PictureError as error:
            failed += 1
            print(f"deltasr: {error}", file=sys.stderr)
        else:
            print(path, flush=True)
    print(f"{count - failed} done, {failed} failed")
    return int(failed > 0)


def _photographs(folder: Path) -> list[np.ndarray]:
    """The pictures below a folder; those that cannot be read are told and left out."""
    from deltasr.errors import PictureError, SettingError
    from deltasr.imaging import read_rgb8
    from deltasr.training.data.cache import find_pictures

    found = []
    for path in find_pictures(folder):
        try:
            found.append(read_rgb8(path))
        except PictureError as error:
            print(f"deltasr: {error}", file=sys.stderr)
    if not found:
        raise SettingError(f"None of the pictures below {folder} can be read.")
    return found
