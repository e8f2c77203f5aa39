"""Models as files for other programs: what stands in them, and that they give what torch gives."""

from __future__ import annotations

import copy
import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from deltasr.engines import export
from deltasr.engines.export import by_torch, sample, weights_digest, write
from deltasr.errors import ModelError
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.exported import HEADER_KEY, ExportedModel
from deltasr.models.onnx_constants import with_constants
from deltasr.models.rrdb import Rrdb

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def filled(model):
    """With weights that everything depends on."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        fan = parameter[0].numel() if parameter.ndim > 1 else 50
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5 / fan**0.5
    return model.eval()


def by_runtime(model, arrays):
    return model(arrays["lr"], **{name: values for name, values in arrays.items() if name != "lr"})


def require_same_results(model, content):
    """At odd sizes, in batches, wherever the dials stand."""
    ours = ExportedModel(content, export.header_of(model), runtime="onnxruntime")
    for height, width, count in ((1, 1, 1), (1, 7, 2), (5, 3, 1), (33, 17, 2)):
        arrays = sample(model, height, width, count=count, seed=height)
        np.testing.assert_allclose(by_runtime(ours, arrays), by_torch(model, arrays), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def default() -> export.Exported:
    return export.export(catalogue.load(catalogue.DEFAULT))


def test_the_bundled_default_gives_what_torch_gives(default):
    exported, model = default, catalogue.load(catalogue.DEFAULT)
    require_same_results(model, exported.content)
    assert exported.metadata["licence"] == "Apache-2.0"
    assert exported.header.receptive_field == model.receptive_field
    assert len(exported.content) < 4e6


def test_onnx_runtime_has_little_but_convolutions_to_run_where_the_dials_are_constants(default, tmp_path):
    """Scales, shifts, sums and ReLUs are fused into them; what is left reads the input or makes the output."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    content = with_constants(default.content, {"fidelity": 0.75, "restoration": 0.25})
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert kinds.count("Conv") == 46
    others = [kind for kind in kinds if kind not in ("Conv", "ReorderInput", "ReorderOutput")]
    assert sorted(others) == ["Add", "Clip", "DepthToSpace", "Pad", "Sub"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Rrdb(blocks=1, width=8),
        lambda: DeltaDiff(steps=2, block="naf", features="every-step", shared=False, scale=3),
        lambda: DeltaDiff(steps=1, block="large-kernel", dial=True),
        lambda: DeltaDiff(steps=1, block="reparameterised", restoring=True),
    ],
    ids=["rrdb", "naf", "large-kernel", "reparameterised"],
)
def test_other_networks_give_what_torch_gives(build):
    model = filled(build())
    require_same_results(model, export.export(model).content)


def test_the_graph_has_free_sizes_and_dials_as_inputs(exported_small_net):
    graph = onnx.load_from_string(exported_small_net.content).graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.input
    }
    assert list(shapes) == ["lr", "fidelity", "restoration"]
    batch, channels, height, width = shapes["lr"]
    assert channels == 3
    assert all(isinstance(free, str) for free in (batch, height, width))
    assert shapes["fidelity"] == shapes["restoration"] == [batch]
    assert [value.name for value in graph.output] == ["sr"]


def test_a_file_says_what_other_programs_need(exported_small_net, small_net):
    told = {entry.key: entry.value for entry in onnx.load_from_string(exported_small_net.content).metadata_props}
    assert told == exported_small_net.metadata
    assert told["scale"] == "2"
    assert told["layout"] == "NCHW, RGB"
    assert told["value_range"].startswith("0 to 1")
    assert told["receptive_field"].startswith("2 pixels")
    assert told["licence"] == "not stated"
    assert "fidelity: (N,)" in told["inputs"]
    assert "0.75 by default" in told["inputs"]
    assert told["weights_sha256"] == weights_digest(small_net)
    assert msgspec.json.decode(told[HEADER_KEY])["dial"] is True


def test_a_checkpoints_header_goes_along(tmp_path):
    path = tmp_path / "mine.safetensors"
    checkpoint.save(filled(Rrdb(blocks=1, width=8)), path)
    exported = export.export(catalogue.load(path))
    assert exported.header.model["architecture"] == "rrdb"
    assert exported.header.model["arguments"] == {"blocks": 1, "width": 8}


