"""What the package can do without is named by a command that works: from a checkout, since it is on no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_optional_parts_are_named_by_commands_that_work():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = []
    for file in [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"pip install '?deltasr\b", text), file
        named += re.findall(r"pip install -e '\.\[(\w+)\]'", text)
    assert set(named) >= {"train", "papers", "interop", "iqa", "experiments"}
    assert set(named) <= set(extras)
