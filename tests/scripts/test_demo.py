"""What `make demo` leaves: a result for each picture, and all of them beside their inputs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from PIL import Image


def test_a_result_for_each_picture_and_one_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pictures, output = tmp_path / "pictures", tmp_path / "output"
    pictures.mkdir()
    for name, size in (("a.png", (9, 7)), ("b.jpg", (8, 8))):
        Image.new("RGB", size, "teal").save(pictures / name)
    (pictures / "README.md").touch()
    importlib.import_module("demo").main(pictures, output)
    assert {path.name for path in output.iterdir()} == {"a.png", "b.png", "side-by-side.png"}
    assert Image.open(output / "a.png").size == (36, 28)
    width, height = Image.open(output / "side-by-side.png").size
    assert width > 4 * 36
    assert height > 28 + 32
    assert f"{output / 'a.png'}: 36x28 pixels" in capsys.readouterr().out
