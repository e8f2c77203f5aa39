"""The README as a package index shows it: there, links into the repository need the repository's address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE_LINK = re.compile(r"(!?)(\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+\))")


class ReadmeHook(MetadataHookInterface):
    """Sets `readme`; links become absolute where `[project.urls]` in pyproject.toml has a `Repository`."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        if repository := metadata.get("urls", {}).get("Repository"):
            text = with_absolute_links(text, repository=repository, version=f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_absolute_links(text: str, *, repository: str, version: str) -> str:
    """Markdown whose relative links lead into the repository at a tag, in the way of GitHub's addresses."""

    def absolute(link: re.Match[str]) -> str:
        image, label, place = link.groups()
        return f"{image}{label}{repository.rstrip('/')}/{'raw' if image else 'blob'}/{version}/{place}"

    return _RELATIVE_LINK.sub(absolute, text)
