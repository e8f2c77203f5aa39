"""`deltasr import` from the outside, up to a picture that an imported model upscales."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from deltasr.cli import main
from deltasr.cli.import_ import import_command
from deltasr.imaging import picture_from, read_picture, write_picture
from deltasr.models.published import PUBLISHED

pytest.importorskip("diffusers")

NAME = "resshift-bicubic-x4-s4"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


@pytest.fixture
def files(reference, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Files of the tiny networks, which take the published ones' place."""
    small = dataclasses.replace(PUBLISHED[NAME], denoiser=reference.denoiser, autoencoder=reference.autoencoder)
    monkeypatch.setitem(PUBLISHED, NAME, small)
    denoiser, autoencoder = tmp_path / "resshift_bicsrx4_s4.pth", tmp_path / "autoencoder_vq_f4.pth"
    torch.save({"state_dict": reference.weights("swin_unet_tiny")}, denoiser)
    torch.save(reference.weights("vq_f4_tiny"), autoencoder)
    return denoiser, autoencoder


def test_an_imported_model_upscales_a_picture(files, tmp_path, capsys):
    model, source = tmp_path / "model.safetensors", tmp_path / "a.png"
    assert run("import", *files, "--as", NAME, "-o", model) == 0
    assert capsys.readouterr().out.startswith(f"{model}: {NAME}, ")
    ramp = np.linspace(0, 255, 30 * 20 * 3).astype(np.uint8).reshape(30, 20, 3)
    write_picture(picture_from(ramp), source)
    results = []
    for number, seed in enumerate((1, 1, 2)):
        result = tmp_path / f"{number}.png"
        assert run("upscale", source, "-o", result, "--model", model, "--seed", seed) == 0
        results.append(read_picture(result).pixels)
    assert results[0].shape == (120, 80, 3)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    capsys.readouterr()
    assert run("info", model) == 0
    assert "resshift_bicsrx4_s4.pth" in capsys.readouterr().out


def test_an_output_that_exists_is_kept(files, tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"mine")
    assert run("import", *files, "--as", NAME, "-o", model) == 1
    assert model.read_bytes() == b"mine"
    assert "--overwrite" in capsys.readouterr().err
    assert run("import", *files, "--as", NAME, "-o", model, "--half", "--overwrite") == 0
    assert model.stat().st_size > 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--as", "esrgan", "-o", "out.safetensors"), "no published model called 'esrgan'"),
        (("--as", NAME, "-o", "out.pth"), "ends in .safetensors"),
        (("--as", NAME, "-o", "out.safetensors"), "denoiser's file is missing"),
    ],
)
def test_wrong_calls_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run("import", *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_model():
    assert all(name in (import_command.__doc__ or "") for name in PUBLISHED)


def test_a_file_named_like_another_model_is_imported_with_a_note(reference, files, tmp_path, monkeypatch, capsys):
    other = "resshift-realsr-x4-s15"
    monkeypatch.setitem(
        PUBLISHED,
        other,
        dataclasses.replace(PUBLISHED[other], denoiser=reference.denoiser, autoencoder=reference.autoencoder),
    )
    assert run("import", *files, "--as", NAME, "-o", tmp_path / "right.safetensors") == 0
    assert capsys.readouterr().err == ""
    assert run("import", *files, "--as", other, "-o", tmp_path / "wrong.safetensors") == 0
    note = capsys.readouterr().err
    assert note.startswith("note: ")
    assert note.count("\n") == 1
    assert f"--as {NAME}" in note
    assert (tmp_path / "wrong.safetensors").exists()
