"""`deltasr degrade` from the outside: arguments in, files, lines and an exit status out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deltasr.cli import main
from deltasr.cli.degrade import degrade_command
from deltasr.cli.upscale import upscale_command
from deltasr.degradation import KINDS
from deltasr.evaluation.degraded_list import read_list, to_csv
from deltasr.evaluation.sets import find_set
from deltasr.imaging import Metadata, Picture, read_picture, write_picture
from deltasr.imaging.formats import READABLE_TITLES


def save(
    path: Path, *, bits: int = 8, channels: int = 3, alpha: bool = False, size: tuple[int, int] = (17, 22)
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(f"uint{bits}")
    ramp = np.linspace(0, np.iinfo(dtype).max, size[0] * size[1] * channels).astype(dtype).reshape(*size, channels)
    picture = Picture(pixels=ramp, alpha=ramp[..., 0] if alpha else None, metadata=Metadata(resolution=(4.0, 4.0)))
    write_picture(picture, path)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["degrade", *map(str, arguments)])
    return int(stopped.value.code or 0)


def below(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_one_file(tmp_path, capsys):
    source = save(tmp_path / "a.png")
    assert run(source, "-o", tmp_path / "lr.png", "--seed", 7) == 0
    lr = read_picture(tmp_path / "lr.png")
    assert (lr.height, lr.width, lr.channels, lr.bits) == (4, 5, 3, 8)
    output = capsys.readouterr()
    assert "5x4, realesrgan" in output.out
    assert "cut to 20x16 pixels" in output.out
    assert "1 done, 0 failed" in output.out


def test_folders_are_mirrored_as_png_and_bad_files_told(tmp_path, capsys):
    save(tmp_path / "hr/a.jpg")
    save(tmp_path / "hr/deep/b.png")
    (tmp_path / "hr/bad.png").write_bytes(b"nothing")
    (tmp_path / "hr/text.txt").write_text("")
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--kind", "bsrgan", "--scale", 2) == 1
    assert below(tmp_path / "lr") == ["a.png", "deep/b.png"]
    output = capsys.readouterr()
    assert "bad.png" in output.err
    assert "2 done, 1 failed, 1 not pictures" in output.out
    assert read_picture(tmp_path / "lr/deep/b.png").width == 11


def test_a_picture_is_degraded_alike_whatever_lies_beside_it(tmp_path):
    save(tmp_path / "two/a.png")
    save(tmp_path / "two/b.png")
    save(tmp_path / "one/b.jpg").unlink()
    save(tmp_path / "one/b.png")
    for name, seed in (("two", 3), ("one", 3), ("other", 4)):
        run(tmp_path / name.replace("other", "one"), "-o", tmp_path / f"lr-{name}", "--seed", seed)
    run(tmp_path / "one/b.png", "-o", tmp_path / "single.png", "--seed", 3)
    together = (tmp_path / "lr-two/b.png").read_bytes()
    assert together == (tmp_path / "lr-one/b.png").read_bytes() == (tmp_path / "single.png").read_bytes()
    assert together != (tmp_path / "lr-other/b.png").read_bytes()
    assert together != (tmp_path / "lr-two/a.png").read_bytes()


def test_depth_is_kept_alpha_is_not_and_grey_becomes_rgb(tmp_path, capsys):
    save(tmp_path / "hr/deep.png", bits=16, alpha=True)
    save(tmp_path / "hr/grey.png", channels=1)
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--kind", "bicubic") == 0
    deep, grey = (read_picture(tmp_path / "lr" / name) for name in ("deep.png", "grey.png"))
    assert (deep.bits, deep.alpha) == (16, None)
    assert (grey.bits, grey.channels) == (8, 3)
    assert "transparency was left out" in capsys.readouterr().out


def test_bicubic_is_the_standard_degradation_rounded(tmp_path):
    from deltasr.degradation import downscale

    source = save(tmp_path / "a.png", size=(16, 20))
    run(source, "-o", tmp_path / "lr.png", "--kind", "bicubic")
    expected = (downscale(read_picture(source).to_tensor(), 4)[0].permute(1, 2, 0) * 255).round().numpy()
    assert np.array_equal(read_picture(tmp_path / "lr.png").pixels, expected)


def test_other_formats_where_asked_for(tmp_path):
    source = save(tmp_path / "a.png")
    run(source, "-o", tmp_path / "lr.webp")
    run(source, "-o", tmp_path / "out", "--output-format", "tiff")
    assert (tmp_path / "lr.webp").read_bytes()[8:12] == b"WEBP"
    assert below(tmp_path / "out") == ["a.tif"]


def test_existing_files_stay_unless_told_otherwise(tmp_path, capsys):
    source, target = save(tmp_path / "a.png"), save(tmp_path / "lr.png")
    before = target.read_bytes()
    assert run(source, "-o", target) == 1
    assert target.read_bytes() == before
    assert "--overwrite" in capsys.readouterr().err
    assert run(source, "-o", target, "--overwrite") == 0
    assert target.read_bytes() != before


def test_the_sheet(tmp_path, capsys):
    source = save(tmp_path / "a.png", size=(64, 300))
    assert run(source, "--sheet", tmp_path / "sheet.png") == 0
    sheet = read_picture(tmp_path / "sheet.png")
    assert sheet.width == 4 * (224 + 6) + 6
    assert "middle 224x64" in capsys.readouterr().out
    assert run(source, "--sheet", tmp_path / "sheet.png") == 1


@pytest.fixture
def listed(tmp_path) -> Path:
    """A list of two pictures in the folder `hr`, degraded with seed 1."""
    save(tmp_path / "hr/a.png")
    save(tmp_path / "hr/deep/b.png", size=(24, 20))
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--seed", 1, "--list", tmp_path / "lr/list.csv") == 0
    return tmp_path / "lr/list.csv"


def test_a_list_says_what_each_picture_went_through(listed, tmp_path):
    first, second = read_list(listed)
    assert (first.name, first.kind, first.scale, first.seed) == ("a", "realesrgan", 4, 1)
    assert (second.name, second.width, second.height) == ("deep/b", 5, 6)
    assert first.operations.startswith("blur ")
    pixels = read_picture(tmp_path / "lr/deep/b.png").pixels
    assert second.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert str(tmp_path) not in listed.read_text()


def test_a_list_is_the_same_wherever_the_set_lies(listed, tmp_path):
    (tmp_path / "hr").rename(tmp_path / "elsewhere")
    run(tmp_path / "elsewhere", "-o", tmp_path / "again", "--seed", 1, "--list", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == listed.read_bytes()


@pytest.mark.parametrize("name", ["lr.png", "lr.tif"])
def test_a_list_tells_the_pixels_of_files_of_16_bits(tmp_path, name):
    source, lr = save(tmp_path / "a.png", bits=16), tmp_path / name
    assert run(source, "-o", lr, "--kind", "bicubic", "--list", tmp_path / "list.csv") == 0
    (line,) = read_list(tmp_path / "list.csv")
    assert line.sha256 == hashlib.sha256(read_picture(lr).pixels.astype("<u2").tobytes()).hexdigest()


@pytest.mark.parametrize(
    "output",
    [
        ["lr.jpg"],
        ["lr.webp"],
        ["lr.bmp"],
        ["lr.png", "--output-format", "jpeg"],
        ["lr", "--output-format", "webp"],
        ["lr", "--output-format", ".BMP"],
    ],
)
def test_a_list_of_files_with_other_pixels_is_refused(tmp_path, capsys, monkeypatch, output):
    save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert run("a.png", "--list", "list.csv", "-o", *output) == 1
    assert capsys.readouterr().err == (
        "deltasr: A --list needs LR pictures that keep every pixel; write png or tiff.\n"
    )
    assert below(tmp_path) == ["a.png"]


def test_a_list_appears_whole_or_not_at_all(tmp_path, capsys):
    save(tmp_path / "hr/a.png")
    (tmp_path / "hr/bad.png").write_bytes(b"nothing")
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--list", tmp_path / "list.csv") == 1
    assert not (tmp_path / "list.csv").exists()
    assert "list.csv was not written, since pictures are missing" in capsys.readouterr().err


def test_a_list_that_cannot_be_written_is_named_as_a_list(tmp_path, capsys):
    save(tmp_path / "hr/a.png")
    (tmp_path / "file").write_text("no folder")
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--list", tmp_path / "file/list.csv") == 1
    assert capsys.readouterr().err.startswith(f"deltasr: The list {tmp_path / 'file/list.csv'} cannot be written")


def test_a_list_is_not_replaced_unasked(listed, tmp_path, capsys):
    before = listed.read_bytes()
    assert run(tmp_path / "hr", "-o", tmp_path / "other", "--list", listed) == 1
    assert listed.read_bytes() == before
    assert not (tmp_path / "other").exists()
    assert "--overwrite" in capsys.readouterr().err
    assert run(tmp_path / "hr", "-o", tmp_path / "other", "--list", listed, "--overwrite") == 0
    assert listed.read_bytes() != before


def test_a_check_finds_the_pictures_of_the_list(listed, tmp_path, capsys):
    before = below(tmp_path)
    capsys.readouterr()
    assert run(tmp_path / "hr", "--check", listed) == 0
    assert capsys.readouterr().out == "2 of 2 pictures are those of the list\n"
    assert below(tmp_path) == before


def test_a_check_of_a_file_that_is_given_twice_compares_both_names(tmp_path, capsys):
    """Below its folder and by itself a picture has two names, and each its own random values."""
    save(tmp_path / "hr/deep/a.png")
    inputs = (tmp_path / "hr", tmp_path / "hr/deep/a.png")
    assert run(*inputs, "-o", tmp_path / "lr", "--list", tmp_path / "list.csv") == 0
    assert [line.name for line in read_list(tmp_path / "list.csv")] == ["a", "deep/a"]
    capsys.readouterr()
    assert run(*inputs, "--check", tmp_path / "list.csv") == 0
    assert capsys.readouterr().out == "2 of 2 pictures are those of the list\n"


def test_a_check_names_what_differs_and_why(listed, tmp_path, capsys):
    lines = {line.name: line for line in read_list(listed)}
    listed.write_text(to_csv([replace(lines["a"], sha256="0" * 64), lines["deep/b"], replace(lines["a"], name="c")]))
    save(tmp_path / "hr/deep/b.png", size=(24, 21))
    save(tmp_path / "hr/d.png")
    assert run(tmp_path / "hr", "--check", listed) == 1
    output = capsys.readouterr()
    assert "line 2, a: the same HR picture came out with other pixels" in output.out
    assert "line 3, c: there is no HR picture of that name" in output.out
    assert "line 4, deep/b: the HR picture is another one" in output.out
    assert "0 of 3 pictures are those of the list" in output.out
    assert "Pillow" in output.out
    assert "d.png is not in the list" in output.err


def test_a_check_tells_pictures_that_cannot_be_read(listed, tmp_path, capsys):
    (tmp_path / "hr/a.png").write_bytes(b"nothing")
    assert run(tmp_path / "hr", "--check", listed) == 1
    output = capsys.readouterr()
    assert "a.png" in output.err
    assert "1 of 2 pictures" in output.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to degrade"),
        (["a.png", "--check", "list.csv", "--seed", "0"], "leave out --kind, --scale, --seed and --strength"),
        (["a.png", "--check", "missing.csv"], "missing.csv cannot be read"),
        (["a.png", "--check", "a.png"], "a.png is not text"),
        (["a.png", "--check", "list.csv", "-o", "lr"], "Name one of"),
        (["a.png", "--sheet", "c.png", "--list", "list.csv"], "name an --output"),
        (["a.png"], "--output"),
        (["a.png", "-o", "b.png", "--sheet", "c.png"], "--sheet"),
        (["a.png", "b.png", "--sheet", "c.png"], "one picture"),
        (["a.png", "-o", "b.png", "--kind", "fog"], "'fog'"),
        (["a.png", "-o", "b.png", "--scale", "0"], "--scale 0"),
        (["a.png", "-o", "b.png", "--scale", "30"], "too small"),
        (["missing.png", "-o", "b.png"], "does not exist"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert below(tmp_path) == ["a.png"]


def test_the_help_names_every_kind():
    text = degrade_command.__doc__ or ""
    assert all(name in text for name in KINDS)


@pytest.mark.parametrize("command", [degrade_command, upscale_command])
def test_the_help_names_every_format_that_is_read(command):
    text = command.__doc__ or ""
    assert all(name in text for name in READABLE_TITLES.replace(" or ", ", ").split(", "))


def test_the_help_is_reached_by_the_command_line(capsys):
    assert run("--help") == 0
    assert "--kind" in capsys.readouterr().out


COMMANDS = ["upscale", "models", "info", "evaluate", "train", "import", "degrade", "graphics", "engines", "export"]


@pytest.mark.parametrize("command", [*COMMANDS, "steps", "web", "experiment"])
def test_the_help_shows_no_default_of_options_that_are_off_or_empty(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert "default: False" not in shown
    assert "default: ()" not in shown
    assert "--empty-" not in shown


def test_a_strength_is_listed_and_checked(tmp_path, capsys):
    save(tmp_path / "hr/a.png", size=(40, 48))
    lists = {}
    for strength in ("0.3", "0.8"):
        lists[strength] = tmp_path / f"{strength}.csv"
        arguments = ("--kind", "web", "--strength", strength, "--list", lists[strength])
        assert run(tmp_path / "hr", "-o", tmp_path / strength, *arguments) == 0
        assert run(tmp_path / "hr", "--check", lists[strength]) == 0
    assert (tmp_path / "0.3/a.png").read_bytes() != (tmp_path / "0.8/a.png").read_bytes()
    (line,) = read_list(lists["0.3"])
    assert line.strength == 0.3
    assert line.operations.startswith("web strength=0.3; resize ")
    assert "jpeg quality=58" in line.operations


def test_lists_without_a_strength_are_as_they_were(tmp_path):
    save(tmp_path / "hr/a.png")
    run(tmp_path / "hr", "-o", tmp_path / "lr", "--list", tmp_path / "list.csv")
    assert "strength" not in (tmp_path / "list.csv").read_text().splitlines()[0]
    assert read_list(tmp_path / "list.csv")[0].strength is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "b.png", "--kind", "web", "--strength", "1.5"], "from 0 to 1"),
        (["-o", "b.png", "--kind", "bicubic", "--strength", "0.5"], "bicubic has no strength"),
        (["--sheet", "c.png", "--strength", "0.5"], "leave out --strength"),
    ],
)
def test_mistakes_with_strengths_are_told(tmp_path, monkeypatch, capsys, arguments, message):
    save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert run("a.png", *arguments) == 1
    assert message in capsys.readouterr().err
    assert below(tmp_path) == ["a.png"]


def test_a_square_set_is_one_that_evaluate_reads(tmp_path, capsys):
    save(tmp_path / "any/a.jpg", size=(50, 70))
    save(tmp_path / "any/deep/b.png", size=(64, 40))
    save(tmp_path / "any/small.png", size=(20, 70))
    out = tmp_path / "Mine"
    arguments = (tmp_path / "any", "-o", out, "--square", 32, "--square-by", "fit", "--kind", "resshift-test-code")
    assert run(*arguments) == 1
    pairs = [f"{folder}/{name}.png" for folder in ("HR", "LR_x4") for name in ("a", "deep/b")]
    assert below(out) == pairs
    assert {read_picture(out / pair).pixels.shape for pair in pairs} == {(32, 32, 3), (8, 8, 3)}
    assert "any/small.png: It has 70x20 pixels" in capsys.readouterr().err.replace("\n", " ")
    before = {name: (out / name).read_bytes() for name in pairs}
    assert run(*arguments) == 1
    assert "already exists" in capsys.readouterr().err
    assert run(*arguments, "--overwrite") == 1
    assert {name: (out / name).read_bytes() for name in pairs} == before
    flat = tmp_path / "Flat"
    assert (
        run(tmp_path / "any/a.jpg", "-o", flat, "--square", 32, "--kind", "bicubic", "--list", tmp_path / "l.csv") == 0
    )
    (pair,) = find_set(flat).pairs
    assert (pair.hr.name, pair.lr and pair.lr.name) == ("a.png", "a.png")
    assert find_set(flat).name == "Flat"
    assert run(flat / "HR", "--check", tmp_path / "l.csv") == 0


def test_an_hr_picture_that_is_there_is_not_replaced_unasked(tmp_path, capsys):
    source = save(tmp_path / "a.png", size=(50, 70))
    mine = save(tmp_path / "Mine/HR/a.png")
    kept = mine.read_bytes()
    assert run(source, "-o", tmp_path / "Mine", "--square", 32) == 1
    assert "HR/a.png already exists" in capsys.readouterr().err.replace("\n", " ")
    assert mine.read_bytes() == kept
    assert below(tmp_path / "Mine") == ["HR/a.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "out", "--square-by", "crop"), "give their side by --square"),
        (("--sheet", "s.png", "--square", 32), "name an --output folder"),
        (("-o", "out.png", "--square", 32), "out.png is a file's name, and --square makes two folders"),
        (("-o", "out", "--square", 0), "A square of 0 pixels is not possible"),
    ],
)
def test_mistakes_with_squares_are_told(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png")
    assert run("a.png", *arguments) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert below(tmp_path) == ["a.png"]
