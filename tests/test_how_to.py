"""Every command of the first page and of the how-to pages runs, on tiny files of the names that they use."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "index.md", *sorted((DOCS / "how-to").glob("*.md"))]


def commands_of(page: Path) -> list[str]:
    """The lines of a page's shell code that call deltasr."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("deltasr ")]


def results_of(command: str) -> list[str]:
    """The files and folders that a command writes to with -o."""
    words = shlex.split(command)
    return [words[place + 1] for place, word in enumerate(words) if word in ("-o", "--output")]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of every name that the pages use."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    for name in ("photo.jpg", "IMG_0042.jpg", "old.jpg"):
        rgb.save(tmp_path / name, quality=40)
    rgb.resize((270, 4)).save(tmp_path / "cut-out.png")
    rgb.save(tmp_path / "drawing.png")
    Image.fromarray(rng.integers(0, 256, (10, 12, 4), dtype=np.uint8)).save(tmp_path / "logo.png")
    Image.fromarray(rng.integers(0, 65536, (12, 14)).astype(np.uint16)).save(tmp_path / "scan.tif")
    (tmp_path / "holiday" / "beach").mkdir(parents=True)
    for number in range(2):
        rgb.save(tmp_path / "holiday" / "beach" / f"{number}.jpg")
    if importlib.util.find_spec("av"):
        _save_clip(tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _save_clip(path: Path) -> None:
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        for number in range(2):
            pixels = np.full((16, 24, 3), 60 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_runs(page: Path, files: Path):
    if page.stem == "video":
        pytest.importorskip("av", reason="needs the extra 'video'")
    commands = commands_of(page)
    assert commands
    for command in commands:
        before = {file for file in files.rglob("*") if file.is_file()}
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command)[1:])
        assert ended.value.code == 0, command
        written = {file for file in files.rglob("*") if file.is_file()} - before
        assert bool(written) != ("--dry-run" in command), command
        assert all(Path(result).exists() for result in results_of(command)) or "--dry-run" in command
