"""What a built wheel still lacks before it can go to a package index; docs/releasing.md says when to run it.

python scripts/check_release.py dist
"""

from __future__ import annotations

import re
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

_RELATIVE_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def missing(wheel: Path, changelog: str) -> list[str]:
    """What is missing, a sentence each; nothing where the wheel is ready."""
    metadata = _metadata(wheel)
    version = metadata["Version"]
    found = []
    if not any(url.startswith("Repository,") for url in metadata.get_all("Project-URL", [])):
        found.append("The project has no public address: set Repository under [project.urls] in pyproject.toml.")
    if links := _RELATIVE_LINK.findall(str(metadata.get_payload())):
        found.append(
            f"{len(links)} links of the README lead nowhere on an index, first {links[0]}; they need Repository."
        )
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading '## {version} - YYYY-MM-DD'.")
    return found


def main(folder: Path) -> int:
    """Print what the wheels in a folder lack; the exit status."""
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        found = [f"{folder} holds {len(wheels)} wheels, not one; make dist builds it."]
    else:
        found = missing(wheels[0], (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8"))
    print("\n".join(found) or f"{wheels[0].name} is ready.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
