"""The fields of an ONNX file, read and written without a runtime.

The file is one message in Protocol Buffers' format: fields one after the other, each a tag, of the field's number and
the kind of its value, and the value. Messages within it are values of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_NUMBER, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
"""Bytes of a value of fixed length, by its kind."""

_LONGEST_NUMBER = 10
"""Bytes of a number of 64 bits, 7 bits in each."""


class Field(NamedTuple):
    """One field: its number, all of its bytes, and its value where that is bytes, else None."""

    number: int
    whole: memoryview
    value: memoryview | None


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in order.

    Raises:
        ValueError, IndexError: the message ends early, or has a field of an unknown kind.
    """
    place = 0
    while place < len(message):
        start = place
        tag, place = _number(message, place)
        kind = tag & 7
        value = None
        if kind == _NUMBER:
            _, place = _number(message, place)
        elif kind == _BYTES:
            length, place = _number(message, place)
            value = message[place : place + length]
            place += length
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise ValueError("a field of an unknown kind")
        if place > len(message):
            raise ValueError("a field that is longer than the file")
        yield Field(tag >> 3, message[start:place], value)


def field_of_bytes(number: int, value: bytes) -> bytes:
    """A field whose value is bytes, such as a text or a message."""
    return _as_bytes(number << 3 | _BYTES) + _as_bytes(len(value)) + value


def field_of_number(number: int, value: int) -> bytes:
    """A field whose value is a number, 0 or more."""
    return _as_bytes(number << 3 | _NUMBER) + _as_bytes(value)


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """A number of variable length, the low bits first, and where it ends."""
    number = 0
    for index in range(_LONGEST_NUMBER):
        byte = message[place + index]
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, place + index + 1
    raise ValueError("a number without an end")


def _as_bytes(number: int) -> bytes:
    """A number of variable length."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
