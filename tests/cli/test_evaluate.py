"""`deltasr evaluate` from the command line to its table and files."""

from __future__ import annotations

import csv
import sys
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.evaluation.lpips import Lpips
from deltasr.models import checkpoint
from deltasr.models.deltadiff import DeltaDiff

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command_line: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `deltasr evaluate` and returns its exit status and what it printed."""
    monkeypatch.delenv("DELTASR_LPIPS", raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)

    return partial(command_line, "evaluate", "--device", "cpu")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A set `Tiny` with HR and LR, and a set `Other` with HR alone."""
    for name, count in (("Tiny", 2), ("Other", 1)):
        (tmp_path / name / "HR").mkdir(parents=True)
        for index in range(count):
            coarse = np.random.default_rng(index).integers(0, 256, (5, 6, 3), dtype=np.uint8)
            hr = Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC)
            hr.save(tmp_path / name / "HR" / f"{index}.png")
            if name == "Tiny":
                (tmp_path / "Tiny" / "LR_x4").mkdir(exist_ok=True)
                hr.resize((12, 10), Image.Resampling.BICUBIC).save(tmp_path / "Tiny" / "LR_x4" / f"{index}x4.png")
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_models_and_sets_make_a_table_and_files(run: Run, tiny: Path):
    status, table, _ = run(
        *("bicubic", "bicubic-pillow", "--hr", tiny / "Tiny", "--hr", tiny / "Other"),
        *("--csv", tiny / "scores.csv", "--markdown", tiny / "table.md", "--save", tiny / "results"),
    )
    assert status == 0
    lines = table.splitlines()
    assert cells(lines[0]) == [
        *("model", "Tiny PSNR-Y", "SSIM-Y", "LR-PSNR"),
        *("Other PSNR-Y", "SSIM-Y", "LR-PSNR"),
    ]
    assert [cells(line)[0] for line in lines[2:4]] == ["bicubic", "bicubic-pillow"]
    assert "LPIPS is left out" in table
    assert (tiny / "table.md").read_text() == table
    rows = list(csv.DictReader((tiny / "scores.csv").read_text().splitlines()))
    assert [(r["model"], r["set"], r["image"]) for r in rows] == [
        (model, name, image)
        for model in ("bicubic", "bicubic-pillow")
        for name, image in (("Tiny", "0"), ("Tiny", "1"), ("Other", "0"))
    ]
    mean = sum(float(r["psnr_y_db"]) for r in rows[:2]) / 2
    assert cells(lines[2])[1] == f"{mean:.2f}"
    assert all(float(r["seconds_wall"]) > 0 for r in rows)
    assert Image.open(tiny / "results" / "bicubic" / "Tiny" / "1.png").size == (48, 40)


def test_results_are_kept_inside_the_folder_that_is_named(run: Run, tiny: Path):
    """Whatever a checkpoint is called: this one's row is called `..`."""
    odd = tiny / "models" / "...safetensors"
    model = DeltaDiff()
    model.name = "../../elsewhere"
    checkpoint.save(model, odd)
    before = set(tiny.rglob("*"))
    status, table, _ = run(odd, "--hr", tiny / "Tiny", "--save", tiny / "deep" / "results")
    assert status == 0
    assert cells(table.splitlines()[2])[0] == ".."
    written = set(tiny.rglob("*.png")) - before
    assert written == {tiny / "deep" / "results" / "__" / "Tiny" / f"{number}.png" for number in range(2)}


def test_saved_results_score_the_same_without_a_model(run: Run, tiny: Path):
    sets = ("--hr", tiny / "Tiny", "--hr", tiny / "Other")
    _, made, _ = run("bicubic", *sets, "--save", tiny / "results")
    status, scored, _ = run("--results", tiny / "results" / "bicubic", *sets, "--scale", 4)
    assert status == 0
    assert scored == made


def test_one_set_takes_a_plain_folder_of_results_beside_models(run: Run, tiny: Path):
    status, table, _ = run("nearest", "--results", tiny / "Tiny" / "HR", "--hr", tiny / "Tiny")
    assert status == 0
    assert [cells(line)[0] for line in table.splitlines()[2:4]] == ["nearest", "HR"]
    assert cells(table.splitlines()[3])[1:3] == ["inf", "1.0000"]