def test_the_same_weights_give_the_same_bytes_without_places_of_this_machine(exported_small_net, small_net):
    again = export.export(copy.deepcopy(small_net).to(memory_format=torch.channels_last))
    assert hashlib.sha256(again.content).digest() == hashlib.sha256(exported_small_net.content).digest()
    assert b".py" not in again.content
    assert str(Path(__file__).parents[2]).encode() not in again.content


def test_weights_that_float16_holds_are_stored_in_it():
    helper, to_array = onnx.helper, onnx.numpy_helper.to_array
    exact = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float16).astype(np.float32)
    weights = {"exact": exact, "rounded": exact / 3, "too large": np.full((40, 40), 1e6, np.float32), "few": exact[:1]}
    graph = helper.make_graph(
        [helper.make_node("Sum", list(weights), ["sum"])],
        "weights",
        [],
        [helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [40, 40])],
        [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    export._halve_weights(graph)
    stored = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    assert {name for name, values in stored.items() if values.dtype == np.float16} == {"exact.half"}
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", export.OPSET)])
    onnx.checker.check_model(model, full_check=True)
    runtime = pytest.importorskip("onnxruntime")
    network = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = weights["exact"] + weights["rounded"] + weights["too large"] + weights["few"]
    np.testing.assert_array_equal(network.run(None, {})[0], expected)


def test_the_digest_tells_weights_and_arguments_apart(small_net):
    other = copy.deepcopy(small_net)
    assert weights_digest(other) == weights_digest(small_net)
    other.first.bias.data[0] += 1
    assert weights_digest(other) != weights_digest(small_net)
    assert weights_digest(DeltaDiff(default_fidelity=0.5, dial=True)) != weights_digest(DeltaDiff(dial=True))


def test_exporting_leaves_the_model_as_it_was(small_net):
    model = copy.deepcopy(small_net).to(memory_format=torch.channels_last).train()
    export.export(model)
    assert model.training
    assert model.second.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_graph_with_other_results_than_torchs_is_refused(small_net):
    class Changed(type(small_net)):
        def forward(self, lr, fidelity=None, restoration=None):
            return super().forward(lr, fidelity, restoration) * (0.5 if torch.compiler.is_exporting() else 1.0)

    with pytest.raises(ModelError, match=r"small-net does not survive being exported: at 17x9"):
        export.export(Changed().eval())


def test_what_cannot_be_exported_is_told(small_net, exported_small_net, monkeypatch):
    noisy = copy.deepcopy(small_net)
    noisy.stochastic = True
    with pytest.raises(ModelError, match="small-net draws noise"):
        export.export(noisy)
    ready = ExportedModel(exported_small_net.content, exported_small_net.header, runtime="onnxruntime")
    with pytest.raises(ModelError, match="exported file already"):
        export.export(ready)
    with pytest.raises(ModelError, match="cannot export the model bicubic-pillow") as caught:
        export.export(catalogue.load("bicubic-pillow"))
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModelError, match="pip install onnxscript"):
        export.export(small_net)


def test_openvinos_files_say_the_same(exported_small_net, small_net, tmp_path):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    path = tmp_path / "small.xml"
    write(exported_small_net, path)
    model = catalogue.load(path)
    assert isinstance(model, ExportedModel)
    assert model.header == exported_small_net.header
    arrays = sample(small_net, 5, 9, count=2)
    np.testing.assert_allclose(by_runtime(model, arrays), by_torch(small_net, arrays), rtol=0, atol=1e-5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["small.bin", "small.xml"]


def test_every_new_process_writes_the_same_bytes_for_openvino(exported_small_net, tmp_path):
    """OpenVINO numbers the operations of a process through, and names them by that."""
    pytest.importorskip("openvino", reason="needs the extra openvino")
    (tmp_path / "network").write_bytes(exported_small_net.content)
    (tmp_path / "metadata").write_bytes(msgspec.json.encode(exported_small_net.metadata))
    asked = """
import sys
from pathlib import Path
import msgspec
from deltasr.engines.export import Exported, write
folder, name = Path(sys.argv[1]), sys.argv[2]
metadata = msgspec.json.decode((folder / "metadata").read_bytes())
write(Exported((folder / "network").read_bytes(), None, metadata), folder / name)
"""
    for name in ("a.xml", "b.xml"):
        subprocess.run([sys.executable, "-c", asked, str(tmp_path), name], check=True)
    for suffix in (".xml", ".bin"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_other_names_are_refused(exported_small_net, tmp_path):
    with pytest.raises(ModelError, match=r"\.onnx or \.xml"):
        write(exported_small_net, tmp_path / "small.pt")
