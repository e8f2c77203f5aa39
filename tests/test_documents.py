"""The documents: links lead somewhere, commands exist, the reference names every option, and prose has one width."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import deltasr
from deltasr.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*.md"),
        *ROOT.glob("checkpoints/*.md"),
        *ROOT.glob("training-logs/*.md"),
        *ROOT.glob("src/deltasr/weights/*.md"),
    ]
)
WIDTH = 100
WRAPPED = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "examples" / "README.md",
    ROOT / "checkpoints" / "README.md",
]


def _commands() -> list[str]:
    return [name for name in app if not name.startswith("-")]


document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@document
def test_relative_links_lead_to_files_and_headings(document: Path):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, heading = link.partition("#")
        target = document.parent / place if place else document
        if not target.exists() or (heading and heading not in _headings(target)):
            broken.append(link)
    assert broken == []


@document
def test_commands_and_options_exist(document: Path):
    wrong = []
    for line in _command_lines(document):
        for command, arguments in _calls(line):
            if command not in app:
                wrong.append(f"deltasr {command}")
                continue
            given = {argument.partition("=")[0] for argument in arguments if re.match(r"--?[a-z]", argument)}
            wrong += [f"deltasr {command} {option}" for option in given - _options(command)]
    assert wrong == []


@document
def test_options_in_sentences_exist(document: Path):
    named = set(re.findall(r"`(--[a-z0-9-]+)", _prose(document)))
    known = {"--help", "--version", "--install-completion"}.union(*map(_options, _commands()))
    elsewhere = "".join(script.read_text(encoding="utf-8") for script in ROOT.glob("*s/*.py"))  # scripts, benchmarks
    assert [option for option in named - known if f'"{option}"' not in elsewhere] == []


@document
def test_scripts_that_are_called_exist(document: Path):
    called = re.findall(r"python (?:deltasr/)?((?:scripts|benchmarks)/\w+\.py)", document.read_text(encoding="utf-8"))
    assert [script for script in called if not (ROOT / script).exists()] == []


@pytest.mark.parametrize("command", _commands())
def test_the_reference_names_every_option_and_no_other(command: str):
    reference = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `deltasr ([\w-]+)`\n(.*?)(?=^## |\Z)", reference, re.MULTILINE | re.DOTALL))
    assert command in sections, f"docs/commands.md has no section `deltasr {command}`"
    table = "".join(line for line in sections[command].splitlines() if line.startswith("|"))
    named = set(re.findall(r"`(--?[a-z][a-z0-9-]*)", table))
    assert named == _options(command)


def test_the_architecture_names_every_room():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = Path(deltasr.__file__).parent
    rooms = {folder.parent.relative_to(package) for folder in package.rglob("*/__init__.py")}
    leaves = {file.name for file in package.glob("*.py") if not file.name.startswith("__")}
    named = leaves | {f"{room.name}/" for room in rooms}
    assert sorted(name for name in named if name not in text) == []


@pytest.mark.parametrize("document", WRAPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_is_wrapped(document: Path):
    lines = [line for line in _prose(document).splitlines() if not line.startswith(("|", "!", "#"))]
    wide = [line for line in lines if len(line) > WIDTH and " " in line.lstrip(" *")[:WIDTH]]  # one word may be longer
    assert wide == []


def _prose(document: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _headings(document: Path) -> set[str]:
    """Headings as links name them, by the rule of GitHub: lower case, hyphens for spaces, no punctuation."""
    texts = re.findall(r"^#+ (.*)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def _command_lines(document: Path) -> Iterator[str]:
    """Lines of shell code, each with those that continue it, and pieces of code inside sentences."""
    text = document.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language in ("", "sh"):
            yield from block.replace("\\\n", " ").splitlines()
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", _prose(document)))


def _calls(line: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of the program in a line of shell code, with its arguments."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a piece of a sentence with an apostrophe
        words = line.split()
    while "deltasr" in words:
        words = words[words.index("deltasr") + 1 :]
        ends = next((place for place, word in enumerate(words) if word in ("|", "&&", ";")), len(words))
        if words and re.fullmatch(r"[a-z]+", words[0]):
            yield words[0], words[1:ends]


@cache
def _options(command: str) -> set[str]:
    """All options of a command, as `--help` has them."""
    arguments = app[command].assemble_argument_collection()
    names = {name for argument in arguments for name in argument.names}
    return {name for name in names if name.startswith("-") and not name.startswith("--empty-")}