def test_separate_lr_folders(run: Run, tiny: Path):
    with_lr = run("bicubic", "--hr", tiny / "Tiny" / "HR", "--lr", tiny / "Tiny" / "LR_x4")
    assert with_lr == run("bicubic", "--hr", tiny / "Tiny")
    assert "LR made from HR" in run("bicubic", "--hr", tiny / "Tiny" / "HR")[1]


def test_crop_for_all_sets_or_for_each(run: Run, tiny: Path):
    sets = ("--hr", tiny / "Tiny", "--hr", tiny / "Other")
    assert run("bicubic", *sets)[1].count("border of 4") == 2
    assert run("bicubic", *sets, "--crop", 0)[1].count("whole images.") == 1
    mixed = run("bicubic", *sets, "--crop", 2, "--crop", 0)[1]
    assert "Tiny: 2 images, x4, border of 2 left out" in mixed
    assert "Other: 1 image, x4, whole images" in mixed


def test_both_lpips_networks(run: Run, tiny: Path):
    for net in ("alex", "squeeze"):
        torch.save(Lpips(net=net).state_dict(), tiny / f"lpips_{net}_v0.1.pth")
    given = ("--lpips", tiny, "--lpips-net", "alex", "--lpips-net", "squeeze")
    status, table, _ = run("bicubic", "--hr", tiny / "Tiny", *given, "--csv", tiny / "scores.csv")
    assert status == 0
    assert cells(table.splitlines()[0])[3:5] == ["LPIPS-alex", "LPIPS-squeeze"]
    assert "lpips_alex,lpips_squeeze,seconds_wall" in (tiny / "scores.csv").read_text()


def test_metrics_without_a_reference(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch):
    pyiqa = types.ModuleType("pyiqa")
    vars(pyiqa).update(
        create_metric=lambda name, *, device: lambda target: target.mean() + len(name), __version__="0.0-stand-in"
    )
    monkeypatch.setitem(sys.modules, "pyiqa", pyiqa)
    asked = ("--metric", "musiq", "--metric", "clipiqa", "--csv", tiny / "scores.csv", "--markdown", tiny / "table.md")
    status, table, _ = run("bicubic", "--hr", tiny / "Tiny", *asked)
    assert status == 0
    lines = table.splitlines()
    assert cells(lines[0])[3:5] == ["MUSIQ", "CLIP-IQA"]
    assert float(cells(lines[2])[3]) == pytest.approx(float(cells(lines[2])[4]) - 2)
    for report in (table, (tiny / "table.md").read_text()):
        assert "MUSIQ: pyiqa 0.0-stand-in, no reference, whole images, higher is better." in report
    rows = list(csv.DictReader((tiny / "scores.csv").read_text().splitlines()))
    assert {row["clip_iqa_library"] for row in rows} == {"pyiqa 0.0-stand-in"}
    assert all(5 < float(row["musiq"]) < 6 for row in rows)


def test_niqe_needs_no_other_package(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    folder = tmp_path / "Noise"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)).save(folder / "noise.png")
    np.savez(tmp_path / "others.npz", mu_pris_param=np.zeros((1, 36)), cov_pris_param=np.eye(36))
    asked = ("bicubic", "--hr", folder, "--metric", "niqe")
    status, table, _ = run(*asked)
    assert status == 0
    assert "NIQE: own parameters, no reference, whole images, lower is better." in table
    status, other, _ = run(*asked, "--niqe-parameters", tmp_path / "others.npz")
    assert "NIQE: parameters of others.npz, no reference" in other
    scores = [float(cells(printed.splitlines()[2])[3]) for printed in (table, other)]
    assert scores[0] != scores[1]


