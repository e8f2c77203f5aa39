"""What runs on other people's machines for this repository: it calls what is here, in the versions that are here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML reads the files, and is not installed")

ROOT = Path(__file__).parents[1]
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))["jobs"]


def test_every_step_is_a_target_of_make():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    called = [re.fullmatch(r"make ([a-z-]+) PYTHON=python", command)[1] for command in commands]
    assert called == ["test", "test-interop", "dist"]
    assert set(called) <= set(targets)


def test_every_python_that_the_package_names_is_tested_on_three_systems():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)]
    matrix = JOBS["test"]["strategy"]["matrix"]
    assert matrix["python"] == named
    assert project["requires-python"] == f">={named[0]}"
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]


def test_pre_commit_runs_the_ruff_of_make_lint():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for hook in repository["hooks"]:
        (tool,) = hook["additional_dependencies"]
        assert tool in pinned


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem)
def test_issue_forms_have_what_github_demands(form: Path):
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content["name"]
    assert content["description"]
    fields = [part for part in content["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert all(part["attributes"]["label"] for part in fields)


def test_security_names_tests_and_files_that_exist():
    named = re.findall(r"`((?:tests/|Containerfile)[\w./]*)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []
