"""`deltasr graphics`: synthetic screenshots and drawings, made from a seed, for viewing and for test sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deltasr.cli.messages import complain, plain
from deltasr.cli.parameters import OUTPUT, REPEATABLE, Flag

if TYPE_CHECKING:
    import numpy as np


def graphics_command(
    *,
    output: Annotated[Path, OUTPUT],
    count: int = 20,
    seed: int = 0,
    size: int = 512,
    kind: Annotated[tuple[str, ...], REPEATABLE] = (),
    fonts: Path | None = None,
    test_fonts: Flag = False,
    backgrounds: Path | None = None,
    overwrite: Flag = False,
) -> int:
    """Draw synthetic pictures for training and tests.

    They show text, interfaces, charts, line art, logos and patterns. The same seed, size, kinds, fonts and
    backgrounds give the same pictures, with the same versions of Pillow and NumPy. A picture does not depend on how
    many are drawn.

    Parameters
    ----------
    output
        Folder for the pictures, PNG files named by seed, number and kind.
    count
        Number of pictures.
    seed
        Seed of all random choices.
    size
        Height and width in pixels, at least 32.
    kind
        text, interface, chart, drawing, logo or pattern. Can be repeated. By default all of them.
    fonts
        Folder of fonts to use instead of the system's, together with those of Pillow and matplotlib.
    test_fonts
        Use the font families that training never uses, and none of the system's.
    backgrounds
        Folder of photographs, which are used as backgrounds of text and windows.
    overwrite
        Replace files that already exist.
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
            complain(str(error))
        else:
            print(plain(str(path)), flush=True)
    print(f"{count - failed} done, {failed} failed")
    return int(failed > 0)


def _photographs(folder: Path) -> list[np.ndarray]:
    """The pictures in a folder and its subfolders; those that cannot be read are reported and left out.

    Raises:
        SettingError: none can be read.
        TrainingError: there are none.
    """
    from deltasr.errors import PictureError, SettingError
    from deltasr.imaging import read_rgb8
    from deltasr.training.data.cache import find_pictures

    found = []
    for path in find_pictures(folder):
        try:
            found.append(read_rgb8(path))
        except PictureError as error:
            complain(str(error))
    if not found:
        raise SettingError(f"None of the pictures below {folder} can be read.")
    return found
