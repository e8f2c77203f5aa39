"""What plain arguments are, and how sentences show them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from deltasr.arguments import is_number, is_path, is_whole, require_shallow, shown
from deltasr.errors import SettingError


@pytest.mark.parametrize("value", [0, -3, 2.5, 10**300, Fraction(1, 3), np.float32(2), np.int64(4)])
def test_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize(
    "value",
    ["2", b"2", [2], None, True, np.True_, 1j, float("nan"), float("inf"), 10**5000, np.array([2.0]), object()],
    ids=type,
)
def test_what_is_no_number(value):
    assert not is_number(value)


def test_whole_numbers_are_of_a_whole_type():
    assert all(map(is_whole, (0, -3, 10**5000, np.uint8(4))))
    assert not any(map(is_whole, (1.0, "1", True, None, np.float64(1))))


def test_paths():
    assert all(map(is_path, ("a/b", "", Path("a"))))
    assert not any(map(is_path, ("a\0b", Path("a\0b"), b"a", 5, None)))


def test_values_are_shown_short_and_harmless():
    assert shown("deltadiff") == "deltadiff"
    assert shown([1, "a"]) == "[1, 'a']"
    assert shown("\x1b[2Jred\n") == "\\x1b[2Jred\\n"
    assert shown(10**5000) == "a very long int"
    assert len(shown("x" * 10**6)) < 100
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert shown(nested) == "a very long list"


def test_depth_is_counted_outside_of_texts():
    require_shallow('{"a": [1, "' + "[{" * 1000 + '\\""], "b": ' + "[" * 40 + "]" * 40 + "}")
    require_shallow("[{}]" * 1000)
    for text in ("[" * 51, '{"a":' * 51, '"\\""' + "[" * 51):
        with pytest.raises(SettingError, match="nested more than 50 levels deep"):
            require_shallow(text)
