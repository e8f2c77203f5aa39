"""The site: links are moved to where pages are on it, links that lead nowhere are found, and every page is listed."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import deltasr

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "scripts" / "build_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_are_moved_or_become_text(site: ModuleType):
    places = site.pages(ROOT)
    text = (
        "[card](../src/deltasr/weights/rrdb-x4.md) [code](../src/deltasr/errors.py) [away](https://a.org/b)\n"
        "![a picture](images/web.png) [part](upscaling.md#any-factor-any-size) [here](#x) [`a`](../CONTRIBUTING.md)\n"
        "[![inner](images/web.png)](web.md)\n"
        "```\n[card](../src/deltasr/weights/rrdb-x4.md)\n```\n"
    )
    assert site.with_links(text, ROOT / "docs" / "method.md", places) == (
        "[card](cards/rrdb-x4.md) code [away](https://a.org/b)\n"
        "![a picture](images/web.png) [part](upscaling.md#any-factor-any-size) [here](#x) [`a`](contributing.md)\n"
        "[![inner](images/web.png)](web.md)\n"
        "```\n[card](../src/deltasr/weights/rrdb-x4.md)\n```\n"
    )
    card = ROOT / "src" / "deltasr" / "weights" / "rrdb-x4.md"
    assert site.with_links("[t](../../../docs/experiments/dial/table.md)", card, places) == (
        "[t](../experiments/dial/table.md)"
    )


def test_links_that_lead_nowhere_are_found(site: ModuleType, tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b.html").write_text('<h1 id="there">b</h1><a href="a/">folder</a><a href="http://x.org/">far</a>')
    (tmp_path / "a" / "index.html").write_text(
        '<a href="../b.html#there"></a><a href="../b.html#gone"></a><a href="../c.html"></a><img src="d.png">'
        '<a href="#top"></a><a id="top"></a><a href="/b.html"></a>'
    )
    assert site.broken_links(tmp_path) == [
        f"a/index.html: {link}" for link in ("../b.html#gone", "../c.html", "d.png")
    ]  # fmt: skip


def test_the_reference_has_every_public_name(site: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    named = re.findall(r"^::: ([\w.]+)\.(\w+)$", site.reference(ROOT), re.MULTILINE)
    assert {name for _, name in named} == set(deltasr.__all__)
    for module, name in named:
        assert getattr(importlib.import_module(module), name) is getattr(deltasr, name)


def test_the_menu_lists_pages_that_exist_and_every_how_to(site: ModuleType):
    menu = re.findall(r": ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    places = {place.as_posix() for place in site.pages(ROOT).values()} | {"reference.md"}
    assert set(menu) <= places
    assert {place for place in places if place.startswith(("how-to/", "cards/"))} <= set(menu)
    assert len(menu) == len(set(menu))


def test_the_site_has_no_broken_link(site: ModuleType):
    """The whole of it, where zensical is installed; `make docs` does the same."""
    pytest.importorskip("zensical", reason="needs the extra 'docs'")
    assert site.main() == 0
