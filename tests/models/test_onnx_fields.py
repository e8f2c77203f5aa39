"""Fields of Protocol Buffers: what is written is read again, byte for byte."""

from __future__ import annotations

import pytest

from deltasr.models.onnx_fields import field_of_bytes, field_of_number, fields


@pytest.mark.parametrize("length", [0, 1, 127, 128, 70_000])
def test_values_of_bytes(length):
    value = bytes(range(256)) * 300
    message = field_of_number(7, length) + field_of_bytes(900, value[:length])
    first, second = fields(memoryview(message))
    assert (first.number, first.value) == (7, None)
    assert (second.number, bytes(second.value)) == (900, value[:length])
    assert bytes(first.whole) + bytes(second.whole) == message


def test_values_of_four_and_eight_bytes_are_passed_over():
    message = b"\x0d1234" + b"\x1112345678" + field_of_bytes(2, b"a")
    assert [(field.number, field.value) for field in fields(memoryview(message))] == [(1, None), (2, None), (2, b"a")]
    with pytest.raises(ValueError, match="longer than the file"):
        list(fields(memoryview(message[:3])))
