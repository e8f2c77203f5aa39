"""Kinds of options that several commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""An option without a value, off by default."""

REPEATABLE = Parameter(negative=(), consume_multiple=False, show_default=False)
"""An option with one value that can be given several times."""

OUTPUT = Parameter(name=["--output", "-o"])
