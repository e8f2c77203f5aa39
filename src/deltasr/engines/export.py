"""A model's network as a file for other programs: ONNX, or OpenVINO's own format.

The graph takes `lr` (N, 3, h, w), RGB in [0, 1], any N, h and w, and for each dial that the model has an input (N,),
`fidelity` or `restoration`; it gives `sr` (N, 3, scale h, scale w) in [0, 1]. The graph of a file for the package also
gives `features` (N, width, h, w), if an error map is made of them. The same weights give the same bytes; in OpenVINO's
format they do from each new process.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import tempfile
import warnings
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from deltasr.engines.inputs import dials_of, reference_input, sample
from deltasr.errors import ModelError, reason
from deltasr.files import write_whole
from deltasr.live_bytes import bytes_per_pixel
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.models.configs import ARCHITECTURES
from deltasr.models.exported import EXPECTED_KEY, HEADER_KEY, ExportedModel, ExportHeader
from deltasr.models.header import Header
from deltasr.models.interface import ModelInterface
from deltasr.models.sessions import OnnxRuntimeSession, openvino_core, require_package

OPSET = 20

_CLOSE = 1e-4
"""How far the file's results may be from torch's, as a share of white."""

_WORTH_HALVING = 1000
"""Values of a weight from which on it is stored as float16 if that holds it."""

LICENCE_OF_BUNDLED = "Apache-2.0"


@dataclass(frozen=True)
class Exported:
    """A network in ONNX's format, with the header that stands in its metadata.

    Attributes:
        content: the file.
        header: of the exported file.
        metadata: the texts in the file by name, for other programs and people too.
    """

    content: bytes = field(repr=False)
    header: ExportHeader
    metadata: dict[str, str]


class _Graph(nn.Module):
    """A model whose dials are its further inputs, and whose features are a further output if they are wanted."""

    network: Any

    def __init__(self, model: Model, *, features: bool) -> None:
        super().__init__()
        self.network, self.dials, self.features = model.graph(), dials_of(model), features

    def forward(self, lr: Tensor, *places: Tensor) -> Any:
        dials = dict(zip(self.dials, places, strict=True))
        return self.network.with_features(lr, **dials) if self.features else self.network(lr, **dials)


def export(model: ModelInterface, *, for_package: bool = False) -> Exported:
    """A model in ONNX's format, compared with torch on two small pictures before it is handed out.

    Args:
        model: what to export.
        for_package: whether torch's result for a small picture goes along, which files in the package are tried by,
            and the features, if the package has an error map for the model.

    Raises:
        ModelError: the model draws noise, torch cannot export it, the file's results are not torch's, or a package
            that this needs is not installed.
    """
    if isinstance(model, ExportedModel):
        raise ModelError(f"{model.name} is an exported file already; copy it, or export the model that it was made of.")
    if not isinstance(model, Model):
        raise ModelError(f"{model.name} is an ONNX file already; copy it.")
    if model.stochastic:
        raise ModelError(f"The model {model.name} draws noise, which an exported file cannot; export another model.")
    require_exporter()
    model = copy.deepcopy(model)
    model.to("cpu", torch.float32).to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    features = for_package and catalogue.has_error_map(model.name)
    header = msgspec.structs.replace(header_of(model), features=features)
    with torch.device("cpu"), torch.inference_mode(False), torch.no_grad():
        proto = _proto(model, header)
        metadata = _metadata(model, header)
        if for_package:
            expected = by_torch(model, reference_input(model)).astype("<f4")
            metadata[EXPECTED_KEY] = b64encode(expected.tobytes()).decode()
        content = content_of(proto, metadata)
        _require_same(model, content, header)
    return Exported(content, header, metadata)


def write(exported: Exported, path: Path) -> None:
    """Write an exported network as `path`, .onnx, or .xml for OpenVINO, whose weights lie beside it as .bin.

    Raises:
        ModelError: the path ends otherwise, or OpenVINO is not installed.
        OutputError: the file cannot be written.
    """
    if path.suffix == ".onnx":
        write_whole(path, exported.content, what="The exported model")
    elif path.suffix == ".xml":
        write_openvino(openvino_core(str(path)).read_model(exported.content), exported.metadata, path)
    else:
        raise ModelError(f"{path} is not named like an exported model; give a name that ends in .onnx or .xml.")


def write_openvino(network: Any, metadata: dict[str, str], path: Path) -> None:
    """Write a network of OpenVINO's, with metadata, as `path`, .xml, and its weights beside it as .bin.

    Raises:
        OutputError: a file cannot be written.
    """
    import openvino

    for name, value in metadata.items():
        network.set_rt_info(value, [HEADER_KEY, "header" if name == HEADER_KEY else name])
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.xml"
        openvino.save_model(network, draft, compress_to_fp16=False)
        write_whole(path.with_suffix(".bin"), draft.with_suffix(".bin").read_bytes(), what="The exported model")
        write_whole(path, draft.read_bytes(), what="The exported model")


def header_of(model: Model) -> ExportHeader:
    """The header of a model's exported file."""
    needs = model.size_requirements

    def run(side: int) -> None:
        by_torch(model, sample(model, side, side))

    return ExportHeader(
        name=model.name,
        description=model.description,
        scale=model.scale,
        receptive_field=model.receptive_field,
        tiled=model.tiled,
        dial=model.dial,
        default_fidelity=model.default_fidelity,
        restoring=model.restoring,
        consistent=model.consistent,
        minimum=needs.minimum,
        multiple_of=needs.multiple_of,
        square=needs.square,
        bytes_per_pixel=round(bytes_per_pixel(run, side=max(32, needs.minimum))),
        weights="float32",
        sha256=weights_digest(model),
        model=_checkpoint_header(model),
    )