def test_metrics_without_pyiqa_are_refused(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    assert run("bicubic", "--hr", tiny / "Tiny", "--metric", "clipiqa") == (
        *(1, ""),
        "deltasr: CLIP-IQA needs the pyiqa package: pip install -e '.[iqa]'.\n",
    )


def test_consistency_brings_the_input_back(run: Run, tiny: Path):
    def lr_psnr(*options: str) -> float:
        return float(cells(run("nearest", "--hr", tiny / "Tiny", *options)[1].splitlines()[2])[3])

    assert lr_psnr("--consistency") > lr_psnr("--no-consistency") + 10


def test_a_model_with_a_dial_has_a_row_for_each_fidelity(run: Run, tiny: Path, dial_checkpoint: Path):
    kept = ("--save", tiny / "results", "--csv", tiny / "scores.csv")
    status, table, _ = run(
        dial_checkpoint, "bicubic", "--hr", tiny / "Tiny", "--fidelity", 0, "--fidelity", 0.75, *kept
    )
    assert status == 0
    rows = {cells(line)[0]: cells(line)[1:] for line in table.splitlines()[2:5]}
    labels = ["dialled@0", "dialled@0.75", "bicubic"]
    assert list(rows) == labels
    assert rows["dialled@0"] != rows["dialled@0.75"]
    written = list(csv.DictReader((tiny / "scores.csv").read_text().splitlines()))
    assert list(dict.fromkeys(row["model"] for row in written)) == labels
    for label in labels:
        assert (tiny / "results" / label / "Tiny" / "1.png").exists()
    own = cells(run(dial_checkpoint, "--hr", tiny / "Tiny")[1].splitlines()[2])
    assert own == ["dialled", *rows["dialled@0.75"]]


def test_an_ensemble_s_rows_are_marked(run: Run, tiny: Path, dial_checkpoint: Path):
    alone, ensemble = (
        cells(run(dial_checkpoint, "--hr", tiny / "Tiny", "--fidelity", 0, *options)[1].splitlines()[2])
        for options in ((), ("--ensemble",))
    )
    assert (alone[0], ensemble[0]) == ("dialled@0", "dialled+@0")
    assert alone[1:] != ensemble[1:]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dialled.safetensors", "bicubic", "--fidelity", "2"], "A fidelity of 2.0 is not possible"),
        (["dialled.safetensors", "--fidelity", "1", "--fidelity", "1"], "Two rows would be called dialled@1"),
        (["dialled.safetensors", "--fidelity", "1", "--results", "dialled@1"], "Two rows would be called dialled@1"),
        (["bicubic", "--fidelity", "1"], "none of these has one; leave it out"),
        (["--results", "Tiny/HR", "--fidelity", "1"], "none of these has one; leave it out"),
    ],
)
def test_mistaken_fidelities_get_one_sentence(
    arguments: list[str], words: str, run: Run, tiny: Path, dial_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(dial_checkpoint.parent)
    status, table, message = run(*arguments, "--hr", "Tiny")
    assert (status, table) == (1, "")
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hr", "Tiny"], "nothing to measure"),
        (["absent-model", "--hr", "Tiny"], "no model called 'absent-model'"),
        (["bicubic", "--hr", "Absent"], "There is no folder"),
        (["bicubic", "--hr", "Tiny", "--hr", "Tiny"], "Two sets are called Tiny"),
        (["bicubic", "bicubic", "--hr", "Tiny"], "bicubic is given twice"),
        (["bicubic", "--hr", "Tiny", "--hr", "Other", "--lr", "Tiny/LR_x4"], "--lr is given 1 times"),
        (["bicubic", "--hr", "Tiny", "--crop", "4", "--crop", "0"], "--crop is given 2 times for 1 sets"),
        (["bicubic", "--hr", "Tiny", "--crop", "-1"], "--crop -1 is not a border"),
        (["bicubic", "--hr", "Tiny", "--scale", "0", "--results", "Tiny/HR"], "A scale of 0"),
        (["bicubic", "--hr", "Tiny", "--scale", "2"], "--scale is for --results only"),
        (["bicubic", "--hr", "Tiny", "--lpips", "absent.pth"], "no LPIPS weights file"),
        (["--results", "Tiny/HR", "--hr", "Tiny", "--hr", "Other"], "holds no folder Tiny"),
        (["bicubic", "--hr", "Tiny", "--crop", "1000"], "bicubic's result for Tiny/HR/"),
    ],
)
def test_mistakes_get_one_sentence(
    arguments: list[str], words: str, run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tiny)
    status, table, message = run(*arguments)
    assert status == 1
    assert table == ""
    assert message.startswith("deltasr: ")
    assert words in message
    assert message.count("\n") == 1
