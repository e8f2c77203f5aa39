"""`deltasr graphics` from the outside: a folder of pictures out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deltasr.imaging import Picture, read_rgb8, write_picture


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_of_pictures(tmp_path, command_line):
    status, out, _ = command_line("graphics", "-o", tmp_path / "a", "--count", 4, "--seed", 3, "--size", 48)
    assert status == 0
    assert "4 done, 0 failed" in out
    made = contents(tmp_path / "a")
    assert [name.rsplit("-", 1)[0] for name in made] == ["3-00000", "3-00001", "3-00002", "3-00003"]
    for path in (tmp_path / "a").iterdir():
        assert read_rgb8(path).shape == (48, 48, 3)
    assert command_line("graphics", "-o", tmp_path / "b", "--count", 4, "--seed", 3, "--size", 48)[0] == 0
    assert contents(tmp_path / "b") == made
    assert command_line("graphics", "-o", tmp_path / "c", "--count", 4, "--seed", 4, "--size", 48)[0] == 0
    assert not set(contents(tmp_path / "c").values()) & set(made.values())


def test_kinds_and_fonts_for_tests(tmp_path, command_line):
    where = ("-o", tmp_path, "--count", 3, "--size", 64, "--kind", "text", "--kind", "logo")
    status, out, _ = command_line("graphics", *where, "--test-fonts")
    assert status == 0
    assert "Aileron" in out.splitlines()[0]
    assert "DejaVu" not in out.splitlines()[0]
    assert {name.rsplit("-", 1)[1] for name in contents(tmp_path)} <= {"text.png", "logo.png"}
    in_tests = contents(tmp_path)
    status, out, _ = command_line("graphics", *where, "--overwrite")
    assert status == 0
    assert "DejaVu" in out.splitlines()[0]
    assert "Aileron" not in out.splitlines()[0]
    assert contents(tmp_path) != in_tests


def test_what_is_there_already_stays(tmp_path, command_line):
    command = ("graphics", "-o", tmp_path, "--count", 2, "--size", 40)
    assert command_line(*command)[0] == 0
    first = next(iter(sorted(tmp_path.iterdir())))
    first.write_bytes(b"mine")
    (tmp_path / sorted(contents(tmp_path))[1]).unlink()
    status, out, err = command_line(*command)
    assert status == 1
    assert "already exists; choose --overwrite" in err
    assert "1 done, 1 failed" in out
    assert first.read_bytes() == b"mine"
    assert len(contents(tmp_path)) == 2
    assert command_line(*command, "--overwrite")[0] == 0
    assert first.read_bytes() != b"mine"


def test_photographs_under_text(tmp_path, command_line):
    (tmp_path / "under").mkdir()
    green = np.zeros((300, 300, 3), np.uint8)
    green[..., 1] = 77
    write_picture(Picture(pixels=green), tmp_path / "under" / "green.png")
    (tmp_path / "under" / "bad.png").write_bytes(b"nothing")
    command = ("graphics", "--count", 8, "--size", 256, "--kind", "interface")
    status, _, err = command_line(*command, "-o", tmp_path / "with", "--backgrounds", tmp_path / "under")
    assert status == 0
    assert "bad.png" in err
    assert command_line(*command, "-o", tmp_path / "without")[0] == 0
    assert contents(tmp_path / "with") != contents(tmp_path / "without")


def test_mistakes_are_told_in_a_sentence(tmp_path, command_line):
    (tmp_path / "file").write_text("")
    for arguments, reason in (
        (("-o", tmp_path / "a", "--count", 0), "--count 0 is out of range"),
        (("-o", tmp_path / "a", "--size", 16), "16x16 is too small"),
        (("-o", tmp_path / "a", "--kind", "photo"), "no kind of picture named photo"),
        (("-o", tmp_path / "a", "--fonts", tmp_path / "nowhere"), "is not a folder of fonts"),
        (("-o", tmp_path / "a", "--backgrounds", tmp_path / "nowhere"), "is not a folder"),
        (("-o", tmp_path / "file" / "a", "--count", 1), "cannot be made"),
    ):
        status, _, err = command_line("graphics", *arguments)
        assert status == 1
        assert err.startswith("deltasr: ")
        assert reason in err
        assert "Traceback" not in err
    assert not (tmp_path / "a").exists()
