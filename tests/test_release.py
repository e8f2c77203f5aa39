"""What goes to a package index: the README's links, the files of the sdist, one version everywhere."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import deltasr

ROOT = Path(__file__).parents[1]
ADDRESS = "https://example.org/deltasr"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def readme() -> ModuleType:
    pytest.importorskip("hatchling", reason="hatchling builds the wheel, and is not installed")
    return _module(ROOT / "hatch_build.py")


def test_the_sdist_holds_the_package_and_what_builds_it():
    sdist = pytest.importorskip("hatchling.builders.sdist", reason="hatchling builds the sdist, and is not installed")
    names = {file.distribution_path for file in sdist.SdistBuilder(str(ROOT)).recurse_included_files()}
    package = {str(file.relative_to(ROOT).as_posix()) for file in (ROOT / "src").rglob("*") if file.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    beside = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "hatch_build.py"}
    assert names == package | beside  # and pyproject.toml, PKG-INFO and .gitignore, which every sdist of hatchling has


def test_an_address_makes_every_link_of_the_readme_absolute(readme: ModuleType):
    """Pictures lead to the file itself, other links to its page; each of them exists here."""
    metadata = {"version": "1.2.3", "urls": {"Repository": ADDRESS + "/"}}
    readme.ReadmeHook(str(ROOT), {}).update(metadata)
    before = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    after = LINK.findall(metadata["readme"]["text"])
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        kind = "raw" if old.endswith(".png") else "blob"
        assert new == (old if old.startswith("https:") else f"{ADDRESS}/{kind}/v1.2.3/{old}")
    assert any("/raw/" in link for link in after)


def test_without_an_address_the_readme_is_as_it_stands(readme: ModuleType):
    metadata = {"version": "1.2.3"}
    readme.ReadmeHook(str(ROOT), {}).update(metadata)
    assert metadata["readme"]["text"] == (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_check_says_what_a_wheel_lacks(tmp_path: Path):
    check = _module(ROOT / "scripts" / "check_release.py")

    def wheel(headers: str, text: str) -> Path:
        path = tmp_path / "a.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a-1.0.dist-info/METADATA", f"Metadata-Version: 2.4\nVersion: 1.0\n{headers}\n{text}")
        return path

    links = "[here](docs/a.md) [there](https://example.org) [below](#b)"
    said = check.missing(wheel("", links), "## 1.0 - unreleased\n")
    assert [sentence.split(" ")[0:3] for sentence in said] == [
        ["The", "project", "has"],
        ["1", "links", "of"],
        ["CHANGELOG.md", "has", "no"],
    ]
    ready = wheel(f"Project-URL: Repository, {ADDRESS}\n", links.replace("docs/", ADDRESS + "/"))
    assert check.missing(ready, "# Changelog\n\n## 1.0 - 2027-01-31\n") == []


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    cited = re.search(r"^version: (\S+)$", citation, re.MULTILINE)
    assert {project["version"], deltasr.__version__, cited[1], first[1]} == {deltasr.__version__}
