"""What the rows of an evaluation are called, and that no two are called alike."""

from __future__ import annotations

import pytest

from deltasr.cli.rows import folders_of, labels_of, rows_of
from deltasr.errors import SettingError
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.models.deltadiff import DeltaDiff


@pytest.fixture
def plain() -> Model:
    return catalogue.load("bicubic")


@pytest.fixture
def dialled() -> Model:
    return DeltaDiff(steps=2, dial=True)


def test_labels_are_as_short_as_they_can_be():
    assert labels_of(["bicubic", "runs/a/best.safetensors"]) == ["bicubic", "best"]
    assert labels_of(["/runs/a/model", "/runs/b/model", "c"]) == ["runs_a_model", "runs_b_model", "c"]
    with pytest.raises(SettingError, match="a/b is given twice"):
        labels_of(["a/b", "c", "a/b"])


def test_a_model_with_a_dial_has_a_row_a_fidelity(plain: Model, dialled: Model):
    models = [("plain", plain), ("dialled", dialled)]
    assert rows_of(models, None, taken=[]) == [("plain", plain, None), ("dialled", dialled, None)]
    assert rows_of(models, [0.5, 1.0], taken=[]) == [
        ("plain", plain, None),
        ("dialled@0.5", dialled, 0.5),
        ("dialled@1", dialled, 1.0),
    ]


def test_ensembles_are_marked(plain: Model, dialled: Model):
    rows = rows_of([("plain", plain), ("dialled", dialled)], [0.5], taken=["plain"], ensemble=True)
    assert rows == [("plain+", plain, None), ("dialled+@0.5", dialled, 0.5)]


def test_no_two_rows_have_one_label(dialled: Model):
    with pytest.raises(SettingError, match=r"Two rows would be called m@0\.5"):
        rows_of([("m", dialled)], [0.5, 0.5], taken=[])
    with pytest.raises(SettingError, match=r"Two rows would be called m@0\.5"):
        rows_of([("m", dialled)], [0.5], taken=["m@0.5"])
    with pytest.raises(SettingError, match=r"Two rows would be called m\+"):
        rows_of([("m", dialled)], None, taken=["m+"], ensemble=True)


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("deltadiff-x4@0.5", "deltadiff-x4@0.5"),
        ("..", "__"),
        (".", "_"),
        ("", "_"),
        ("../out", ".._out"),
        ("a\\..\\b", "a_.._b"),
        ("/etc", "_etc"),
        ("C:x", "C_x"),
        ("a\x1b\0b\n", "a__b_"),
        ("..x", "..x"),
    ],
)
def test_no_label_leads_out_of_the_folder_around_it(label: str, folder: str):
    assert folders_of([label]) == {label: folder}


def test_no_two_rows_have_one_folder():
    with pytest.raises(SettingError, match="would share the folder a_b"):
        folders_of(["a:b", "c", "a_b"])
