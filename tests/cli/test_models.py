"""`deltasr models` and `deltasr info`, and how the program answers mistakes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deltasr import __version__
from deltasr.models import catalogue, checkpoint, configs
from deltasr.models.configs import DeltaDiffConfig
from deltasr.models.deltadiff import DeltaDiff

Run = Callable[..., tuple[int, str, str]]


def test_models_lists_the_catalogue_and_marks_the_default(command_line: Run):
    status, out, err = command_line("models")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == catalogue.names()
    for line in lines:
        assert catalogue.describe(line.split()[0]).description in line
    assert [line.split()[0] for line in lines if line.endswith("(default)")] == [catalogue.DEFAULT]


def test_models_shows_a_dial_and_its_default(command_line: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "dials", lambda: {"rrdb-x4": 0.8})
    lines = {line.split()[0]: line for line in command_line("models")[1].splitlines()}
    assert lines["rrdb-x4"].endswith("; --fidelity 0 to 1, 0.8 unless given")
    assert [name for name, line in lines.items() if "--fidelity" in line] == ["rrdb-x4"]


def test_info_shows_a_dial_and_its_default(command_line: Run, dial_checkpoint: Path):
    line = "--fidelity 0 (most natural) to 1 (most faithful), 0.75 unless given"
    assert line in command_line("info", dial_checkpoint)[1].splitlines()
    assert "--fidelity" not in command_line("info", "bicubic")[1]


def test_info_of_a_name(command_line: Run):
    status, out, _ = command_line("info", "bicubic")
    assert status == 0
    assert "bicubic: x4 bicubic interpolation" in out
    assert "scale 4, 0 parameters, receptive field 2 LR pixels" in out


def test_info_of_the_default_prints_its_card(command_line: Run):
    status, out, _ = command_line("info", "deltadiff-x4")
    card = catalogue.bundled_file("deltadiff-x4", ".md").read_text(encoding="utf-8")
    assert status == 0
    assert out.startswith("deltadiff-x4: ")
    assert card.splitlines()[0] == "# deltadiff-x4"
    assert "\n\n# deltadiff-x4\n\n" in out
    assert card.partition("![")[0] in out


@pytest.mark.parametrize("name", catalogue.BUNDLED)
def test_cards_have_no_links_that_lead_nowhere(command_line: Run, name: str):
    """What a card links to in the repository is shown as its text; addresses stay."""
    card = catalogue.bundled_file(name, ".md").read_text(encoding="utf-8")
    shown = command_line("info", name)[1]
    targets = re.findall(r"\]\(([^)]*)\)", shown)
    assert all("://" in target for target in targets)
    assert set(targets) == {target for target in re.findall(r"\]\(([^)]*)\)", card) if "://" in target}
    for text in re.findall(r"\[([^\]]*)\]\(", card):
        assert text in shown


def test_info_of_a_checkpoint_prints_its_header(command_line: Run, tmp_path: Path):
    model = DeltaDiff(scale=3, steps=2)
    path = tmp_path / "mine.safetensors"
    checkpoint.save(model, path, training={"images": 320, "recipe": {"loss": "charbonnier"}})
    status, out, _ = command_line("info", path)
    parameters = sum(weight.numel() for weight in model.parameters())
    assert status == 0
    assert out.startswith(f"deltadiff-tiny-x3: {model.description}\n")
    assert f"scale 3, {parameters:,} parameters, receptive field {model.receptive_field} LR pixels" in out
    assert 'architecture deltadiff {"size": "tiny", "scale": 3, "steps": 2' in out
    assert '"images": 320' in out
    assert '"loss": "charbonnier"' in out


def test_info_of_a_run_is_that_of_its_weights(command_line: Run, tmp_path: Path):
    checkpoint.save(DeltaDiff(scale=3), tmp_path / "run" / "model.safetensors")
    of_folder = command_line("info", tmp_path / "run")
    assert of_folder == command_line("info", tmp_path / "run" / "model.safetensors")
    assert of_folder[0] == 0


def test_what_a_file_says_of_itself_is_printed_without_control_characters(command_line: Run, tmp_path: Path):
    model = DeltaDiff()
    model.name, model.description = "mine\x1b]0;title\x07", "red \x1b[31m\nsecond line"
    checkpoint.save(model, tmp_path / "mine.safetensors", training={"note": "\x1b[2J"})
    status, out, _ = command_line("info", tmp_path / "mine.safetensors")
    assert status == 0
    assert out.splitlines()[0] == "mine-]0;title: red [31m second line"
    assert not any(ord(character) < 32 and character != "\n" for character in out)


def test_errors_that_quote_a_file_are_printed_without_control_characters(
    command_line: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = DeltaDiff()
    monkeypatch.setattr(DeltaDiff, "architecture", "\x1b[31mnew")
    monkeypatch.setitem(configs.ARCHITECTURES, model.architecture, DeltaDiffConfig)
    checkpoint.save(model, tmp_path / "new.safetensors")
    monkeypatch.delitem(configs.ARCHITECTURES, model.architecture)
    status, _, err = command_line("info", tmp_path / "new.safetensors")
    assert status == 1
    assert "'\\x1b[31mnew'" in err
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_models_as_json(command_line: Run):
    status, out, _ = command_line("models", "--json")
    listed = {model["name"]: model for model in json.loads(out)}
    assert status == 0
    assert list(listed) == catalogue.names()
    assert [name for name, model in listed.items() if model["default"]] == [catalogue.DEFAULT]
    dials = {name: model["default_fidelity"] for name, model in listed.items() if model["default_fidelity"] is not None}
    assert dials == catalogue.dials()
    assert {model["scale"] for model in listed.values()} == {4}


def test_info_as_json(command_line: Run, dial_checkpoint: Path):
    told = json.loads(command_line("info", dial_checkpoint, "--json")[1])
    header = checkpoint.read_header(dial_checkpoint)
    assert told["arguments"] == header.arguments
    assert (told["architecture"], told["default_fidelity"], told["card"]) == ("deltadiff", 0.75, None)
    named = json.loads(command_line("info", "rrdb-x4", "--json")[1])
    assert named["card"].startswith("# rrdb-x4")
    assert named["training"]["images"] > 0
    assert json.loads(command_line("info", "bicubic", "--json")[1])["architecture"] is None


def test_the_card_is_rendered_on_a_terminal(command_line: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    out = command_line("info", "deltadiff-x4")[1]
    assert "deltadiff-x4" in out
    assert "The fidelity dial" in out
    assert "## The dial" not in out
    assert "|---" not in out
    assert "**" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "deltadif"], "deltasr: There is no model called 'deltadif'; known are deltadiff-x4, "),
        (["info", "gone.safetensors"], "deltasr: There is no checkpoint at gone.safetensors."),
    ],
)
def test_errors_are_one_sentence(command_line: Run, arguments: list[str], said: str):
    status, out, err = command_line(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_damaged_checkpoints_are_one_sentence(command_line: Run, tmp_path: Path):
    path = tmp_path / "damaged.safetensors"
    torch.save({"weights": torch.zeros(3)}, path)
    status, out, err = command_line("info", path)
    assert (status, out) == (1, "")
    assert err.startswith(f"deltasr: {path} is not a readable safetensors file (")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["models", "--sideways"], ["info"], ["upskale"], ["info", "bicubic", "lanczos"]])
def test_the_program_refuses_what_it_does_not_know(command_line: Run, arguments: list[str]):
    status, out, err = command_line(*arguments)
    assert status != 0
    assert "Traceback" not in out + err
    assert out + err


def test_the_version_is_the_package_s(command_line: Run):
    assert command_line("--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are POSIX's")
def test_a_reader_that_leaves_early_gets_no_traceback():
    program = subprocess.Popen(
        [sys.executable, "-m", "deltasr", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    said = program.stderr.read()
    assert program.wait() == 1
    assert said == "deltasr: the reader of standard output closed it before the end\n"


def test_python_m_deltasr_is_the_program():
    answered = subprocess.run([sys.executable, "-m", "deltasr", "--version"], capture_output=True, text=True)
    assert (answered.returncode, answered.stdout, answered.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completions_are_installed_for_a_shell(command_line: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert command_line("--install-completion", "--shell", "bash")[0] == 0
    (script,) = (path for path in tmp_path.rglob("deltasr") if path.is_file())
    assert str(script) in (tmp_path / ".bashrc").read_text()
    asked = f"""
    source {script}
    function="$(complete -p deltasr | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
    COMP_WORDS=(deltasr upscale --max); COMP_CWORD=2; "$function" deltasr --max upscale
    echo "${{COMPREPLY[@]}}"
    """
    told = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True)
    assert {word.strip() for word in told.stdout.split()} == {"--max-side", "--max-pixels"}
