"""Every command of the documents runs, on tiny files of the names that it uses, or is listed with its own test.

The commands of the first page and of a how-to page run one after the other, those of the reference each for itself.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "index.md", *sorted((DOCS / "how-to").glob("*.md"))]
REFERENCE = [DOCS.parent / "README.md", *sorted(set(DOCS.glob("*.md")) - set(PAGES))]

ELSEWHERE = {
    r"--install-completion": "tests/cli/test_models.py",
    r"upscale - ": "tests/cli/test_pipe.py",
    r"--jobs": "tests/cli/test_upscale_workers.py",
    r"s3://|--cluster": "tests/interop/test_cluster.py",
    r"--device cuda:0,cuda:1": "a machine with two GPUs",
    r"\.mp4": "tests/cli/test_video.py, and the how-to page",
    r"deltasr web": "tests/cli/test_web.py; it serves until it is ended",
    r"deltasr engines|--engine auto": "tests/cli/test_engines.py; engines are tried in processes of their own",
    r"deltasr export|--model \S+\.(onnx|xml)": "tests/cli/test_export.py",
    r"deltasr import|resshift-s4": "tests/cli/test_import.py",
    r"inpainting\.safetensors": "tests/models/test_resshift.py",
    r"4x-model\.pth": "tests/interop/test_community_models.py",
    r"openmodeldb://": "tests/interop/test_openmodeldb.py",
    r"hf://": "tests/models/test_hub.py",
    r"ldm-sr": "tests/models/test_ldm.py",
    r"smooth\.safetensors": "tests/models/test_blend.py",
    r"--lpips|--metric|--results": "tests/cli/test_evaluate.py",
    r"experiment \w": "tests/cli/test_experiment.py",
    r"train .*--resume": "tests/cli/test_train.py",
    r"degrade .*\.csv": "tests/cli/test_degrade.py",
    r"deltasr steps": "tests/cli/test_steps.py",
}
"""Patterns of commands that do not run here, and where they do, or what they need."""


def commands_of(page: Path) -> list[str]:
    """The lines of a page's shell code that call deltasr."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(block for language, block in blocks if language in ("", "sh")).replace("\\\n", " ").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith("deltasr ")]
    return [shlex.join(words[: words.index(">")] if ">" in words else words) for words in calls]


def commands_of_the_reference() -> list[str]:
    """Each command once, without those that are run elsewhere."""
    found = dict.fromkeys(command for page in REFERENCE for command in commands_of(page))
    return [command for command in found if not any(re.search(pattern, command) for pattern in ELSEWHERE)]


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


@pytest.fixture
def more_files(files: Path) -> Path:
    """Those of the reference: pictures by other names, folders of one picture, and test sets."""
    rgb = Image.open(files / "drawing.png").resize((48, 48))
    for name in ("photo.png", "web.jpg", "a.png", "b.webp", "portrait.tif"):
        Image.open(files / "drawing.png").save(files / name)
    for folder in ("scans", "photos", "PICTURES", "text", "drawings", "Set5/HR", "Set14/HR", "Urban100/HR"):
        (files / folder).mkdir(parents=True)
        rgb.save(files / folder / "a.png")
    for folder in ("text-lr", "drawings-lr"):
        (files / folder).mkdir()
        rgb.resize((12, 12)).save(files / folder / "a.png")
    rgb.resize((256, 256)).save(files / "PICTURES" / "a.png")
    (files / "mine.toml").write_text("crop = 24\n")
    return files


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


@pytest.mark.parametrize("command", commands_of_the_reference())
def test_every_command_of_the_reference_runs(command: str, more_files: Path, capsys: pytest.CaptureFixture[str]):
    """Training is asked what it would train; one picture is drawn instead of many."""
    words = shlex.split(re.sub(r"--count \d+", "--count 1", command))[1:]
    if words[0] == "train" and "--show-recipe" not in words:
        words.append("--show-recipe")
    for result in results_of(command):  # which other commands read
        shutil.rmtree(result, ignore_errors=True)
    with pytest.raises(SystemExit) as ended:
        main(words)
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    assert printed.out


def test_what_runs_elsewhere_is_on_a_page_and_there():
    commands = [command for page in REFERENCE for command in commands_of(page)]
    assert [pattern for pattern in ELSEWHERE if not any(re.search(pattern, line) for line in commands)] == []
    named = re.findall(r"tests/\S+\.py", " ".join(ELSEWHERE.values()))
    assert [test for test in named if not (DOCS.parent / test).exists()] == []
