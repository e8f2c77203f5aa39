"""Inputs of an ONNX file as constants, so that a runtime computes what hangs on them alone once, as it loads the file.

Numbers of fields are those of `ModelProto`, `GraphProto`, `ValueInfoProto` and `TensorProto` (onnx.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from deltasr.models.onnx_fields import field_of_bytes, field_of_number, fields

_GRAPH = 7
_INITIALIZER, _INPUT = 5, 11
_NAME_OF_INPUT = 1
_SIZE, _TYPE, _NAME, _CONTENT = 1, 2, 8, 9
_FLOAT = 1
"""A type of tensors: float32."""


def with_constants(content: bytes, constants: Mapping[str, float]) -> bytes:
    """An ONNX file in which inputs of float32 are constants, (1,).

    Args:
        content: the file.
        constants: input to its value.

    Raises:
        ValueError, IndexError: the file is no ONNX file, or is damaged.
    """
    parts: list[bytes | memoryview] = []
    for number, whole, value in fields(memoryview(content)):
        if number == _GRAPH and value is not None:
            kept = [part.whole for part in fields(value) if part.number != _INPUT or _name(part.value) not in constants]
            tensors = [_tensor(name, constant) for name, constant in constants.items()]
            parts.append(field_of_bytes(_GRAPH, b"".join([*kept, *tensors])))
        else:
            parts.append(whole)
    return b"".join(parts)


def _name(value_info: memoryview | None) -> str:
    """The name of an input."""
    names = [value for number, _, value in fields(value_info or memoryview(b"")) if number == _NAME_OF_INPUT]
    return str(names[-1] or b"", "utf-8") if names else ""


def _tensor(name: str, value: float) -> bytes:
    """A constant (1,) as a field of a graph."""
    tensor = [
        field_of_number(_SIZE, 1),
        field_of_number(_TYPE, _FLOAT),
        field_of_bytes(_NAME, name.encode()),
        field_of_bytes(_CONTENT, struct.pack("<f", value)),
    ]
    return field_of_bytes(_INITIALIZER, b"".join(tensor))
