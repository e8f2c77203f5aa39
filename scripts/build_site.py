"""The site of the documents: python scripts/build_site.py, in an environment with zensical (make docs).

1. Prepare build/docs: docs/ and the documents beside it, with links between them; a link to a file that is not on the
   site becomes the name of the file. The reference is a page with a line for each public name.
2. Build it with zensical into build/site.
3. Check that every link and every picture of the site leads to a file, and to a place in it.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!?\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def pages(root: Path) -> dict[Path, Path]:
    """Every file of the repository that is on the site, to its place there."""
    docs = {file: file.relative_to(root / "docs") for file in (root / "docs").rglob("*") if file.is_file()}
    cards = {file: Path("cards") / file.name for file in (root / "src" / "deltasr" / "weights").glob("*.md")}
    beside = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md",
              "SECURITY.md": "security.md", "examples/README.md": "examples.md",
              "checkpoints/README.md": "checkpoints.md"}  # fmt: skip
    return docs | cards | {root / file: Path(place) for file, place in beside.items() if (root / file).exists()}


def prepare(root: Path, folder: Path) -> None:
    """Write the sources of the site into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    places = pages(root)
    for file, place in places.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            text = file.read_text(encoding="utf-8")
            target.write_text(with_links(text, file, places), encoding="utf-8")
        else:
            shutil.copyfile(file, target)
    (folder / "reference.md").write_text(reference(root), encoding="utf-8")


def with_links(text: str, file: Path, places: dict[Path, Path]) -> str:
    """A document with its links as the site needs them.

    Args:
        text: of the document.
        file: where it is in the repository.
        places: from `pages`.
    """
    here = places[file].parent

    def moved(link: re.Match[str]) -> str:
        image, label, address = link.groups()
        label = _LINK.sub(moved, label)
        place, hash_, heading = address.partition("#")
        if re.match(r"[a-z]+:", address) or not place:
            return f"{image}[{label}]({address})"
        target = Path(os.path.normpath(file.parent / place))
        if target not in places:
            return label
        return f"{image}[{label}]({Path(os.path.relpath(places[target], here)).as_posix()}{hash_}{heading})"

    parts = _FENCED.split(text)
    return "".join(part if number % 2 else _LINK.sub(moved, part) for number, part in enumerate(parts))


def reference(root: Path) -> str:
    """The page of the public names, for mkdocstrings: what `deltasr.__all__` lists, errors last."""
    sys.path.insert(0, str(root / "src"))
    package = importlib.import_module("deltasr")
    homes: dict[str, str] = package._HOMES
    errors = [name for name in package.__all__ if name not in homes]
    lines = ["# Reference", "", "The public names of the package `deltasr`.", ""]
    homes = homes | {"Picture": "deltasr.imaging.picture"} | dict.fromkeys(errors, "deltasr.errors")
    for name in [*(name for name in package.__all__ if name not in errors), *errors]:
        lines += [f"::: {homes[name]}.{name}", ""]
    return "\n".join(lines)


class _Page(HTMLParser):
    """Links and names of places of an HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {value for key in ("id", "name") if (value := given.get(key))}
        self.links += [value for key in ("href", "src") if (value := given.get(key))]


def broken_links(site: Path) -> list[str]:
    """Each link inside a site that leads nowhere, as `page: link`; addresses on other machines are not looked up."""
    parsed: dict[Path, _Page] = {}
    for file in site.rglob("*.html"):
        parsed[file.resolve()] = page = _Page()
        page.feed(file.read_text(encoding="utf-8"))
    broken = []
    for file, page in parsed.items():
        if file.name == "404.html":  # its links begin at the root of the server
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            place = unquote(parts.path)
            target = Path(os.path.normpath(site / place.lstrip("/") if place.startswith("/") else file.parent / place))
            target = file if not place else (target / "index.html" if target.is_dir() else target)
            heading = unquote(parts.fragment)
            missing = not target.exists() or (
                heading and target.resolve() in parsed and heading not in parsed[target.resolve()].names
            )
            if missing:
                broken.append(f"{file.relative_to(site.resolve())}: {link}")
    return broken


def main() -> int:
    """Build and check. Returns the exit status."""
    prepare(ROOT, ROOT / "build" / "docs")
    shutil.rmtree(ROOT / "build" / "site", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean"], cwd=ROOT, check=True)
    broken = broken_links(ROOT / "build" / "site")
    print("\n".join(broken))
    print(f"{len(broken)} broken links; the site is in build/site")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())
