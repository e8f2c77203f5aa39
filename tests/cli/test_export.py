"""`deltasr export` from the outside, up to a picture that an exported file upscales."""

from __future__ import annotations

import numpy as np
import pytest

from deltasr.imaging import picture_from, read_picture, write_picture
from deltasr.models import catalogue, checkpoint
from deltasr.models.rrdb import Rrdb

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="needs the extra export")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "mine.safetensors"
    checkpoint.save(Rrdb(blocks=1, width=8), path)
    return path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    write_picture(picture_from(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)), path)
    return path


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_an_exported_file_upscales_as_its_model_does(suffix, model, picture, tmp_path, command_line):
    if suffix == ".xml":
        pytest.importorskip("openvino")
    file = tmp_path / f"mine{suffix}"
    status, out, _ = command_line("export", model, "-o", file)
    assert status == 0
    assert out.startswith(f"{file}: ")
    results = []
    for number, used in enumerate((model, file)):
        assert command_line("upscale", picture, "-o", tmp_path / f"{number}.png", "--model", used)[0] == 0
        results.append(read_picture(tmp_path / f"{number}.png").pixels.astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1
    assert "x4" in command_line("info", file)[1]
    status, _, errors = command_line("export", model, "-o", file)
    assert (status, "--overwrite" in errors) == (1, True)


def test_eight_bits_lose_little(model, tmp_path, command_line):
    pytest.importorskip("nncf", reason="needs the extra int8")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for seed in range(3):
        waves = np.random.default_rng(seed).random((9, 9, 3)).repeat(32, axis=0).repeat(32, axis=1)
        write_picture(picture_from((255 * waves).astype(np.uint8)), photographs / f"{seed}.png")
    (photographs / "broken.png").write_bytes(b"none")
    file = tmp_path / "mine.xml"
    status, out, errors = command_line("export", model, "-o", file, "--int8", "--calibration", photographs)
    assert (status, "in 8 bits" in out, "broken.png" in errors) == (0, True, True)
    exact, rounded = catalogue.load(model), catalogue.load(file)
    assert rounded.header.weights == "int8"
    import torch

    lr = torch.from_numpy(np.random.default_rng(5).random((1, 3, 24, 24), np.float32))
    with torch.inference_mode():
        difference = (exact(lr) - rounded(lr)).abs()
    assert 0 < difference.max() < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.pt"], ".onnx or .xml"),
        (["-o", "a.onnx", "--int8"], "OpenVINO alone"),
        (["-o", "a.xml", "--int8"], "--calibration"),
        (["-o", "a.xml", "--calibration", "pictures"], "--int8"),
        (["-o", "a.xml", "--int8", "--calibration", "gone"], "gone is not a folder"),
    ],
)
def test_what_is_not_possible_is_told(arguments, message, model, command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, errors = command_line("export", model, *arguments)
    assert status == 1
    assert message in errors
