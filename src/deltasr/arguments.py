"""Plain arguments from outside, from callers and from files: what they are, and how a sentence shows them."""

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
    """Whether a value is a finite real number, Python's or NumPy's; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, Python's or NumPy's, of a whole number's type; truth values are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_path(value: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a value can name a file: a text or a path object, without a null character."""
    if not isinstance(value, str | os.PathLike):
        return False
    name = os.fspath(value)
    return isinstance(name, str) and "\0" not in name


def shown(value: object) -> str:
    """A value as Python writes it, on one line, short, and without characters that steer a terminal."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists
        return f"a very long {type(value).__name__}"
    text = repr(text)[1:-1] if not text.isprintable() else text
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def require_shallow(text: str) -> None:
    """Make sure that brackets in a JSON text do not lie in one another too often; readers of JSON call themselves.

    Raises:
        SettingError: they do.
    """
    brackets = re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text))
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in brackets)
    if max(depths, default=0) > _DEEPEST:
        raise SettingError(f"it is nested more than {_DEEPEST} levels deep")
