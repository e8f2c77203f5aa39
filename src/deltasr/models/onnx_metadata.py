"""The texts in an ONNX file's metadata, read without a runtime.

The file is one message in Protocol Buffers' format: fields one after the other, each a tag, of the field's number and
the kind of its value, and the value. Field 14 of `ModelProto` is a pair of texts, in fields 1 and 2 (onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator

from deltasr.errors import CheckpointError

_METADATA, _KEY, _VALUE = 14, 1, 2
_NUMBER, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_NUMBER = 10
"""Bytes of a number of 64 bits, 7 bits in each."""


def metadata_of(content: bytes, source: str) -> dict[str, str]:
    """The texts by name.

    Args:
        content: the file.
        source: what it is called in messages.

    Raises:
        CheckpointError: it is no ONNX file.
    """
    try:
        pairs = [dict(_fields(value)) for number, value in _fields(memoryview(content)) if number == _METADATA]
        return {str(pair.get(_KEY, b""), "utf-8"): str(pair.get(_VALUE, b""), "utf-8") for pair in pairs}
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"{source} is no ONNX file, or is damaged.") from error


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and value of each field of a message that holds bytes; others are passed over.

    Raises:
        ValueError, IndexError: the message ends early, or has a field of an unknown kind.
    """
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        kind = tag & 7
        if kind == _NUMBER:
            _, place = _number(message, place)
            continue
        if kind == _BYTES:
            length, place = _number(message, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError("a field of an unknown kind")
        if place + length > len(message):
            raise ValueError("a field that is longer than the file")
        if kind == _BYTES:
            yield tag >> 3, message[place : place + length]
        place += length


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """A number of variable length, the low bits first, and where it ends."""
    number = 0
    for index in range(_LONGEST_NUMBER):
        byte = message[place + index]
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, place + index + 1
    raise ValueError("a number without an end")
