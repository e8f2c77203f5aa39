"""Upscalers in ONNX files."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deltasr.errors import CheckpointError, DeltasrError
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.onnx import OnnxModel

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
onnx = pytest.importorskip("onnx", reason="builds the files with the package onnx")

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a network that repeats each pixel `scale` times in each direction, after a factor on its values."""
    helper, types = onnx.helper, onnx.TensorProto

    def written(
        *,
        scale: int = 2,
        gain: float = 1.0,
        shape: tuple[Any, ...] = ("n", 3, "h", "w"),
        kind: int = types.FLOAT,
        halved: bool = False,
        outputs: int = 1,
    ) -> Path:
        """`halved` goes through a picture of half the size, so that sizes have to be even."""
        array = np.float16 if kind == types.FLOAT16 else np.float32
        nodes = [helper.make_node("Mul", ["lr", "gain"], ["brighter"])]
        last = "brighter"
        if halved:
            nodes.append(helper.make_node("SpaceToDepth", [last], ["small"], blocksize=2))
            nodes.append(helper.make_node("DepthToSpace", ["small"], ["large"], blocksize=2))
            last = "large"
        nodes.append(helper.make_node("Resize", [last, "", "scales"], ["sr"], mode="nearest"))
        results = [helper.make_tensor_value_info("sr", kind, None)]
        if outputs == 2:
            results.append(helper.make_tensor_value_info("brighter", kind, None))
        graph = helper.make_graph(
            nodes,
            "repeated",
            [helper.make_tensor_value_info("lr", kind, shape)],
            results,
            [
                onnx.numpy_helper.from_array(np.array(gain, array), "gain"),
                onnx.numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "scales"),
            ],
        )
        path = tmp_path / "repeated.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        path.write_bytes(model.SerializeToString())
        return path

    return written


def _repeated(lr: torch.Tensor, scale: int) -> torch.Tensor:
    return lr.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_factor_is_found(make: Make, scale: int):
    model = OnnxModel(make(scale=scale))
    lr = torch.rand(2, 3, 5, 7)
    assert model.scale == scale
    assert model.name == "repeated"
    assert torch.equal(model(lr), _repeated(lr, scale))


def test_results_stay_in_range(make: Make):
    model = OnnxModel(make(gain=2.0))
    assert model(torch.full((1, 3, 2, 2), 0.75)).max() == 1


def test_half_precision_files_take_pictures_of_single_precision(make: Make):
    model = OnnxModel(make(kind=onnx.TensorProto.FLOAT16))
    lr = torch.rand(1, 3, 4, 4)
    assert model(lr).dtype == torch.float32
    torch.testing.assert_close(model(lr), _repeated(lr, 2), atol=1e-3, rtol=0)


def test_sizes_that_it_needs_are_found(make: Make):
    path = make(halved=True)
    model = OnnxModel(path)
    assert (model.size_requirements.minimum, model.size_requirements.multiple_of) == (2, 2)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    result = Upscaler(model).upscale(pixels).pixels
    assert np.array_equal(result, pixels.repeat(2, axis=0).repeat(2, axis=1))


def test_a_file_is_a_model_like_others(make: Make):
    """Tiles, cross-fades and 16 bits are the upscaler's, whoever made the model."""
    model = catalogue.load(make(scale=4))
    assert model.receptive_field is None
    pixels = np.random.default_rng(0).integers(0, 65536, (150, 40, 3), dtype=np.uint16)
    result = Upscaler(model, tile=48).upscale(pixels).pixels
    assert np.array_equal(result, pixels.repeat(4, axis=0).repeat(4, axis=1))


def test_what_it_has_learnt_is_its_file(make: Make):
    first = OnnxModel(file := make(gain=1.0)).weights_sha256()
    assert first == hashlib.sha256(file.read_bytes()).hexdigest()
    assert first != OnnxModel(make(gain=0.5)).weights_sha256()


def test_a_pickled_model_goes_on(make: Make):
    model = OnnxModel(make())
    lr = torch.rand(1, 3, 4, 4)
    assert torch.equal(pickle.loads(pickle.dumps(model))(lr), model(lr))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shape": ("n", 3, 8, 8)}, "8x8"),
        ({"shape": ("n", 1, "h", "w")}, "not (N, 3, height, width)"),
        ({"outputs": 2}, "2 outputs"),
    ],
    ids=["one size", "grey", "two outputs"],
)
def test_other_networks_are_refused(changes: dict[str, Any], reason: str, make: Make):
    with pytest.raises(CheckpointError) as caught:
        OnnxModel(make(**changes))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x07\x12" * 50], ids=["empty", "text", "damaged"])
def test_damaged_files_are_named(content: bytes, tmp_path: Path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.onnx"):
        catalogue.load(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DeltasrError, match=r"none\.onnx"):
        catalogue.load(tmp_path / "none.onnx")


def test_a_published_network_is_far_above_bicubic(shared: Path):
    """With another range or order of channels it would not be."""
    from deltasr.evaluation.metrics import psnr_y
    from deltasr.imaging import read_rgb8

    folder = shared / "data" / "eval" / "Set5"
    hr = torch.from_numpy(read_rgb8(folder / "HR" / "img_003.png")).permute(2, 0, 1)[None] / 255
    lr = read_rgb8(folder / "LR_bicubic_x4" / "img_003.png")

    def score(name: str) -> float:
        result = Upscaler(catalogue.load(name)).upscale(lr).pixels
        return float(psnr_y(torch.from_numpy(result).permute(2, 0, 1)[None] / 255, hr, border=4))

    assert score(str(shared / "models" / "teachers" / "imdn.onnx")) > score("bicubic") + 3
