"""Fonts on this machine, and which of them are kept for tests."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from random import Random

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont, Layout

from deltasr.errors import TrainingError

HELD_OUT = ("aileron", "stix", "xits", "computer modern typewriter", "cmu typewriter", "lmmono", "latin modern mono")
"""Beginnings of the names of families for tests alone: a sans (Aileron, in Pillow), a serif (STIX) and a
monospaced one (Computer Modern Typewriter, both in matplotlib), and the names of the same designs by other makers."""

ALPHABETS = {
    "ascii": "ABMRabgilnos0189.,:;()+-=%&",
    "latin": "äöüßéèêëàâîïôûùœíóúáñçłńśćźżąęğışøåčř",
    "greek": "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώς",
    "cyrillic": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "cjk": "日本中文字山水火木",
}
"""The characters that a font must all have to be used for the words of an alphabet."""

_SUFFIXES = (".ttf", ".otf", ".ttc")
_NOT_LETTERS = (
    "symbol", "dings", "emoji", "icon", "awesome", "math", "music", "braille", "last resort", "cmex", "cmsy", "cmmi",
)  # fmt: skip
"""Parts of the names of families with symbols in place of letters."""
_BETTER_NAMES: dict[str, tuple[str | None, str | None]] = {
    "cmr10": ("Computer Modern", "Regular"),
    "cmb10": ("Computer Modern", "Bold"),
    "cmti10": ("Computer Modern", "Italic"),
    "cmss10": ("Computer Modern Sans", "Regular"),
    "cmtt10": ("Computer Modern Typewriter", "Regular"),
}
"""Those that are a family by design, each with a family name of its own in its file."""
_BUILT_IN = ""
_NOT_A_CHARACTER = "\U0010ffff"
_PROBE_SIZE = 24


@dataclass(frozen=True, order=True)
class Face:
    """One style of a family: a font file.

    Attributes:
        family, style: its names in the file, such as `DejaVu Sans` and `Bold`.
        file: its path; empty for the font that is part of Pillow.
        monospaced: whether an i is as wide as an M.
        alphabets: the keys of `ALPHABETS` that it can write.
    """

    family: str
    style: str
    file: str
    monospaced: bool
    alphabets: tuple[str, ...]

    def at(self, size: float) -> FreeTypeFont:
        """The font at a size in pixels, to quarters of a pixel."""
        return _opened(self.file, round(size * 4) / 4)

    @property
    def held_out(self) -> bool:
        """Whether it is for tests alone."""
        return self.family.lower().startswith(HELD_OUT)

    @property
    def bold(self) -> bool:
        return any(word in self.style.lower() for word in ("bold", "black", "heavy"))

    @property
    def italic(self) -> bool:
        return any(word in self.style.lower() for word in ("italic", "oblique"))


@dataclass(frozen=True)
class FontSet:
    """Fonts to draw with, sorted by family and style. The pictures depend on them.

    Raises:
        TrainingError: there is none.
    """

    faces: tuple[Face, ...]

    def __post_init__(self) -> None:
        if not self.faces:
            raise TrainingError(
                "There is no font to draw with; install matplotlib, which brings some, or name a folder of fonts."
            )

    def training(self) -> FontSet:
        """Those whose families do not begin as `HELD_OUT` says."""
        return FontSet(tuple(face for face in self.faces if not face.held_out))

    def test(self) -> FontSet:
        """The others, which no training uses."""
        return FontSet(tuple(face for face in self.faces if face.held_out))

    def any(self, rng: Random, *, monospaced: bool = False, alphabet: str = "ascii") -> Face:
        """An upright face of a family drawn at random; monospaced, and able to write an alphabet, if there is such."""
        able = [face for face in self.faces if alphabet in face.alphabets] or list(self.faces)
        fitting = [face for face in able if face.monospaced == monospaced] or able
        family = rng.choice(sorted({face.family for face in fitting}))
        members = [face for face in fitting if face.family == family]
        return rng.choice([face for face in members if not face.italic] or members)

    def variant(self, face: Face, *, bold: bool = False, italic: bool = False) -> Face:
        """The face of the same family that is nearest to this weight and slant."""
        members = [other for other in self.faces if other.family == face.family]
        return min(members, key=lambda other: (other.bold != bold, other.italic != italic, other.style != "Book"))


def find_fonts(folder: Path | None = None, *, system: bool = True) -> FontSet:
    """All fonts that can write text: Pillow's own, matplotlib's where it is installed, and those of a folder.

    Args:
        folder: the folder to search, subfolders included; by default the system's folders of fonts.
        system: False leaves the system's out, so that the set is the same wherever Pillow and matplotlib are.

    Raises:
        TrainingError: the folder does not exist.
    """
    if folder is not None and not folder.is_dir():
        raise TrainingError(f"{folder} is not a folder of fonts.")
    folders = [folder] if folder is not None else _system_folders() if system else []
    faces: dict[tuple[str, str], Face] = {}
    for file in (_BUILT_IN, *(str(path) for place in [*_matplotlib(), *folders] for path in _files(place))):
        face = _face(file)
        if face is not None:
            faces.setdefault((face.family, face.style), face)
    return FontSet(tuple(sorted(faces.values())))


def training_fonts(folder: Path | None = None) -> FontSet:
    """Fonts for training: those of a folder, or else the system's, and Pillow's and matplotlib's."""
    return find_fonts(folder).training()


def held_out_fonts(folder: Path | None = None) -> FontSet:
    """Fonts for tests: Pillow's and matplotlib's, never the system's, so that a test is the same everywhere."""
    return find_fonts(folder, system=False).test()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())


def _matplotlib() -> list[Path]:
    """The folder of matplotlib's fonts, found without importing it."""
    spec = find_spec("matplotlib")
    places = spec.submodule_search_locations if spec is not None else None
    return [Path(place) / "mpl-data" / "fonts" / "ttf" for place in places or ()]


def _system_folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home raises where there is none)
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", local / "Microsoft" / "Windows" / "Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    return [*(Path(place) / "fonts" for place in [*shared.split(":"), own] if place), home / ".fonts"]


@lru_cache(maxsize=4096)
def _face(file: str) -> Face | None:
    """The face in a font file; None if it cannot be read, or has no letters."""
    try:
        font = _opened(file, _PROBE_SIZE)
    except OSError:
        return None
    family, style = font.getname()
    family, style = _BETTER_NAMES.get(family or "", (family, style))
    if family is None or any(part in family.lower() for part in _NOT_LETTERS):
        return None
    alphabets = tuple(name for name, letters in ALPHABETS.items() if _writes(font, letters))
    if "ascii" not in alphabets:
        return None
    return Face(family, style or "", file, font.getlength("i") == font.getlength("M"), alphabets)


def _writes(font: FreeTypeFont, letters: str) -> bool:
    """Whether every letter has a shape of its own, other than that of missing characters."""

    def shape(letter: str) -> tuple[tuple[int, int], bytes]:
        mask = font.getmask(letter)
        return mask.size, bytes(mask)

    shapes = {shape(letter) for letter in letters}
    return len(shapes) == len(letters) and shape(_NOT_A_CHARACTER) not in shapes


@lru_cache(maxsize=512)
def _opened(file: str, size: float) -> FreeTypeFont:
    """A font at a size. The basic layout engine is used: Raqm is not on all machines."""
    if file == _BUILT_IN:
        built_in = ImageFont.load_default(size)
        if not isinstance(built_in, FreeTypeFont):
            raise OSError("Pillow was built without FreeType")
        return built_in.font_variant(layout_engine=Layout.BASIC)
    return ImageFont.truetype(file, size, layout_engine=Layout.BASIC)
