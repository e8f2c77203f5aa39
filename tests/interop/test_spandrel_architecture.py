"""DeltaDiff checkpoints in spandrel's own loader, by the file in integrations/spandrel."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spandrel
import torch
from safetensors.torch import save_file
from torch import Tensor

import deltasr
from deltasr.imaging import read_picture
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import SIZES, DeltaDiff

ROOT = Path(__file__).parents[2]
FILE = ROOT / "integrations" / "spandrel" / "deltadiff.py"
PHOTO = ROOT / "tests" / "data" / "bowl.png"


@pytest.fixture(scope="module", autouse=True)
def constants():
    """The file, imported; a second import leaves the registry as it is."""
    for _ in range(2):
        spec = importlib.util.spec_from_file_location("deltadiff_for_spandrel", FILE)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def with_weights(model: DeltaDiff) -> DeltaDiff:
    """The model with every weight moved away from its start, where it is bicubic."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    return model.eval()


@pytest.mark.parametrize("name", ["deltadiff-x4", "deltadiff-photo-x4"])
def test_a_bundled_file_gives_our_pixels(constants, name: str):
    """On a photograph, to within one level of 8 bits; at the dials that the file holds as constants."""
    theirs = spandrel.ModelLoader().load_from_file(catalogue.bundled_file(name, ".safetensors"))
    assert (theirs.architecture.id, theirs.purpose, theirs.scale, theirs.tags) == (
        "DeltaDiff", "SR", 4, ["48nf", "10nb"]
    )  # fmt: skip
    lr = read_picture(PHOTO).pixels[:96, :128]
    upscaler = Upscaler(deltasr.load(name), device="cpu", consistency=False)
    restoration = constants.RESTORATION if upscaler.model.restoring else "auto"
    ours = upscaler.upscale(lr, fidelity=constants.FIDELITY, restoration=restoration).pixels.astype(int)
    result = theirs(torch.from_numpy(lr.astype(np.float32) / 255).permute(2, 0, 1)[None])
    levels = (255 * result[0].permute(1, 2, 0)).round().numpy()
    bicubic = Upscaler(deltasr.load("bicubic"), device="cpu").upscale(lr).pixels.astype(int)
    assert np.abs(ours - levels).max() <= 1
    assert np.abs(ours - bicubic).max() > 30


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("scale", "dial", "restoring", "block"),
    [(4, False, False, "residual"), (2, True, False, "leaky"), (3, True, True, "leaky")],
)
def test_every_size_scale_and_number_of_dials(
    constants, tmp_path: Path, size: str, scale: int, dial: bool, restoring: bool, block: str
):
    ours = with_weights(DeltaDiff(size=size, scale=scale, dial=dial, restoring=restoring, block=block))
    checkpoint.save(ours, tmp_path / "net.safetensors")
    theirs = spandrel.ModelLoader().load_from_file(tmp_path / "net.safetensors")
    for lr in (noise(1, 3, 1, 1), noise(2, 3, 7, 9)):
        with torch.inference_mode():
            expected = ours(lr, fidelity=constants.FIDELITY, restoration=constants.RESTORATION)
            torch.testing.assert_close(theirs(lr), expected, atol=1e-5, rtol=0)


def test_half_precision_is_within_one_level_too():
    theirs = spandrel.ModelLoader().load_from_file(catalogue.bundled_file("deltadiff-x4", ".safetensors"))
    lr = torch.from_numpy(read_picture(PHOTO).pixels[:48, :64].astype(np.float32) / 255).permute(2, 0, 1)[None]
    full = theirs(lr)
    half = theirs.half()(lr.half()).float()
    assert float((255 * (full - half)).abs().max()) <= 1
    with pytest.raises(spandrel.UnsupportedDtypeError):
        theirs.bfloat16()


@pytest.mark.parametrize("options", [{"shared": False}, {"features": "every-step"}, {"block": "naf"}])
def test_networks_that_it_does_not_have_are_refused(tmp_path: Path, options: dict[str, object]):
    save_file(DeltaDiff(**options).state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(spandrel.UnsupportedModelError):
        spandrel.ModelLoader().load_from_file(tmp_path / "net.safetensors")


def test_spandrel_alone_does_not_load_it_and_the_file_needs_no_deltasr(tmp_path: Path):
    """In a process of its own: without the file it is unsupported, with it it loads, and deltasr is never imported."""
    weights = catalogue.bundled_file("deltadiff-x4", ".safetensors")
    code = f"""
import sys
sys.modules["deltasr"] = None
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(FILE.parent)!r}]
import torch
for name in ("nms", "qnms"):
    torch.library.define(f"torchvision::{{name}}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import spandrel
try:
    spandrel.ModelLoader().load_from_file({str(weights)!r})
except spandrel.UnsupportedModelError:
    print("unsupported")
import deltadiff
print(spandrel.ModelLoader().load_from_file({str(weights)!r}).architecture.id)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.stdout.split() == ["unsupported", "DeltaDiff"], ended.stderr
