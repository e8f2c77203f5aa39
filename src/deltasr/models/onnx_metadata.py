"""The texts in an ONNX file's metadata, read without a runtime.

Field 14 of `ModelProto` is a pair of texts, in fields 1 and 2 (onnx.proto).
"""

from __future__ import annotations

from deltasr.errors import CheckpointError
from deltasr.models.onnx_fields import fields

_METADATA, _KEY, _VALUE = 14, 1, 2


def metadata_of(content: bytes, source: str) -> dict[str, str]:
    """The texts by name.

    Args:
        content: the file.
        source: what it is called in messages.

    Raises:
        CheckpointError: it is no ONNX file.
    """
    try:
        pairs = [
            {number: value for number, _, value in fields(pair) if value is not None}
            for field, _, pair in fields(memoryview(content))
            if field == _METADATA and pair is not None
        ]
        return {str(pair.get(_KEY, b""), "utf-8"): str(pair.get(_VALUE, b""), "utf-8") for pair in pairs}
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"{source} is no ONNX file, or is damaged.") from error
