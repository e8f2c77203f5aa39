"""Checks of values from callers and from files, and how error messages show them."""

from __future__ import annotations

import math
import os
import re
from itertools import accumulate
from numbers import Integral, Real
from typing import TypeGuard

from deltasr.errors import SettingError

_LONGEST_SHOWN = 60
_DEEPEST = 50


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite real number, Python's or NumPy's; booleans are not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is of an integer type, Python's or NumPy's; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_path(value: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a value can be a file's path: a string or a path object, without a null character."""
    if not isinstance(value, str | os.PathLike):
        return False
    name = os.fspath(value)
    return isinstance(name, str) and "\0" not in name


def shown(value: object) -> str:
    """A value as Python prints it, on one line, at most 60 characters and `...`, without control characters."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # an integer with thousands of digits, deeply nested lists
        return f"a very long {type(value).__name__}"
    text = repr(text)[1:-1] if not text.isprintable() else text
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def require_shallow(text: str) -> None:
    """Make sure that a JSON text is nested at most 50 levels deep; JSON readers are recursive and can crash beyond.

    Raises:
        SettingError: it is nested deeper.
    """
    brackets = re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text))
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in brackets)
    if max(depths, default=0) > _DEEPEST:
        raise SettingError(f"it is nested more than {_DEEPEST} levels deep")
