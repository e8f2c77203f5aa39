"""The rooms of the package: imports point downwards only, and importing the package or its command line is cheap."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import deltasr

PACKAGE = Path(deltasr.__file__).parent

LEAVES: dict[str, set[str]] = {
    "errors": set(),
    "arguments": set(),
    "arrays": set(),
    "files": set(),
    "free_memory": set(),
    "interruption": set(),
    "user_cache": {"files"},
    "live_bytes": set(),
    "processor": {"user_cache"},
    "environment": {"processor"},
    "devices": {"processor", "arguments"},
    "resampling": {"arrays"},
}
"""Files beside the rooms, which all rooms may use, to what they use of each other."""

ROOMS: dict[str, set[str]] = {
    "imaging": set(),
    "planning": {"imaging"},
    "degradation": set(),
    "diffusion": set(),
    "nets": set(),
    "models": {"nets", "diffusion"},
    "engines": {"models"},
    "inference": {"planning", "engines", "models", "diffusion", "imaging", "degradation"},
    "distribution": {"inference", "models", "planning"},
    "video": {"planning", "inference", "models", "imaging"},
    "evaluation": {"planning", "inference", "models", "nets", "imaging", "degradation"},
    "training": {"inference", "evaluation", "models", "nets", "diffusion", "imaging", "degradation"},
    "experiments": {"training", "evaluation", "inference", "models", "diffusion", "imaging", "degradation"},
    "web": {"inference", "models", "planning", "imaging"},
    "cli": {
        "video",
        "web",
        "distribution",
        "engines",
        "experiments",
        "inference",
        "training",
        "evaluation",
        "models",
        "planning",
        "imaging",
        "degradation",
    },
}
"""Room to the rooms below it that it uses."""

MAY_USE = LEAVES | {room: used | LEAVES.keys() for room, used in ROOMS.items()}
"""Room to the rooms whose names may stand in its imports; all may use `errors` and their own."""

HEAVY = (
    "torch", "numpy", "pyvips", "PIL", "safetensors", "accelerate", "scipy", "skimage", "diffusers", "matplotlib",
    "onnxruntime", "openvino", "av",
)  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    """The first part of a module's place in the package; `__init__` for the package itself."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(module: Path) -> Iterator[tuple[int, str]]:
    """Line and room of every import of ours in a module: at the top, inside functions and for types alike."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "deltasr" else [base]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "deltasr":
                yield node.lineno, rest.partition(".")[0]


def test_every_room_is_known():
    rooms = {room_of(module) for module in modules()}
    assert rooms - {"__init__", "__main__"} == set(MAY_USE)


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_point_downwards(module: Path):
    room = room_of(module)
    if room in ("__init__", "__main__"):
        return
    allowed = MAY_USE[room] | {room, "errors", "__version__"}
    upwards = [f"line {line}: deltasr.{used}" for line, used in imported_rooms(module) if used not in allowed]
    assert not upwards


def test_rooms_do_not_use_each_other_in_circles():
    left = dict(MAY_USE)
    while left:
        lowest = [room for room, used in left.items() if not used & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        for room in lowest:
            del left[room]


@pytest.mark.parametrize("room", ["", ".cli", ".errors", ".imaging", ".resampling"])
def test_imports_are_cheap(room: str):
    loaded = f"import deltasr{room}; import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout
    assert printed.split() == []


def test_help_is_cheap():
    """The help of the program reads every command's signature, and still loads nothing heavy."""
    asked = f"""
import sys
from deltasr.cli import main
try:
    main(["--help"])
except SystemExit as exit_:
    assert exit_.code == 0, exit_.code
print("heavy:", *[name for name in {HEAVY!r} if name in sys.modules])
"""
    printed = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1].split() == ["heavy:"]
    commands = (
        "upscale", "models", "info", "steps", "evaluate", "train", "import", "degrade", "graphics", "experiment",
        "web", "engines", "export",
    )  # fmt: skip
    for command in commands:
        assert re.search(rf"^\W+{command} +\w+", printed, re.MULTILINE), f"{command} is not listed with what it does"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["models"], 0),
        (["models", "--json"], 0),
        (["info", "deltadiff-x4"], 0),
        (["info", "mine.safetensors"], 0),
        (["upscale", "a.png", "-o", "b.png", "--skip-existing"], 0),
        (["upscale", "a.png", "-o", "b.png"], 1),
        (["upscale", "gone.png"], 1),
    ],
)
def test_what_needs_no_model_loads_nothing_heavy(tmp_path: Path, arguments: list[str], status: int):
    """Seconds go into loading torch; these answer at once."""
    shutil.copy(PACKAGE / "weights" / "rrdb-x4.safetensors", tmp_path / "mine.safetensors")
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"a picture, as far as these look at it")
    loaded = _loaded_by(arguments, tmp_path, status)
    assert loaded == set()


def test_a_dry_run_reads_pictures_and_loads_no_model(tmp_path: Path):
    shutil.copy(PACKAGE.parents[1] / "examples" / "frog.png", tmp_path / "a.png")
    assert _loaded_by(["upscale", "a.png", "--dry-run"], tmp_path, 0) & {"torch", "safetensors"} == set()
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def _loaded_by(arguments: list[str], folder: Path, status: int) -> set[str]:
    """The heavy modules that a command loads in a process of its own."""
    asked = f"""
import os
import sys
from deltasr.cli import main
os.chdir({str(folder)!r})
try:
    main({arguments!r})
except SystemExit as exit_:
    assert exit_.code == {status}, exit_.code
print("heavy:", *[name for name in {HEAVY!r} if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split()[1:])
