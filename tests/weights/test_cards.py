"""The cards of the bundled weights and the training logs that they link to."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from deltasr.models.catalogue import BUNDLED, bundled_file

REPOSITORY = Path(__file__).parents[2]
LOGS = REPOSITORY / "training-logs"


def links(card: Path) -> set[Path]:
    """What a card links to in the repository."""
    targets = re.findall(r"\]\(([^)]+)\)", card.read_text(encoding="utf-8"))
    return {(card.parent / target).resolve() for target in targets if "://" not in target}


@pytest.mark.parametrize("name", BUNDLED)
def test_every_link_of_a_card_leads_to_something(name: str):
    targets = links(REPOSITORY / "src" / "deltasr" / "weights" / f"{name}.md")
    assert LOGS / name in targets
    assert [target for target in targets if not target.exists()] == []


def test_every_log_is_whole_and_linked_from_a_card():
    linked = {target for name in BUNDLED for target in links(bundled_file(name, ".md"))}
    logs = {file.parent for file in LOGS.rglob("*.json*")}
    assert logs == {target for target in linked if LOGS in target.parents}
    for log in logs:
        assert {file.name for file in log.iterdir() if file.is_file()} == {"recipe.json", "metrics.jsonl"}


def test_no_log_is_there_twice():
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(LOGS.rglob("metrics.jsonl"))]
    assert len(set(contents)) == len(contents)
