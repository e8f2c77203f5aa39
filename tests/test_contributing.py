"""The worked example in CONTRIBUTING.md makes a model that is trained, saved, loaded, measured and upscales."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deltasr

ROOT = Path(__file__).parents[1]
CONFIGS = "src/deltasr/models/configs.py"
SHORT = ("crop=8", "batch=2", "images=8", "warmup=2", "validation_pictures=1")


def _blocks(language: str) -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the example's files in it, and pictures to train on."""
    tree = tmp_path_factory.mktemp("example")
    package = tree / "src" / "deltasr"
    shutil.copytree(Path(deltasr.__file__).parent, package, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    (package / "weights").symlink_to(Path(deltasr.__file__).parent / "weights")
    for block in _blocks("python"):
        place, _, code = block.removeprefix("# ").partition("\n")
        if place == f"ARCHITECTURES in {CONFIGS}":
            _insert(tree / CONFIGS, code, before="    )\n}\n")
        elif place == CONFIGS:
            _insert(tree / CONFIGS, f"{code}\n\n", before="ARCHITECTURES: ")
        else:
            assert not (ROOT / place).exists()
            (tree / place).parent.mkdir(parents=True, exist_ok=True)
            (tree / place).write_text(code, encoding="utf-8")
    (tree / "photographs").mkdir()
    for seed in range(3):
        levels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tree / "photographs" / f"{seed}.png")
    Image.fromarray(levels[:9, :12]).save(tree / "small.png")
    return tree


def _insert(file: Path, code: str, *, before: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, code + before), encoding="utf-8")


def _run(tree: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_example_is_four_files_at_most():
    places = {
        block.removeprefix("# ").partition("\n")[0].removeprefix("ARCHITECTURES in ") for block in _blocks("python")
    }
    assert len(places) == 4


def test_its_tests_pass(tree: Path):
    assert "2 passed" in _run(tree, "pytest", "-p", "no:cacheprovider", "-q", "tests")


def test_its_commands_train_it_and_upscale_by_it(tree: Path):
    (commands,) = _blocks("sh")
    config, train, upscale = (shlex.split(line) for line in commands.splitlines())
    assert config[0] == "echo"
    (tree / config[-1]).write_text(config[1], encoding="utf-8")
    shorter = [part for key in SHORT for part in ("--set", key)]
    _run(tree, *train, *shorter, "--cache", "cache", "--device", "cpu")
    _run(tree, *upscale)
    with Image.open(tree / "large.png") as large:
        assert large.size == (48, 36)
    assert "ESPCN x4" in _run(tree, "deltasr", "info", "runs/espcn")