def weights_digest(model: Model) -> str:
    """SHA-256 of a model's class, arguments and weights, on whatever device they are."""
    digest = hashlib.sha256(msgspec.json.encode([type(model).__qualname__, _checkpoint_header(model)], order="sorted"))
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.view(torch.uint8).numpy().tobytes() if values.ndim else values.numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def by_torch(model: Model, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """What torch makes of the graph's inputs."""
    device = next(model.parameters(), torch.empty(0)).device
    lr, *places = (torch.from_numpy(array).to(device) for array in arrays.values())
    lr = lr.contiguous(memory_format=torch.channels_last)  # as an `Upscaler` orders pictures
    return model(lr, **dict(zip(list(arrays)[1:], places, strict=True))).float().cpu().numpy()


def _checkpoint_header(model: Model) -> dict[str, Any] | None:
    """The header that a model's checkpoint has; None for models that have none."""
    if model.architecture not in ARCHITECTURES:
        return None
    return asdict(
        Header(
            architecture=model.architecture,
            arguments=model.arguments(),
            name=model.name,
            description=model.description,
        )
    )


def _metadata(model: Model, header: ExportHeader) -> dict[str, str]:
    """What stands in a file for people and other programs; the header is all of it that deltasr reads."""
    dials = {
        "fidelity": "fidelity: (N,), 0 the most natural to 1 the most faithful picture, "
        f"{header.default_fidelity:g} by default",
        "restoration": "restoration: (N,), how degraded the picture is, 0 clean to 1 strong blur, noise and JPEG",
    }
    inputs = ["lr: (N, 3, h, w), the picture", *(dials[name] for name in dials_of(model))]
    reach = header.receptive_field
    return {
        "name": header.name,
        "description": header.description,
        "scale": str(header.scale),
        "layout": "NCHW, RGB",
        "value_range": "0 to 1, float32, in and out",
        "inputs": "; ".join(inputs),
        "output": f"sr: (N, 3, {header.scale} h, {header.scale} w)"
        + ("; features: (N, width, h, w), of the encoder" if header.features else ""),
        "receptive_field": "not known" if reach is None else f"{reach} pixels of lr to each side",
        "licence": LICENCE_OF_BUNDLED if header.name in catalogue.BUNDLED else "not stated",
        "weights_sha256": header.sha256,
        HEADER_KEY: msgspec.json.encode(header).decode(),
    }


def require_exporter() -> None:
    """Make sure that what torch exports by is installed.

    Raises:
        ModelError: it is not.
    """
    for name in ("onnx", "onnxscript"):
        require_package(name, "Exporting a model")


def content_of(proto: Any, metadata: dict[str, str]) -> bytes:
    """The bytes of a file with a graph and metadata, which ONNX's own checker has passed."""
    onnx = require_package("onnx", "Exporting a model")
    for name, value in metadata.items():
        proto.metadata_props.add(key=name, value=value)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _proto(model: Model, header: ExportHeader) -> Any:
    dials = dials_of(model)
    picture, places = {0: "n", 2: "h", 3: "w"}, tuple({0: "n"} for _ in dials)
    return traced(
        _Graph(model, features=header.features),
        sample(model, 24, 20, count=2),
        name=header.name,
        outputs=["sr", "features"] if header.features else ["sr"],
        dynamic_shapes=(picture, places) if dials else (picture,),
    )


def traced(
    network: nn.Module,
    arrays: dict[str, np.ndarray],
    *,
    name: str,
    outputs: list[str],
    dynamic_shapes: tuple[Any, ...],
) -> Any:
    """The graph of a network, without what differs from one export to the next: places in this machine's files.

    Args:
        network: takes tensors and gives one, or several in a tuple.
        arrays: inputs of it, by the names that they get.
        name: the graph's.
        outputs: the names of what it gives.
        dynamic_shapes: as `torch.onnx.export` takes them.

    Raises:
        ModelError: torch cannot export it.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                tuple(torch.from_numpy(array) for array in arrays.values()),
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=OPSET,
                input_names=list(arrays),
                output_names=outputs,
                dynamic_shapes=dynamic_shapes,
            )
    except Exception as error:  # torch's exporter fails in many ways of its own
        raise ModelError(
            f"torch cannot export the model {name} ({reason(error.__cause__ or error)}); choose another "
            "model, or run it by torch."
        ) from error
    assert program is not None
    proto = program.model_proto
    del proto.metadata_props[:]
    _put_constants_last(proto.graph)
    _halve_weights(proto.graph)
    proto.producer_name, proto.producer_version, proto.doc_string = "deltasr", "", ""
    proto.graph.name = name
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for weight in proto.graph.initializer:
        del weight.metadata_props[:]
        weight.doc_string = ""
    return proto


def _put_constants_last(graph: Any) -> None:
    """Let each sum begin with the convolution in it.

    ONNX Runtime adds a constant to a convolution's bias only where the constant comes second.
    """
    makers = {name: node for node in graph.node for name in node.output}

    def convolves(name: str) -> bool:
        node = makers.get(name)
        if node is not None and node.op_type == "Mul":  # by a constant
            return any(map(convolves, node.input))
        return node is not None and node.op_type == "Conv"

    for node in graph.node:
        if node.op_type == "Add" and convolves(node.input[1]) and not convolves(node.input[0]):
            node.input[:] = list(reversed(node.input))


def _halve_weights(graph: Any) -> None:
    """Store weights as float16 where that holds them exactly; runtimes make float32 of them as they load the file."""
    onnx = require_package("onnx", "Exporting a model")
    casts = []
    for weight in graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if values.size >= _WORTH_HALVING and np.array_equal(halves, values):
            name = weight.name
            casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
            weight.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}.half"))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on packages that this does without."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _require_same(model: Model, content: bytes, header: ExportHeader) -> None:
    """Make sure that the file gives what torch gives, at sizes and numbers of pictures other than the traced one.

    Raises:
        ModelError: it does not.
    """
    session = OnnxRuntimeSession(content, source="Exporting a model", threads=1)
    for height, width, count in ((9, 17, 1), (1, 2, 3)):
        arrays = sample(model, height, width, count=count, seed=count)
        expected, found = by_torch(model, arrays), session.run(arrays)
        if found.shape != expected.shape or not np.abs(found - expected).max() <= _CLOSE:
            raise ModelError(
                f"The model {model.name} does not survive being exported: at {width}x{height} pixels the file's "
                "results are not torch's; choose another model, or run it by torch."
            )
