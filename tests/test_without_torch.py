"""Bundled models where torch is not installed, or is not wanted: pictures are upscaled without it.

In child processes, since the tests themselves have loaded torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.imaging import Metadata, Picture, read_picture, write_picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.array_interpolation import UPSAMPLINGS

pytest.importorskip("onnxruntime", reason="runs the networks")

HIDDEN = "import sys\nfor name in ('torch', 'safetensors.torch'):\n    sys.modules[name] = None\n"
RUN = """
import json, sys
from deltasr.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        print("status", end.code, "torch", sys.modules.get("torch") is not None, flush=True)
slow = ("numpy.ma", "PIL.Image", "rich.progress")
print("loaded:", *(name for name in slow if name in sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of these processes remember what was tried."""
    return tmp_path_factory.mktemp("cache")


def run(cache: Path, folder: Path, *commands: list[str], hidden: bool) -> tuple[list[str], str]:
    """The statuses of commands, and what they printed as errors, in one new process."""
    ended = subprocess.run(
        [sys.executable, "-c", (HIDDEN if hidden else "") + RUN, json.dumps(commands)],
        cwd=folder,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [line for line in ended.stdout.splitlines() if line.startswith("status")], ended.stderr


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: 16 bits with alpha, text and a profile; a JPEG with EXIF in a subfolder; grey."""
    folder = tmp_path_factory.mktemp("pictures")
    frog = read_picture(Path(__file__).parents[1] / "examples" / "frog.png").pixels[:45, :61]
    deep = frog.astype(np.uint16) * 257 + np.uint16(3)
    alpha = np.full(deep.shape[:2], 65535, np.uint16)
    alpha[10:30, 20:] = 0
    text = Metadata(text={"Title": "a frog"}, icc=_profile())
    write_picture(Picture(pixels=deep, alpha=alpha, metadata=text), folder / "deep.png")
    write_picture(Picture(pixels=frog[..., :1]), folder / "grey.png")
    (folder / "sub").mkdir()
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    Image.fromarray(frog).save(folder / "sub" / "photo.jpg", quality=40, exif=exif)
    return folder


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def outcome(cache: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """The folder of results, statuses and errors of commands where torch is not installed."""
    folder = tmp_path_factory.mktemp("results")
    statuses, errors = run(
        cache,
        folder,
        ["upscale", str(pictures), "-o", "all", "--map", "determined"],
        ["upscale", str(pictures), "-o", "mapped", "--map", "error", "--tile", "24"],
        ["upscale", str(pictures / "deep.png"), "-o", "sized.png", "--width", "150", "--fidelity", "0.1",
         "--restoration", "0.04", "--ensemble", "--engine", "auto", "--tile", "16"],
        ["engines"],
        ["upscale", str(pictures / "grey.png"), "-o", "no.png", "--engine", "torch"],
        ["upscale", str(pictures / "grey.png"), "-o", "no.png", "--model", "rrdb-x4", "--map", "error"],
        ["upscale", str(pictures / "grey.png"), "-o", "no.png", "--model", "bilinear"],
        ["degrade", str(pictures / "grey.png"), "-o", "no"],
        ["upscale", str(pictures / "deep.png"), "-o", "no.png", "--model", "bicubic", "--engine", "torch"],
        ["upscale", str(pictures / "deep.png"), "-o", "no.png", "--model", "bicubic", "--engine", "onnxruntime"],
        *(["upscale", str(pictures), "-o", name, "--model", name] for name in UPSAMPLINGS),
        hidden=True,
    )  # fmt: skip
    return folder, statuses, errors


def require_close(found: Picture, expected: Picture) -> None:
    """Within one level of 8 bits."""
    assert found.pixels.shape == expected.pixels.shape
    assert found.pixels.dtype == expected.pixels.dtype
    one = 257 if found.bits == 16 else 1
    assert np.abs(found.pixels.astype(int) - expected.pixels).max() <= one
    assert (found.alpha is None) == (expected.alpha is None)
    if found.alpha is not None:
        assert np.abs(found.alpha.astype(int) - expected.alpha).max() <= one


def test_a_folder_comes_out_as_by_torch(outcome, pictures: Path):
    folder, statuses, errors = outcome
    assert statuses[:4] == ["status 0 torch False"] * 4, errors
    upscaler = Upscaler(catalogue.load(), device="cpu", engine="torch")
    for name in ("deep.png", "grey.png", "sub/photo.jpg"):
        found, expected = read_picture(folder / "all" / name), upscaler.upscale(pictures / name)
        if name.endswith(".png"):
            require_close(found, expected)
            assert found.metadata.text == expected.metadata.text
        assert found.metadata.icc == expected.metadata.icc
        assert found.metadata.exif == expected.metadata.exif
        assert (folder / "all" / Path(name).with_name(f"{Path(name).stem}-determined.png")).exists()
    assert found.metadata.exif is not None
    assert "estimated: JPEG of quality 40" in expected.metadata.text["deltasr:restoration"]


def test_the_error_map_is_torchs_and_changes_no_byte(outcome, pictures: Path):
    folder, _, _ = outcome
    upscaler = Upscaler(catalogue.load(), device="cpu", engine="torch", tile=24)
    for name in ("deep", "grey"):
        expected = upscaler.upscale(pictures / f"{name}.png", error_map=True).error_map
        found = read_picture(folder / "mapped" / f"{name}-map.png").pixels[..., 0]
        assert np.abs(found.astype(int) - expected).max() <= 1
        assert read_picture(folder / "mapped" / f"{name}-map-overlay.png").pixels.shape == (*expected.shape, 3)
    for name in ("deep.png", "grey.png", "sub/photo.jpg"):
        assert (folder / "mapped" / name).read_bytes() == (folder / "all" / name).read_bytes()


def test_sizes_dials_tiles_and_ensembles_are_torchs(outcome, pictures: Path):
    folder, _, _ = outcome
    upscaler = Upscaler(catalogue.load(), device="cpu", tile=16, ensemble=True)
    expected = upscaler.upscale(pictures / "deep.png", size=(111, 150), fidelity=0.1, restoration=0.04)
    require_close(read_picture(folder / "sized.png"), expected)


def test_what_needs_torch_says_so(outcome):
    folder, statuses, errors = outcome
    assert statuses[4:10] == ["status 1 torch False"] * 6
    assert "Traceback" not in errors
    told = [line for line in errors.splitlines() if "PyTorch" in line]
    assert len(told) == 5
    assert "The engine torch needs PyTorch, which is not installed: pip install torch." in told[0]
    assert "The model bilinear needs PyTorch" in told[1]
    assert "needs PyTorch, which is not installed" in told[2]
    assert "The engine torch needs PyTorch" in told[3]
    assert "ONNX Runtime runs bicubic only where PyTorch is installed; leave the engine out." in told[4]
    assert "The model rrdb-x4 has no error map; choose deltadiff-x4." in errors
    assert sorted(file.name for file in folder.iterdir()) == sorted(["all", "mapped", "sized.png", *UPSAMPLINGS])


@pytest.mark.parametrize("name", UPSAMPLINGS)
def test_interpolations_come_out_as_by_torch(outcome, pictures: Path, name: str):
    folder, statuses, errors = outcome
    assert statuses[10:] == ["status 0 torch False"] * len(UPSAMPLINGS), errors
    upscaler = Upscaler(catalogue.load(name), device="cpu")
    assert not upscaler.model.takes_arrays
    for file in ("deep.png", "grey.png"):
        require_close(read_picture(folder / name / file), upscaler.upscale(pictures / file))


def test_an_engine_that_was_asked_for_does_without_torch(cache: Path, pictures: Path, outcome, tmp_path: Path):
    """Where torch is installed; the result is the one that is made where it is not."""
    command = ["upscale", str(pictures / "grey.png"), "-o", "a.png", "--engine", "onnxruntime"]
    statuses, errors = run(cache, tmp_path, command, hidden=False)
    assert statuses == ["status 0 torch False"], errors
    assert errors == "loaded:\n"  # nothing that takes long to load and that this has no use for
    require_close(
        read_picture(tmp_path / "a.png"), Upscaler(catalogue.load(), device="cpu").upscale(pictures / "grey.png")
    )


def test_tensors_are_still_pictures_for_a_model_without_torch():
    upscaler = Upscaler(catalogue.load(runtime="onnxruntime"))
    lr = torch.rand(3, 9, 8, generator=torch.Generator().manual_seed(0))
    require_close(upscaler.upscale(lr), Upscaler(catalogue.load(), device="cpu").upscale(lr))
